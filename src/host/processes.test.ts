import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { StreamHandle } from "./host.ts";
import { createProcesses, type ReaderKind } from "./processes.ts";

let directory = "";
let fifo = "";

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-processes-"));
  fifo = path.join(directory, "fifo");
  execFileSync("mkfifo", [fifo]);
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

type Status = { readonly exitCode: number | null; readonly message: string };

/** Collects what a stream tells. */
function collect(
  start: (handler: Parameters<ReturnType<typeof createProcesses>["stream"]>[1]) => StreamHandle,
) {
  const seen: { text: string; ends: Status[] } = { text: "", ends: [] };
  const handle = start({
    data: (chunk) => {
      seen.text += Buffer.from(chunk).toString();
    },
    end: (status) => seen.ends.push(status),
  });
  return { seen, handle };
}

const kinds: readonly ReaderKind[] = ["setpriv", "cat", "poll"];

for (const kind of kinds) {
  test(`${kind}: bytes arrive while the writer lives, and the end is told once`, async () => {
    const processes = createProcesses(kind);
    const writer = fs.openSync(fifo, fs.constants.O_RDWR);
    const { seen } = collect((handler) => processes.stream(fifo, handler));
    fs.writeSync(writer, "one\n");
    await until(() => seen.text === "one\n");
    fs.writeSync(writer, "two");
    await until(() => seen.text === "one\ntwo");
    assert.deepEqual(seen.ends, []);
    fs.closeSync(writer);
    await until(() => seen.ends.length === 1);
    assert.deepEqual(seen.ends, [{ exitCode: 0, message: "" }]);
  });

  test(`${kind}: close ends it, nothing follows, twice is harmless`, async () => {
    const processes = createProcesses(kind);
    const writer = fs.openSync(fifo, fs.constants.O_RDWR);
    const { seen, handle } = collect((handler) => processes.stream(fifo, handler));
    fs.writeSync(writer, "one\n");
    await until(() => seen.text === "one\n");
    handle.close();
    handle.close();
    fs.writeSync(writer, "two\n");
    await until(() => seen.ends.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(seen.text, "one\n");
    assert.deepEqual(seen.ends, [{ exitCode: null, message: "" }]);
    fs.closeSync(writer);
  });

  test(`${kind}: a file that cannot be opened ends with the reason`, async () => {
    const processes = createProcesses(kind);
    const { seen } = collect((handler) => processes.stream(`${fifo}-none`, handler));
    await until(() => seen.ends.length === 1);
    assert.equal(seen.ends[0]?.exitCode, 1);
    assert.match(seen.ends[0]?.message ?? "", /No such file|ENOENT/);
  });
}

test("streamCommand streams a program and tells its failure", async () => {
  const processes = createProcesses();
  const script = "echo out; echo trouble >&2; exit 3";
  const { seen } = collect((handler) => processes.streamCommand("sh", ["-c", script], handler));
  await until(() => seen.ends.length === 1);
  assert.equal(seen.text, "out\n");
  assert.deepEqual(seen.ends, [{ exitCode: 3, message: "trouble" }]);
});

for (const kind of ["setpriv", "cat"] as const) {
  test(`${kind}: a program that does not exist ends with the reason`, async () => {
    const processes = createProcesses(kind);
    const { seen } = collect((handler) => processes.streamCommand("no-such-program", [], handler));
    await until(() => seen.ends.length === 1);
    assert.notEqual(seen.ends[0]?.exitCode, 0);
    assert.match(seen.ends[0]?.message ?? "", /no-such-program/);
  });
}

test("the message is cut at 400 characters", async () => {
  const processes = createProcesses();
  const script = "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1";
  const { seen } = collect((handler) => processes.streamCommand("sh", ["-c", script], handler));
  await until(() => seen.ends.length === 1);
  assert.equal(seen.ends[0]?.message.length, 400);
});

/** A program that streams the FIFO; `then` runs once the first bytes are there. */
function startStreamer(then: string) {
  const module = path.join(import.meta.dirname, "processes.ts");
  const script = `
    const { createProcesses } = await import(${JSON.stringify(module)});
    const handle = createProcesses().stream(${JSON.stringify(fifo)}, {
      data: () => { ${then} },
      end: () => {},
    });`;
  return spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
}

test("kill -9 of the parent kills the child that reads for it", async () => {
  const writer = fs.openSync(fifo, fs.constants.O_RDWR);
  const parent = startStreamer("");
  const children = () => {
    const file = `/proc/${parent.pid}/task/${parent.pid}/children`;
    return fs.readFileSync(file, "utf8").split(" ").filter(Boolean).map(Number);
  };
  const nameOf = (pid: number) => fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  await until(() => children().some((pid) => nameOf(pid) === "cat"));
  const reader = children().find((pid) => nameOf(pid) === "cat") ?? -1;
  const { isAlive } = createProcesses();
  assert.equal(isAlive(reader), true);
  parent.kill("SIGKILL");
  await until(() => !isAlive(reader) || isZombie(reader));
  fs.closeSync(writer);
});

/** In a container whose pid 1 does not reap, a dead orphan stays as a zombie. */
function isZombie(pid: number): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}

test("after close the process exits by itself, although the writer lives", async () => {
  const writer = fs.openSync(fifo, fs.constants.O_RDWR);
  fs.writeSync(writer, "x");
  const parent = startStreamer("handle.close()");
  const code = await new Promise((resolve) => parent.on("exit", resolve));
  assert.equal(code, 0);
  fs.closeSync(writer);
});

test("process.exit() is not held up by an open stream", async () => {
  const writer = fs.openSync(fifo, fs.constants.O_RDWR);
  fs.writeSync(writer, "x");
  const parent = startStreamer("process.exit(7)");
  const code = await new Promise((resolve) => parent.on("exit", resolve));
  assert.equal(code, 7);
  fs.closeSync(writer);
});

test("isAlive knows processes and never speaks to a group", () => {
  const { isAlive } = createProcesses();
  assert.equal(isAlive(process.pid), true);
  assert.equal(isAlive(1), true);
  for (const pid of [0, -1, -process.pid, 0.5, Number.NaN, 2 ** 40])
    assert.equal(isAlive(pid), false);
});

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !condition(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(condition(), "did not happen within 10 s");
}

test("a program that cannot be started at all ends its stream, it does not throw", async () => {
  // E2BIG, thrown by spawn as ENOMEM is.
  const long = "x".repeat(300_000);
  const { seen } = collect((handler) =>
    createProcesses("cat").streamCommand("cat", [long], handler),
  );
  assert.equal(seen.ends.length, 0, "not before the caller has the handle");
  await until(() => seen.ends.length === 1);
  assert.match(seen.ends.map(({ message }) => message).join(), /E2BIG/);
});

test("without file descriptors left a stream ends and says why", () => {
  const script = `
    const fs = require("node:fs");
    const { createProcesses } = require(${JSON.stringify(path.join(import.meta.dirname, "processes.ts"))});
    const processes = createProcesses("cat");
    try { for (;;) fs.openSync("/dev/null"); } catch {}
    processes.stream("/dev/null", {
      data: () => {},
      end: ({ message }) => { fs.writeSync(1, message); process.exit(); },
    });`;
  const command = 'ulimit -n 64 && exec "$0" -e "$1"';
  const said = execFileSync("sh", ["-c", command, process.execPath, script]).toString();
  assert.match(said, /EMFILE/);
});
