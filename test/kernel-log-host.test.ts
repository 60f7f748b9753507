/** Real kills on this machine, seen through /dev/kmsg; the truth is what `waitpid` told their parent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CgroupTree, killsPossible, leaderExitKill, storm, type Truth } from "../lab/lab.ts";
import type { KillObservation } from "../src/model/observation.ts";
import { createKernelLogSource } from "../src/sources/kernel-log.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../src/sources/source.ts";
import { eventually, type RunningSource, startSource } from "./source-harness.ts";

const possible = killsPossible();
const LIMIT_BYTES = 10 << 20;

/** Only ours: other programs may make kills at the same time. */
function killsOf(running: RunningSource, truths: readonly Truth[]): KillObservation[] {
  const ids = new Set(truths.map(({ tid }) => tid));
  return running.observations.filter(
    (observation) => observation.kind === "kill" && ids.has(observation.victim.tid),
  ) as KillObservation[];
}

test("kills of this kernel", { skip: possible.ok ? false : possible.reason }, async (t) => {
  const running = startSource(createKernelLogSource({ ...DEFAULT_SOURCE_OPTIONS, history: false }));
  const up = await running.upOrEnd;
  if (typeof up !== "string") {
    t.skip(up.kind === "unavailable" ? `${up.reason}. ${up.remedy}` : "stopped");
    return;
  }
  const tree = new CgroupTree(`owh-klog-${process.pid}`);
  t.after(async () => {
    await running.stop();
    await tree.remove();
  });

  await t.test(
    "a process whose leader has ended: the thread's id, and the process's by the table",
    async () => {
      const cgroup = tree.create("leader", LIMIT_BYTES);
      const truths = await leaderExitKill(cgroup);
      await eventually("the kill", () => killsOf(running, truths).length === 1);
      const [kill] = killsOf(running, truths);
      const [truth] = truths;
      assert.equal(kill?.victim.tid, truth?.tid);
      assert.notEqual(truth?.tid, truth?.pid);
      if (kill?.cgroup === null) return t.diagnostic("the report was suppressed: other kills here");
      assert.equal(kill?.victim.pid, truth?.pid);
      assert.equal(kill?.cgroup.path, cgroup.path);
      assert.equal(kill?.limit?.bytes, LIMIT_BYTES);
    },
  );

  await t.test("a storm: every kill once, those with a report in the right cgroup", async () => {
    const cgroup = tree.create("storm", LIMIT_BYTES);
    const truths = await storm(cgroup, { kills: 40, comm: "x) Killed\\x0a1 (" });
    await eventually("40 kills", () => killsOf(running, truths).length >= truths.length);
    const kills = killsOf(running, truths);
    assert.equal(kills.length, truths.length);
    assert.equal(new Set(kills.map((kill) => kill.sequence)).size, truths.length);
    const named = kills.filter((kill) => kill.cgroup !== null);
    for (const kill of named) assert.equal(kill.cgroup?.path, cgroup.path);
    for (const kill of kills) assert.equal(kill.victim.comm, "x) Killed\n1 (");
    const late = truths.map((truth) => {
      const kill = kills.find(({ victim }) => victim.tid === truth.tid);
      return truth.reapedMicroseconds - (kill?.at.monotonicMicroseconds ?? 0);
    });
    t.diagnostic(`${named.length} of ${kills.length} kills have a cgroup in the kernel's log`);
    t.diagnostic(`reaped ${Math.min(...late)} to ${Math.max(...late)} µs after the log's instant`);
    assert.ok(late.every((microseconds) => Math.abs(microseconds) < 5_000_000));
  });

  await t.test("a reader that starts later dates the backlog as the live one did", async () => {
    const cgroup = tree.create("later", LIMIT_BYTES);
    const truths = await storm(cgroup, { kills: 20 });
    await eventually("20 kills", () => killsOf(running, truths).length >= truths.length);
    const late = startSource(createKernelLogSource(DEFAULT_SOURCE_OPTIONS));
    t.after(() => late.stop());
    await eventually("them again", () => killsOf(late, truths).length >= truths.length);
    const live = new Map(killsOf(running, truths).map((kill) => [kill.sequence, kill.at]));
    for (const { sequence, at, victim } of killsOf(late, truths)) {
      const before = live.get(sequence);
      const reaped = truths.find(({ tid }) => tid === victim.tid)?.reapedMicroseconds ?? 0;
      assert.ok(before !== undefined);
      const apart = Math.abs(at.monotonicMicroseconds - before.monotonicMicroseconds);
      assert.ok(apart < at.uncertaintyMicroseconds, `${apart} µs apart`);
      assert.ok(at.uncertaintyMicroseconds < 50_000, `± ${at.uncertaintyMicroseconds} µs`);
      assert.ok(at.monotonicMicroseconds - at.uncertaintyMicroseconds <= reaped);
    }
  });

  await t.test("stops at once", async () => {
    const before = performance.now();
    assert.deepEqual(await running.stop(), { kind: "stopped" });
    assert.ok(performance.now() - before < 500);
  });
});
