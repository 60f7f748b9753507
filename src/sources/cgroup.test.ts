import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  countersOf,
  eventually,
  type RunningSource,
  startSource,
} from "../../test/source-harness.ts";
import { V1Cgroup, whyNoV1Kills } from "../../test/v1-cgroups.ts";
import type { CounterObservation } from "../model/observation.ts";
import { CGROUP_TUNING, type CgroupTuning, createCgroupSource } from "./cgroup.ts";
import { DEFAULT_SOURCE_OPTIONS } from "./source.ts";

const skip = whyNoV1Kills() ?? false;

const FAST_SCAN: CgroupTuning = {
  ...CGROUP_TUNING,
  scan: { ...CGROUP_TUNING.scan, intervalMilliseconds: 50, cpuShare: 0.1 },
};

async function running(t: TestContext, tuning?: CgroupTuning): Promise<RunningSource> {
  const source = startSource(createCgroupSource(DEFAULT_SOURCE_OPTIONS, tuning));
  t.after(() => source.stop());
  assert.match(String(await source.upOrEnd), /^v1 at \/sys\/fs\/cgroup\/memory, \d+ cgroups$/);
  return source;
}

function owned(t: TestContext, cgroup: V1Cgroup): V1Cgroup {
  t.after(() => {
    try {
      cgroup.remove();
    } catch {}
  });
  return cgroup;
}

function counts(observations: readonly CounterObservation[]): [number, boolean, boolean][] {
  return observations.map(({ oomKill, baseline, final }) => [oomKill, baseline, final]);
}

test("a poke that names the cgroup reads its count before it returns", { skip }, async (t) => {
  const cgroup = owned(t, new V1Cgroup());
  const { source, observations } = await running(t);
  cgroup.kill();
  assert.deepEqual(countersOf(observations, cgroup.path), [], "nobody told it yet");
  source.poke?.([cgroup.path]);
  const [observation, ...more] = countersOf(observations, cgroup.path);
  assert.deepEqual(more, []);
  assert.ok(observation?.book.kind === "cgroup");
  assert.deepEqual(counts([observation]), [[1, false, false]]);
  assert.equal(observation.book.extent, "local");
  assert.equal(observation.book.version, 1);
  assert.equal(observation.book.limitBytes, 10 * 1024 * 1024);
  const since = observation.since?.monotonicMicroseconds ?? Number.NaN;
  assert.ok(since < observation.at.monotonicMicroseconds);
});

test("the count moves by exactly the kills, and an unchanged one is not told again", {
  skip,
}, async (t) => {
  const cgroup = owned(t, new V1Cgroup());
  const { source, observations } = await running(t);
  for (let kills = 1; kills <= 5; kills++) {
    cgroup.kill();
    source.poke?.([cgroup.path]);
    source.poke?.([cgroup.path]);
    await eventually("the count", () => countersOf(observations, cgroup.path).length === kills);
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  const told = countersOf(observations, cgroup.path);
  assert.deepEqual(
    told.map(({ oomKill }) => oomKill),
    [1, 2, 3, 4, 5],
  );
  assert.equal(new Set(told.map(({ sequence }) => sequence)).size, 5);
});

test("a cgroup made after the first scan, killed in and poked at, is no baseline", {
  skip,
}, async (t) => {
  const { source, observations } = await running(t);
  const parent = owned(t, new V1Cgroup());
  const child = parent.child('x "y" (deleted)');
  child.kill();
  source.poke?.([child.path]);
  const told = countersOf(observations, child.path);
  assert.deepEqual(counts(told), [[1, false, false]]);
  assert.notEqual(told[0]?.since, null);
  assert.deepEqual(countersOf(observations, parent.path), [], "v1 counts are local");
});

test("what was there before the start is a baseline", { skip }, async (t) => {
  const cgroup = owned(t, new V1Cgroup());
  cgroup.kill();
  cgroup.kill();
  const { observations } = await running(t);
  const told = countersOf(observations, cgroup.path);
  assert.deepEqual(counts(told), [[2, true, false]]);
  assert.equal(told[0]?.since, null);
});

test("the scan finds what nobody told, and the removal of a cgroup closes its book", {
  skip,
}, async (t) => {
  const cgroup = new V1Cgroup();
  const { observations } = await running(t, FAST_SCAN);
  cgroup.kill();
  await eventually("the count", () => countersOf(observations, cgroup.path).length === 1);
  cgroup.remove();
  await eventually("the end", () => countersOf(observations, cgroup.path).length === 2);
  assert.deepEqual(counts(countersOf(observations, cgroup.path)), [
    [1, false, false],
    [1, false, true],
  ]);
});

test("a cgroup re-created with the same name is another book", { skip }, async (t) => {
  const first = new V1Cgroup();
  const { source, observations } = await running(t);
  first.kill();
  source.poke?.([first.path]);
  first.remove();
  const second = owned(t, new V1Cgroup(first.path));
  second.kill();
  await new Promise((resolve) => setTimeout(resolve, 10));
  source.poke?.([first.path]);
  const told = countersOf(observations, first.path);
  assert.deepEqual(counts(told), [
    [1, false, false],
    [1, false, true],
    [1, false, false],
  ]);
  const ids = told.map(({ book }) => (book.kind === "cgroup" ? book.id : null));
  assert.equal(ids[0], ids[1]);
  assert.notEqual(ids[1], ids[2]);
  const [before, , after] = told;
  assert.ok((after?.since?.monotonicMicroseconds ?? 0) <= (after?.at.monotonicMicroseconds ?? 0));
  assert.ok(
    (after?.since?.monotonicMicroseconds ?? 0) > (before?.since?.monotonicMicroseconds ?? 0),
  );
});

test("a poke that names nothing brings a scan soon", { skip }, async (t) => {
  const cgroup = owned(t, new V1Cgroup());
  const { source, observations } = await running(t);
  cgroup.kill();
  source.poke?.([]);
  await eventually("the count", () => countersOf(observations, cgroup.path).length === 1, 1000);
});

test("a named cgroup's limits and its ancestors' are told once", { skip }, async (t) => {
  const parent = owned(t, new V1Cgroup(undefined, 12));
  const child = parent.child("c");
  const { source, observations } = await running(t);
  source.poke?.([child.path]);
  source.poke?.([child.path]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const limits = observations.filter((observation) => observation.kind === "limits");
  assert.deepEqual(
    limits.map(({ path, chain }) => [path, chain]),
    [[child.path, [{ path: parent.path, limitBytes: 12 * 1024 * 1024 }]]],
  );
});

test("hostile and absent paths are no harm and no cgroups", { skip }, async (t) => {
  const { source, observations } = await running(t);
  const paths = ["", "a", "/../../etc", "/no/such", "/x\0y", "/".repeat(9000)];
  for (const path of paths) {
    source.poke?.([path]);
    await new Promise((resolve) => setTimeout(resolve, 7));
  }
  for (const path of paths) assert.deepEqual(countersOf(observations, path), []);
});
