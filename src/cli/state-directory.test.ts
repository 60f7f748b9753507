import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createHost } from "../host/real.ts";
import { prepareStateDirectory } from "./state-directory.ts";

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-test-"));
  const umask = process.umask();
  t.after(() => {
    process.umask(umask);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

test("a new state directory and all that is made in it are closed to others", (t) => {
  const directory = join(temporary(t), "a/state");
  const host = createHost();
  prepareStateDirectory(host, directory, assert.fail);
  host.files.replace(`${directory}/checkpoint.json`, "{}");
  host.files.openAppend(`${directory}/journal.jsonl`).close();
  assert.equal(modeOf(directory), "750");
  assert.equal(modeOf(`${directory}/checkpoint.json`), "640");
  assert.equal(modeOf(`${directory}/journal.jsonl`), "640");
});

test("what an earlier version left open is closed, and nothing is opened", (t) => {
  const directory = join(temporary(t), "state");
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  for (const name of ["oomwitness.db", "oomwitness.db-wal", "journal.jsonl", "agent.lock"]) {
    writeFileSync(join(directory, name), "");
    chmodSync(join(directory, name), name === "agent.lock" ? 0o600 : 0o644);
  }
  prepareStateDirectory(createHost(), directory, assert.fail);
  assert.equal(modeOf(directory), "750");
  assert.equal(modeOf(join(directory, "oomwitness.db")), "640");
  assert.equal(modeOf(join(directory, "oomwitness.db-wal")), "640");
  assert.equal(modeOf(join(directory, "agent.lock")), "600");
});

test("a directory of others, such as /tmp, keeps its mode and their files", (t) => {
  const directory = join(temporary(t), "tmp");
  mkdirSync(directory);
  chmodSync(directory, 0o1777);
  for (const name of ["foreign", "oomwitness.db"]) {
    writeFileSync(join(directory, name), "");
    chmodSync(join(directory, name), 0o666);
  }
  prepareStateDirectory(createHost(), directory, assert.fail);
  assert.equal(modeOf(directory), "1777");
  assert.equal(modeOf(join(directory, "foreign")), "666");
  assert.equal(modeOf(join(directory, "oomwitness.db")), "640");
});
