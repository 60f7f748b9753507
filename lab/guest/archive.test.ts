import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { readArchive, writeArchive } from "./archive.ts";

const name = fc.stringMatching(/^[a-z]{1,9}$/);
const fileSet = fc.dictionary(name, fc.uint8Array({ maxLength: 40 }), { noNullPrototype: true });

test("what is written is read again, whatever its length", () => {
  fc.assert(
    fc.property(fileSet, (files) => {
      const entries = Object.entries(files).map(
        ([path, data]) => ({ path: `d/${path}`, kind: "file", data, executable: false }) as const,
      );
      const read = readArchive(writeArchive(entries));
      assert.deepEqual(
        [...read.keys()],
        entries.map(({ path }) => path),
      );
      for (const { path, data } of entries) assert.deepEqual(read.get(path), Buffer.from(data));
    }),
    { verbose: true },
  );
});

test("a cut or foreign archive gives what is whole, and no error", () => {
  const data = Buffer.from("12345");
  const whole = writeArchive([
    { path: "a", kind: "file", data, executable: false },
    { path: "b", kind: "file", data, executable: false },
  ]);
  for (let length = 0; length <= whole.length; length++) {
    const read = readArchive(whole.subarray(0, length));
    for (const content of read.values()) assert.deepEqual(content, data);
    assert.ok(read.size <= 2);
  }
  assert.equal(readArchive(Buffer.from(`070701${"zzzzzzzz".repeat(13)}`)).size, 0);
});

test("cpio reads what we write", (t) => {
  if (spawnSync("cpio", ["--version"]).error)
    return t.skip("cpio is missing: apt-get install cpio");
  const archive = writeArchive([
    { path: "a/b/run", kind: "file", data: Buffer.from("x"), executable: true },
    { path: "a/link", kind: "link", target: "b/run" },
  ]);
  const { stdout, status } = spawnSync("cpio", ["-tv", "--quiet"], { input: archive });
  assert.equal(status, 0);
  const lines = stdout.toString().trim().split("\n");
  const shown = lines.map(
    (line) => `${line.slice(0, 10)} ${line.replace(/^.*\d\d:\d\d|^.* \d{4} /, "").trim()}`,
  );
  assert.deepEqual(shown, [
    "drwxr-xr-x a",
    "drwxr-xr-x a/b",
    "-rwxr-xr-x a/b/run",
    "lrwxrwxrwx a/link -> b/run",
  ]);
});
