import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, HostError } from "../host/host.ts";
import { createHost } from "../host/real.ts";
import { findSockets, type UsualPlaces } from "./engine-sockets.ts";
import { DEFAULT_SOURCE_OPTIONS, type SourceOptions } from "./source.ts";

const PLACES: UsualPlaces = {
  system: ["/run/docker.sock", "/var/run/docker.sock"],
  perUser: ["docker.sock"],
  home: [".rd/docker.sock"],
  others: ["/run/podman/podman.sock"],
};

/** A machine with these sockets, by inode; `null`: in a directory that we may not enter. */
function machine(sockets: Readonly<Record<string, number | null>>): Host {
  const host = createHost();
  const inode = (path: string) => {
    const found = sockets[path];
    if (found === null) throw new HostError("EACCES", path, "not allowed");
    return found ?? null;
  };
  const list = (path: string) => {
    if (path !== "/run/user") throw new HostError("ENOENT", path, "not there");
    return [
      { name: "1000", directory: true },
      { name: "1001", directory: true },
    ];
  };
  return { ...host, files: { ...host.files, inode, list } };
}

const options = DEFAULT_SOURCE_OPTIONS;

function paths(host: Host, given: SourceOptions): string[] {
  return findSockets(host, given, PLACES).map(({ path }) => path);
}

test("the system's socket under two names is one; users' come after it", () => {
  const host = machine({
    "/run/docker.sock": 7,
    "/var/run/docker.sock": 7,
    "/run/user/1000/docker.sock": 8,
  });
  assert.deepEqual(paths(host, options), ["/run/docker.sock", "/run/user/1000/docker.sock"]);
});

test("Rancher Desktop's, in the home of the user", () => {
  const host = machine({ "/users/u/.rd/docker.sock": 9 });
  const user = { home: "/users/u", runtimeDirectory: null };
  assert.deepEqual(paths(host, { ...options, user }), ["/users/u/.rd/docker.sock"]);
});

test("Docker's path that is a link to Podman's socket is left to the other source", () => {
  const host = machine({ "/run/docker.sock": 5, "/run/podman/podman.sock": 5 });
  assert.deepEqual(paths(host, options), []);
});

test("a system's socket that may not be looked at is there; another user's is not", () => {
  const host = machine({ "/run/docker.sock": null, "/run/user/1001/docker.sock": null });
  assert.deepEqual(paths(host, options), ["/run/docker.sock"]);
});

test("from within a container: beside the host's /proc, or through its process 1", () => {
  const within = { ...options, procRoot: "/host/proc" };
  const beside = machine({ "/host/run/docker.sock": 3, "/host/proc/1/root/run/docker.sock": 3 });
  assert.deepEqual(paths(beside, within), ["/host/run/docker.sock"]);
  const through = machine({ "/host/proc/1/root/run/docker.sock": 3 });
  assert.deepEqual(paths(through, within), ["/host/proc/1/root/run/docker.sock"]);
});

test("a user's socket is that user's; one in a place that is another's is not followed", () => {
  const sockets = { "/run/user/1000/docker.sock": 8, "/run/user/1001/docker.sock": 9 };
  const host = machine(sockets);
  const owned = (path: string) => ({
    uid: path.startsWith("/run/user/") ? 1000 : 0,
    gid: 0,
    kind: "directory" as const,
    mode: 0o755,
  });
  const files = { ...host.files, status: owned };
  assert.deepEqual(findSockets({ ...host, files }, options, PLACES), [
    { path: "/run/user/1000/docker.sock", uid: 1000 },
  ]);
});
