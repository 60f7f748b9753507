import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, type TrueKill } from "./compare.ts";

const VICTIM = {
  tid: null,
  comm: null,
  uid: null,
  oomScoreAdj: null,
  main: null,
  totalVmBytes: null,
  anonRssBytes: null,
  fileRssBytes: null,
  shmemRssBytes: null,
  pageTableBytes: null,
};

const TRUTH: readonly TrueKill[] = [
  { pid: 10, cgroup: "/a" },
  { pid: 11, cgroup: "/a" },
  { pid: 12, cgroup: "/b" },
];

function record(pid: number | null, path: string | null) {
  return { victim: { ...VICTIM, pid }, cgroup: { path, id: null, version: null } };
}

const RIGHT = TRUTH.map(({ pid, cgroup }) => record(pid, cgroup));

test("one record for each kill", () => {
  const right = { killsTrue: 3, recorded: 3, doubled: 0, invented: 0, lost: 0 };
  assert.deepEqual(compare(RIGHT, TRUTH, 0), right);
  const placeless = [record(10, null), record(null, "/a"), record(null, null)];
  assert.deepEqual(compare(placeless, TRUTH, 0), right);
});

test("a second record of a kill is a double, with its cgroup or without", () => {
  assert.equal(compare([...RIGHT, record(10, "/a")], TRUTH, 0).doubled, 1);
  assert.equal(compare([...RIGHT, record(10, null)], TRUTH, 0).doubled, 1);
});

test("a record for no kill is invented, unless others made kills", () => {
  assert.equal(compare([...RIGHT, record(99, "/a")], TRUTH, 5).invented, 1);
  assert.equal(compare([...RIGHT, record(null, "/b")], TRUTH, 5).invented, 1);
  assert.equal(compare([...RIGHT, record(1, "/forged")], TRUTH, 0).invented, 1);
  assert.equal(compare([...RIGHT, record(1, "/other")], TRUTH, 1).invented, 0);
});

test("a kill in the wrong cgroup is lost and invented", () => {
  const { invented, lost } = compare([...RIGHT.slice(1), record(10, "/b")], TRUTH, 0);
  assert.deepEqual([invented, lost], [1, 1]);
});

test("a kill without a record is lost", () => {
  assert.equal(compare(RIGHT.slice(1), TRUTH, 0).lost, 1);
  assert.equal(compare([], TRUTH, 0).lost, 3);
});

test("a pair of process and cgroup that counters concluded is a choice, in a cgroup of ours", () => {
  const truth = [
    { pid: 1, cgroup: "/a" },
    { pid: 2, cgroup: "/b" },
  ];
  const chosen = (pid: number, path: string) =>
    ({ ...record(pid, path), basis: "counter" }) as const;
  const swapped = compare([chosen(1, "/b"), chosen(2, "/a")], truth, 0);
  assert.deepEqual([swapped.recorded, swapped.invented, swapped.lost], [2, 0, 0]);
  const elsewhere = compare([chosen(1, "/c"), chosen(2, "/b")], truth, 0);
  assert.deepEqual([elsewhere.recorded, elsewhere.invented, elsewhere.lost], [1, 1, 1]);
});
