import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { createHost } from "../host/real.ts";
import { lockState, readLock } from "./state-lock.ts";

const host = createHost();

function temporary(t: { after(call: () => void): void }): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-lock-"));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

/** A living process that is not us. */
async function other(t: { after(call: () => void): void }): Promise<number> {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  t.after(() => void child.kill("SIGKILL"));
  await new Promise((resolve) => child.on("spawn", resolve));
  return child.pid ?? 0;
}

test("one agent a directory; given back, the next may have it", async (t) => {
  const directory = temporary(t);
  const pid = await other(t);
  const release = lockState(host, directory, pid);
  assert.deepEqual(readLock(host, directory), { pid });
  assert.throws(() => lockState(host, directory, process.pid), {
    code: "E_LOCKED",
    message: `an agent with pid ${pid} already uses ${directory}: stop it, or give this one another --state-dir.`,
  });
  release();
  assert.equal(readLock(host, directory), null);
  lockState(host, directory, process.pid)();
});

test("the lock of a killed agent, or of its pid used again, holds nobody up", (t) => {
  const directory = temporary(t);
  // Pid 1 lives, but did not start then; the other pid is beyond any.
  fs.writeFileSync(path.join(directory, "agent.lock"), "1 424242424242\n99999999 1\nnonsense\n");
  const release = lockState(host, directory, process.pid);
  assert.deepEqual(readLock(host, directory), { pid: process.pid });
  release();
});

test("a directory that cannot be written says what to do", () => {
  assert.throws(() => lockState(host, "/proc/nowhere", process.pid), {
    code: "E_STATE_DIR",
    message: /give a writable --state-dir/,
  });
});

test("lines of many killed agents are cleared away", (t) => {
  const directory = temporary(t);
  const file = path.join(directory, "agent.lock");
  fs.writeFileSync(file, "99999999 1\n".repeat(500));
  lockState(host, directory, process.pid);
  assert.equal(fs.readFileSync(file, "utf8").split("\n").length, 2);
});
