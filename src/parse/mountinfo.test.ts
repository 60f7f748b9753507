import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountInfo } from "./mountinfo.ts";

const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,memory_localevents
`;

test("mounts with and without optional fields", () => {
  const mounts = parseMountInfo(HYBRID);
  assert.equal(mounts.length, 3);
  assert.deepEqual(mounts[1], {
    root: "/",
    mountPoint: "/sys/fs/cgroup/memory",
    fileSystem: "cgroup",
    superOptions: ["rw", "memory"],
  });
  assert.deepEqual(mounts[2]?.superOptions, ["rw", "memory_localevents"]);
});

test("octal escapes in paths", () => {
  const [mount] = parseMountInfo("1 2 0:3 /a\\134b /mnt/with\\040space rw - ext4 /dev/x rw");
  assert.equal(mount?.mountPoint, "/mnt/with space");
  assert.equal(mount?.root, "/a\\b");
});

test("broken lines are left out", () => {
  assert.deepEqual(parseMountInfo("\nx\n1 2 0:3 / /a rw\n1 2 0:3 / /a rw - ext4\n"), []);
});
