import type { KillRecord } from "../../src/model/record.ts";
import type { Figures } from "./row.ts";

/** A process that died of SIGKILL, as its parent learned from `waitpid`. */
export interface TrueKill {
  readonly pid: number;
  /** Path of the memory cgroup. */
  readonly cgroup: string;
}

type Place = Pick<KillRecord, "victim" | "cgroup"> & Partial<Pick<KillRecord, "basis">>;

/**
 * Holds records against the truth. A record of a known victim belongs to the kill of that process in that cgroup; one
 * without a victim (from a counter) stands for a kill of its cgroup, or of any, that has no other record. Where counters
 * gave it its cgroup it belongs to the kill of that process: how many each cgroup has is right, the pairs are a choice.
 * `foreignKills`: how many kills others made meanwhile on this machine, whose records are not ours to judge.
 */
export function compare(
  records: readonly Place[],
  truth: readonly TrueKill[],
  foreignKills: number,
): Figures {
  const open = countBy(truth.map(keyOf));
  const known = new Set(open.keys());
  const cgroups = new Set(truth.map(({ cgroup }) => cgroup));
  const pids = new Set(truth.map(({ pid }) => pid));
  let [recorded, doubled, invented, foreign] = [0, 0, 0, 0];
  const anonymous: Place[] = [];
  for (const record of records) {
    const { pid } = record.victim;
    const { path } = record.cgroup;
    const chosen = record.basis === "counter" && cgroups.has(path ?? "");
    const key = path === null || chosen ? keyOfPid(truth, pid) : `${pid} ${path}`;
    if (pid === null) anonymous.push(record);
    else if (key !== null && known.has(key)) {
      recorded += 1;
      if (!take(open, key)) doubled += 1;
    } else if (path === null ? pids.has(pid) : cgroups.has(path)) invented += 1;
    else foreign += 1;
  }
  for (const { cgroup } of anonymous) {
    const { path } = cgroup;
    const key = [...open.keys()].find((one) => path === null || one.endsWith(` ${path}`));
    if (key !== undefined && take(open, key)) recorded += 1;
    else if (path !== null && cgroups.has(path)) invented += 1;
    else foreign += 1;
  }
  invented += Math.max(0, foreign - foreignKills);
  const lost = [...open.values()].reduce((sum, count) => sum + count, 0);
  return { killsTrue: truth.length, recorded, doubled, invented, lost };
}

function keyOf({ pid, cgroup }: TrueKill): string {
  return `${pid} ${cgroup}`;
}

/** The kill of a record that does not know its cgroup. */
function keyOfPid(truth: readonly TrueKill[], pid: number | null): string | null {
  const kill = truth.find((one) => one.pid === pid);
  return kill === undefined ? null : keyOf(kill);
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Takes one off; whether there was one. */
function take(counts: Map<string, number>, key: string): boolean {
  const left = counts.get(key) ?? 0;
  if (left <= 1) counts.delete(key);
  else counts.set(key, left - 1);
  return left > 0;
}
