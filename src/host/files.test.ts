import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { createFiles } from "./files.ts";
import { HostError } from "./host.ts";

const files = createFiles();
let directory = "";

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-files-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const at = (name: string) => path.join(directory, name);
const hasCode = (code: string) => (error: unknown) =>
  error instanceof HostError && error.code === code;

test("files in /proc and /sys are read whole, whatever their size is said to be", () => {
  assert.equal(fs.statSync("/proc/self/status").size, 0);
  assert.match(files.readText("/proc/self/status"), /^Name:.*\nnonvoluntary_ctxt_switches:/ms);
  assert.match(files.readText("/proc/vmstat"), /^nr_free_pages \d+\n.*\n$/s);
  assert.ok(files.readText("/proc/kallsyms").length > 500_000, "more than one read(2)");
});

test("a file longer than one read arrives in order", () => {
  const text = Array.from({ length: 40_000 }, (_, line) => `line ${line}`).join("\n");
  fs.writeFileSync(at("long"), text);
  assert.equal(files.readText(at("long")), text);
  assert.equal(files.readBytes(at("long")).length, text.length);
});

test("an earlier read is not changed by a later one", () => {
  fs.writeFileSync(at("a"), "first");
  fs.writeFileSync(at("b"), "other");
  const first = files.readBytes(at("a"));
  files.readBytes(at("b"));
  assert.equal(Buffer.from(first).toString(), "first");
});

test("invalid UTF-8 becomes U+FFFD", () => {
  fs.writeFileSync(at("bytes"), Buffer.from([0x61, 0xff, 0x62]));
  assert.equal(files.readText(at("bytes")), "a\uFFFDb");
});

test("reading a stream returns what is there and does not hang", () => {
  execFileSync("mkfifo", [at("fifo")]);
  const writer = fs.openSync(at("fifo"), fs.constants.O_RDWR);
  try {
    fs.writeSync(writer, "so far");
    assert.equal(files.readText(at("fifo")), "so far");
    assert.equal(files.readText(at("fifo")), "");
  } finally {
    fs.closeSync(writer);
  }
});

test("failures carry the kernel's code and the path", () => {
  assert.throws(() => files.readText(at("none")), hasCode("ENOENT"));
  assert.throws(() => files.readText(directory), hasCode("EISDIR"));
  assert.throws(() => files.list(at("none")), hasCode("ENOENT"));
  assert.throws(() => files.remove(at("none")), hasCode("ENOENT"));
  assert.throws(() => files.writeText(at("none"), "x"), hasCode("ENOENT"));
  assert.throws(() => files.appendText(at("none"), "x"), hasCode("ENOENT"));
  assert.throws(() => files.makeDirectory(directory, false), hasCode("EEXIST"));
  assert.equal(files.tryReadText(at("none")), null);
  assert.equal(files.tryReadText("/proc/self/mem"), null);
});

test("writeText replaces, appendText adds, neither creates", () => {
  fs.writeFileSync(at("control"), "old and long");
  files.writeText(at("control"), "new");
  assert.equal(files.readText(at("control")), "new");
  files.appendText(at("control"), "+more");
  assert.equal(files.readText(at("control")), "new+more");
  files.writeText(at("control"), "");
  assert.equal(files.readText(at("control")), "");
  assert.deepEqual(files.list(directory), [{ name: "control", directory: false }]);
});

test("a tracefs control file is written and cleared", (t) => {
  const tracing = "/sys/kernel/tracing";
  if (!files.exists(`${tracing}/instances`)) return t.skip(`no tracefs at ${tracing}, or not root`);
  const instance = `${tracing}/instances/owh-tool-${process.pid}`;
  files.makeDirectory(instance, false);
  try {
    files.writeText(`${instance}/set_event`, "oom:mark_victim\n");
    assert.equal(files.readText(`${instance}/set_event`), "oom:mark_victim\n");
    files.appendText(`${instance}/set_event`, "oom:wake_reaper\n");
    const events = files.readText(`${instance}/set_event`).trim().split("\n");
    assert.deepEqual(events.sort(), ["oom:mark_victim", "oom:wake_reaper"]);
    files.writeText(`${instance}/set_event`, "");
    assert.equal(files.readText(`${instance}/set_event`), "");
    assert.equal(files.readText(`${instance}/trace_pipe`), "");
    assert.throws(() => files.writeText(`${instance}/set_event`, "no:such\n"), hasCode("EINVAL"));
  } finally {
    files.removeDirectory(instance);
  }
});

