import assert from "node:assert/strict";
import { test } from "node:test";
import type { KillRecord } from "../model/record.ts";
import { withLimitScope } from "./scope.ts";

const RECORD: KillRecord = {
  type: "kill",
  id: "0f6e1c2d-4219-0",
  revision: 0,
  at: "2026-11-20T23:10:05.123456Z",
  node: "worker-3",
  bootId: "0f6e1c2d-0000-4000-8000-000000000000",
  incident: { id: "0f6e1c2d-4219-0", group: false },
  victim: {
    pid: 4219,
    tid: 4219,
    comm: "hog",
    uid: 0,
    oomScoreAdj: 0,
    main: null,
    totalVmBytes: null,
    anonRssBytes: null,
    fileRssBytes: null,
    shmemRssBytes: null,
    pageTableBytes: null,
  },
  trigger: null,
  outcome: "killed",
  limit: { scope: null, constraint: null, cgroup: null, bytes: null },
  cgroup: { path: "/kubepods/pod1/c1", id: 73, version: 1 },
  container: null,
  pod: null,
  unit: null,
  visibility: "unknown",
  attribution: "exact",
  recovered: false,
  witnesses: ["tracefs"],
};

function scopeOf(limit: Partial<KillRecord["limit"]>): KillRecord["limit"]["scope"] {
  return withLimitScope({ ...RECORD, limit: { ...RECORD.limit, ...limit } }).limit.scope;
}

test("the limit's scope follows from the constraint and from whose limit it was", () => {
  assert.equal(scopeOf({ constraint: "none" }), "node");
  assert.equal(scopeOf({ constraint: "cpuset" }), "cpuset");
  assert.equal(scopeOf({ constraint: "memory_policy" }), "mempolicy");
  assert.equal(scopeOf({ constraint: "memcg", cgroup: "/kubepods/pod1/c1" }), "cgroup");
  assert.equal(scopeOf({ constraint: "memcg", cgroup: "/kubepods/pod1" }), "pod");
  assert.equal(scopeOf({ constraint: "memcg", cgroup: "/kubepods" }), "ancestor");
});

test("what is not known stays unknown", () => {
  assert.equal(scopeOf({ constraint: "memcg" }), null);
  assert.equal(scopeOf({}), null);
});

const CONTAINER = `/kubepods/pod1/${"17db96a24ae1e9dd".repeat(4)}`;

function scopeIn(path: string | null, limit: string): KillRecord["limit"]["scope"] {
  const cgroup = { path, id: null, version: 2 } as const;
  const { scope } = withLimitScope({
    ...RECORD,
    cgroup,
    limit: { scope: null, constraint: "memcg", cgroup: limit, bytes: null },
  }).limit;
  return scope;
}

test("the limit of a container is told from one that it made for itself, and from those above", () => {
  assert.equal(scopeIn(CONTAINER, CONTAINER), "container");
  assert.equal(scopeIn(`${CONTAINER}/container`, CONTAINER), "container");
  assert.equal(scopeIn(`${CONTAINER}/container`, `${CONTAINER}/container`), "container");
  assert.equal(scopeIn(`${CONTAINER}/system.slice/job.service`, CONTAINER), "container");
  assert.equal(scopeIn(`${CONTAINER}/a/b`, `${CONTAINER}/a`), "cgroup");
  assert.equal(scopeIn(CONTAINER, "/kubepods/pod1"), "pod");
  assert.equal(scopeIn(CONTAINER, "/"), "ancestor");
  assert.equal(scopeIn(null, CONTAINER), "container");
  assert.equal(scopeIn(null, "/kubepods"), null);
});

test("the limit of a unit is its own, also for a process below", () => {
  const unit = "/system.slice/shop.service";
  assert.equal(scopeIn(unit, unit), "cgroup");
  assert.equal(scopeIn(`${unit}/worker`, unit), "cgroup");
  assert.equal(scopeIn(unit, "/system.slice"), "ancestor");
});
