import assert from "node:assert/strict";
import { test } from "node:test";
import { createHost } from "../host/real.ts";
import { containerdSockets, criSockets } from "./grpc-sockets.ts";

/** A machine with these sockets (and their inodes), child pids of rootlesskit, and nothing else. */
function machine(
  sockets: Readonly<Record<string, number>>,
  childPids: Record<string, string> = {},
) {
  const host = createHost();
  const users = Object.keys(childPids).map((name) => ({ name, directory: true }));
  const files = {
    ...host.files,
    inode: (path: string) => sockets[path] ?? null,
    list: () => users,
    tryReadText: (path: string) => {
      const user = /^\/run\/user\/([^/]+)\/containerd-rootless\/child_pid$/.exec(path)?.[1];
      return (user === undefined ? undefined : childPids[user]) ?? null;
    },
  };
  return { ...host, files };
}

const EVERYWHERE = {
  "/run/containerd/containerd.sock": 1,
  "/run/k3s/containerd/containerd.sock": 2,
  "/run/k0s/containerd.sock": 3,
  "/var/snap/microk8s/common/run/containerd.sock": 4,
  "/run/docker/containerd/containerd.sock": 5,
  "/run/crio/crio.sock": 6,
};

test("all usual places are looked at", () => {
  assert.equal(containerdSockets(machine(EVERYWHERE), "/proc", undefined).length, 5);
  const cri = criSockets(machine(EVERYWHERE), "/proc", undefined);
  assert.equal(cri[0], "/run/crio/crio.sock");
  assert.equal(cri.length, 5, "Docker's own containerd has no pods");
});

test("one socket under two names is one daemon", () => {
  const both = { "/run/containerd/containerd.sock": 7, "/run/k0s/containerd.sock": 7 };
  assert.deepEqual(containerdSockets(machine(both), "/proc", undefined), [
    "/run/containerd/containerd.sock",
  ]);
});

test("a rootless containerd is found in its own mount namespace, by its own user alone", () => {
  const inside = "/host/proc/4219/root/run/containerd/containerd.sock";
  const host = machine({ [inside]: 9 }, { "1000": "4219\n", "1001": "4219" });
  const process = { uid: 1000, gid: 1000, kind: "directory" as const, mode: 0o555 };
  const files = { ...host.files, status: () => process };
  const as = (uid: number) => containerdSockets({ ...host, files, uid }, "/host/proc", undefined);
  assert.deepEqual(as(1000), [inside]);
  assert.deepEqual(as(1001), [], "the pid that this user wrote is another's process");
  assert.deepEqual(as(0), [], "root enters no user's namespace");
});

test("in a container the host's files are looked at beside its /proc, and through its process 1", () => {
  const beside = "/host/run/k3s/containerd/containerd.sock";
  const through = "/host/proc/1/root/run/k3s/containerd/containerd.sock";
  const both = machine({ [beside]: 1, [through]: 1 });
  assert.deepEqual(containerdSockets(both, "/host/proc", undefined), [beside]);
  assert.deepEqual(criSockets(machine({ [through]: 1 }), "/host/proc", undefined), [through]);
  assert.deepEqual(containerdSockets(both, "/proc", undefined), []);
});

test("what may not be looked at is named, so that it is said", () => {
  const host = machine({});
  const inode = (path: string) => {
    if (path === "/run/crio/crio.sock") throw new Error("EACCES");
    return null;
  };
  const guarded = { ...host, files: { ...host.files, inode } };
  assert.deepEqual(criSockets(guarded, "/proc", undefined), ["/run/crio/crio.sock"]);
});

test("a socket that was named is the only one, when it is there", () => {
  const mine = { ...EVERYWHERE, "/mine.sock": 8 };
  assert.deepEqual(containerdSockets(machine(mine), "/proc", "/mine.sock"), ["/mine.sock"]);
  assert.deepEqual(containerdSockets(machine(EVERYWHERE), "/proc", "/mine.sock"), []);
  assert.deepEqual(criSockets(machine(mine), "/proc", "/mine.sock"), ["/mine.sock"]);
});
