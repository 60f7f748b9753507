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
  assert.equal(scopeOf({ constraint: "memcg", cgroup: "/kubepods/pod1" }), "ancestor");
});

test("what is not known stays unknown", () => {
  assert.equal(scopeOf({ constraint: "memcg" }), null);
  assert.equal(scopeOf({}), null);
});
