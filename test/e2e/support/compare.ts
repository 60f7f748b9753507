import assert from "node:assert/strict";
import type { KillRecord } from "../../../src/model/record.ts";
import type { TrueKill } from "./storm.ts";

export interface Tally {
  readonly exact: number;
  readonly inferred: number;
  readonly none: number;
}

/**
 * Each true kill has exactly one record, with the right cgroup wherever it claims to know it; no record is left over in
 * the cgroups of the test. Where counters gave the cgroup, which process was whose may be a choice, but not how many each
 * cgroup has. Returns how the cgroups were known.
 */
export function assertSame(records: readonly KillRecord[], truth: readonly TrueKill[]): Tally {
  assert.equal(new Set(records.map((record) => record.id)).size, records.length, "duplicate ids");
  const cgroups = new Set(truth.map((kill) => kill.cgroup));
  const pids = new Set(truth.map((kill) => kill.pid));
  const ours = records.filter((record) =>
    record.cgroup.path === null
      ? record.victim.pid === null || pids.has(record.victim.pid)
      : cgroups.has(record.cgroup.path),
  );
  assert.equal(ours.length, truth.length, "records against true kills");
  for (const kill of truth) {
    const found = ours.filter((record) => record.victim.pid === kill.pid);
    assert.equal(found.length, 1, `records of pid ${kill.pid}: ${JSON.stringify(found)}`);
    const path = found[0]?.cgroup.path ?? null;
    const isChoice = path === null || found[0]?.basis === "counter";
    if (!isChoice) assert.equal(path, kill.cgroup, `cgroup of ${JSON.stringify(found[0])}`);
  }
  for (const path of cgroups) {
    const records = ours.filter(({ cgroup }) => cgroup.path === path).length;
    const kills = truth.filter(({ cgroup }) => cgroup === path).length;
    assert.ok(records <= kills, `${records} records of ${kills} kills in ${path}`);
  }
  const of = (attribution: string) =>
    ours.filter((record) => record.attribution === attribution).length;
  return { exact: of("exact"), inferred: of("inferred"), none: of("none") };
}

export function describeTally({ exact, inferred, none }: Tally): string {
  return `exact ${exact}, inferred ${inferred}, none ${none}`;
}
