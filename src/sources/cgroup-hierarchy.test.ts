import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { createHost } from "../host/real.ts";
import { findMemoryHierarchy } from "./cgroup-hierarchy.ts";
import { readLimitChain } from "./cgroup-limits.ts";
import { DEFAULT_SOURCE_OPTIONS } from "./source.ts";

const host = createHost();

/** A machine made of files; `ROOT` in a text is where it stands. */
function machine(t: TestContext, files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), "oomwitness-hierarchy-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text.replaceAll("ROOT", root));
  }
  const options = { ...DEFAULT_SOURCE_OPTIONS, procRoot: `${root}/proc`, sysRoot: `${root}/sys` };
  const found = findMemoryHierarchy(host.files, options);
  return { root, found: found && { ...found, directory: found.directory.replace(root, "") } };
}

const V2_FILES = {
  "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
  "sys/kernel/cgroup/features": "nsdelegate\nmemory_localevents\n",
};

function v2Mount(root: string, options: string): string {
  return `28 23 0:25 ${root} ROOT/sys/fs/cgroup rw - cgroup2 cgroup2 ${options}\n`;
}

test("v2", (t) => {
  const files = { ...V2_FILES, "proc/self/mountinfo": v2Mount("/", "rw,nsdelegate") };
  const expected = {
    directory: "/sys/fs/cgroup",
    prefix: "",
    version: 2,
    hierarchicalEvents: true,
  };
  assert.deepEqual(machine(t, files).found, expected);
});

test("v2 with memory_localevents, or before 5.2: memory.events is local", (t) => {
  const mounted = { ...V2_FILES, "proc/self/mountinfo": v2Mount("/", "rw,memory_localevents") };
  assert.equal(machine(t, mounted).found?.hierarchicalEvents, false);
  const old = {
    ...V2_FILES,
    "sys/kernel/cgroup/features": "nsdelegate\n",
    "proc/self/mountinfo": v2Mount("/", "rw"),
  };
  assert.equal(machine(t, old).found?.hierarchicalEvents, false);
});

test("hybrid: the v1 hierarchy has the memory controller", (t) => {
  const mounts = `41 31 0:38 / ROOT/sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
36 31 0:33 / ROOT/sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
35 31 0:32 / ROOT/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`;
  const found = machine(t, {
    "proc/self/mountinfo": mounts,
    "sys/fs/cgroup/unified/cgroup.controllers": "\n",
    "sys/fs/cgroup/memory/memory.oom_control": "oom_kill 0\n",
    "sys/fs/cgroup/devices/tasks": "",
  }).found;
  assert.deepEqual([found?.version, found?.directory], [1, "/sys/fs/cgroup/memory"]);
});

test("in a container only its own subtree is mounted; a mount below sysRoot goes first", (t) => {
  const mounts = `9 8 0:25 / ROOT/elsewhere rw - cgroup2 cgroup2 rw\n${v2Mount("/docker/df1c", "rw")}`;
  const elsewhere = { "elsewhere/cgroup.controllers": "memory\n" };
  const files = { ...V2_FILES, ...elsewhere, "proc/self/mountinfo": mounts };
  const { found } = machine(t, files);
  assert.deepEqual([found?.directory, found?.prefix], ["/sys/fs/cgroup", "/docker/df1c"]);
});

test("no controller, no mount, no mountinfo: none", (t) => {
  const off = { ...V2_FILES, "sys/fs/cgroup/cgroup.controllers": "cpu pids\n" };
  assert.equal(machine(t, { ...off, "proc/self/mountinfo": v2Mount("/", "rw") }).found, null);
  assert.equal(machine(t, {}).found, null);
});

test("the chain of limits leaves out unlimited ones and reads either version", (t) => {
  const { root } = machine(t, {
    "c/a/memory.max": "max\n",
    "c/a/b/memory.max": "52428800\n",
    "c/a/b/c/memory.limit_in_bytes": "20971520\n",
  });
  assert.deepEqual(readLimitChain(host, `${root}/c`, "/a/b/c"), [
    { path: "/a/b/c", limitBytes: 20_971_520 },
    { path: "/a/b", limitBytes: 52_428_800 },
  ]);
  assert.deepEqual(readLimitChain(host, `${root}/c`, "/"), []);
  assert.deepEqual(readLimitChain(host, `${root}/c`, ""), []);
});
