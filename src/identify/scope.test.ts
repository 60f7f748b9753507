import assert from "node:assert/strict";
import { test } from "node:test";
import type { KillRecord } from "../model/record.ts";
import { parseCgroupPath } from "./cgroup-path.ts";
import { limitScope } from "./scope.ts";

type Limit = KillRecord["limit"];

const UNKNOWN: Limit = { scope: null, constraint: null, cgroup: null, bytes: null };

/** Of a victim in `path`, of which nothing else is known. */
function scopeAt(path: string | null, limit: Partial<Limit>): Limit["scope"] {
  const container = path === null ? null : parseCgroupPath(path).container;
  const cgroup = { path, id: null, version: 2 } as const;
  return limitScope({ limit: { ...UNKNOWN, ...limit }, cgroup }, container?.path ?? null);
}

function scopeOf(limit: Partial<Limit>): Limit["scope"] {
  return scopeAt("/kubepods/pod1/c1", limit);
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

function scopeIn(path: string | null, limit: string): Limit["scope"] {
  return scopeAt(path, { constraint: "memcg", cgroup: limit });
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
