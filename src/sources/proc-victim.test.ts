import assert from "node:assert/strict";
import { test } from "node:test";
import { createHost } from "../host/real.ts";
import { parseProcCgroup } from "./proc-cgroup.ts";
import { parseProcStatus, readProcCgroup } from "./proc-victim.ts";

const V1 = "8:pids:/x\n4:memory:/docker/63425c4a\n2:cpu,cpuacct:/y\n0::/\n";

test("the memory hierarchy is the one that counts", () => {
  const found = { path: "/docker/63425c4a", version: 1, hierarchy: 4, deleted: false };
  assert.deepEqual(parseProcCgroup(V1), found);
  const shared = parseProcCgroup("0::/z\n5:hugetlb,memory:/a:b\n");
  assert.deepEqual([shared?.path, shared?.version, shared?.hierarchy], ["/a:b", 1, 5]);
});

test("on version 2 there is one, and it may be gone", () => {
  const found = { path: "/a b.scope", version: 2, hierarchy: 0, deleted: true };
  assert.deepEqual(parseProcCgroup("0::/a b.scope (deleted)\n"), found);
});

test("what lies outside of the reader's namespace, or is no list, is unknown", () => {
  for (const text of ["0::/..\n", "0::/../../x\n", "", "memory:/x", "4:memory:x\n", "\0\n"]) {
    assert.equal(parseProcCgroup(text), null, JSON.stringify(text));
  }
  // The v2 path of a machine whose memory hierarchy we cannot see is not its memory cgroup.
  assert.equal(parseProcCgroup("4:memory:/../x\n0::/y\n"), null);
});

test("a status tells name, process and size", () => {
  const text = "Name:\ta\\nb\\\\n\nUmask:\t0022\nTgid:\t4510\nPid:\t4511\nVmSize:\t   17896 kB\n";
  const expected = { name: "a\nb\\n", tgid: 4510, vmSizeBytes: 17_896 * 1024 };
  assert.deepEqual(parseProcStatus(text), expected);
  assert.equal(parseProcStatus("Name:\tx\nTgid:\t1\n")?.vmSizeBytes, null);
  assert.equal(parseProcStatus("Tgid:\t1\n"), null);
  // Reaped between the opening of the file and its reading (storm on 6.1): nobody's process is 0.
  assert.equal(parseProcStatus("Name:\tx\nTgid:\t0\nPid:\t0\n")?.tgid, null);
});

/** A /proc with one process; `stat` is read after `cgroup`. */
function proc(cgroup: string, stat: string | null) {
  const tryReadText = (path: string) => (path.endsWith("/cgroup") ? cgroup : stat);
  return { ...createHost().files, tryReadText };
}

test("on version 1 every dying process pretends to be in the root", () => {
  const stat = (flags: number) => `7 (a) b) R 1 7 7 0 -1 ${flags} 0 0`;
  const read = (cgroup: string, text: string | null) =>
    readProcCgroup(proc(cgroup, text), "/proc", 7)?.path ?? null;
  assert.equal(read("4:memory:/\n0::/\n", stat(0x400000 | 4)), null);
  assert.equal(read("4:memory:/\n0::/\n", null), null);
  assert.equal(read("4:memory:/\n0::/\n", stat(0x400000)), "/");
  assert.equal(read("4:memory:/x\n0::/\n", null), "/x");
  assert.equal(read("0::/\n", null), "/");
});