test("/dev/kmsg is read up to now", (t) => {
  try {
    fs.closeSync(fs.openSync("/dev/kmsg", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  } catch (error) {
    return t.skip(`/dev/kmsg: ${error instanceof Error ? error.message : error}`);
  }
  const text = files.readText("/dev/kmsg");
  if (text !== "") assert.match(text, /^\d+,\d+,\d+,/);
});

test("replace is whole or not at all", () => {
  files.replace(at("state"), "one");
  const before = files.inode(at("state"));
  files.replace(at("state"), "two");
  assert.equal(files.readText(at("state")), "two");
  assert.notEqual(files.inode(at("state")), before, "a new file took its place");
  assert.deepEqual(files.list(directory), [{ name: "state", directory: false }]);
  assert.throws(() => files.replace(at("none/state"), "x"), hasCode("ENOENT"));
});

test("appended text is in the file after each call", () => {
  const log = files.openAppend(at("log"));
  log.append("a\n");
  log.append("b\n");
  assert.equal(files.readText(at("log")), "a\nb\n");
  log.close();
  log.close();
  const again = files.openAppend(at("log"));
  again.append("d\n");
  again.close();
  assert.equal(files.readText(at("log")), "a\nb\nd\n");
});

test("an appended file knows whether its path still names it", () => {
  fs.mkdirSync(at("state"));
  const log = files.openAppend(at("state/log"));
  assert.equal(log.isThere(), true);
  fs.rmSync(at("state"), { recursive: true });
  log.append("into nothing\n");
  assert.equal(log.isThere(), false);
  fs.mkdirSync(at("state"));
  fs.writeFileSync(at("state/log"), "");
  assert.equal(log.isThere(), false, "another file of the same name");
  log.close();
});

for (const how of ["now", "behind"] as const) {
  test(`replaced ${how}, the file before is kept`, async () => {
    const replace = (text: string): Promise<HostError | null> =>
      new Promise((resolve) => {
        if (how === "behind") return files.replaceBehind(at("a"), text, at("a.before"), resolve);
        files.replaceNow(at("a"), text, at("a.before"));
        resolve(null);
      });
    for (const text of ["one", "two", "three"]) assert.equal(await replace(text), null);
    assert.equal(files.readText(at("a")), "three");
    assert.equal(files.readText(at("a.before")), "two");
    assert.equal(files.list(directory).length, 2);
  });
}

test("what cannot be replaced behind says why", async () => {
  const error = await new Promise<HostError | null>((resolve) =>
    files.replaceBehind(at("none/a"), "", at("none/b"), resolve),
  );
  assert.ok(hasCode("ENOENT")(error));
});

test("list, inode, exists, removal", () => {
  files.makeDirectory(at("x/y"), true);
  files.makeDirectory(at("x/y"), true);
  fs.writeFileSync(at("x/file"), "");
  const names = files.list(at("x")).map((entry) => `${entry.name}:${entry.directory}`);
  assert.deepEqual(names.sort(), ["file:false", "y:true"]);
  assert.equal(files.inode(at("x/y")), fs.statSync(at("x/y")).ino);
  assert.equal(files.inode(at("x/z")), null);
  assert.equal(files.inode(at("x/file/z")), null);
  files.removeDirectory(at("x/y"));
  files.remove(at("x/file"));
  assert.equal(files.exists(at("x/y")), false);
  assert.equal(files.exists(at("x")), true);
});

test("directories that cannot be made fail at once", () => {
  // Node's recursive mkdirSync spins for ever on the first of these.
  assert.throws(() => files.makeDirectory("/proc/oomwitness/deep", true), hasCode("ENOENT"));
  fs.writeFileSync(at("file"), "");
  assert.throws(() => files.makeDirectory(at("file"), true), hasCode("EEXIST"));
  assert.throws(() => files.makeDirectory(at("file/below"), true), hasCode("ENOTDIR"));
});

test("a watch tells the changed name until it is stopped", async () => {
  const names: (string | null)[] = [];
  const stop = files.watch(
    directory,
    (name) => names.push(name),
    (error) => assert.fail(error),
  );
  fs.writeFileSync(at("new"), "x");
  await until(() => names.includes("new"));
  stop();
  const seen = names.length;
  fs.writeFileSync(at("later"), "x");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(names.length, seen);
});

test("a watch of nothing fails at once", () => {
  assert.throws(
    () =>
      files.watch(
        at("none"),
        () => {},
        () => {},
      ),
    hasCode("ENOENT"),
  );
});

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(condition(), "did not happen within 5 s");
}

test("a full disk is called by its name, also when it took a part", (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root to mount a disk that is soon full");
  fs.mkdirSync(at("disk"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "none", at("disk")]);
  try {
    const file = files.openAppend(at("disk/journal"));
    assert.throws(() => file.append("x".repeat(50_000)), hasCode("ENOSPC"));
    assert.ok(fs.statSync(at("disk/journal")).size > 0);
    file.close();
    assert.throws(() => files.replace(at("disk/other"), "x".repeat(50_000)), hasCode("ENOSPC"));
  } finally {
    execFileSync("umount", [at("disk")]);
  }
});
