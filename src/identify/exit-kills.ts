import type { Instant } from "../model/time.ts";
import { parseCgroupPath } from "./cgroup-path.ts";
import { type Entry, STAMP_SLACK } from "./entry.ts";
import { isMain } from "./identity.ts";
import type { Inventory } from "./inventory.ts";
import { type Run, runAt } from "./runs.ts";
import type { ToldKill, ToldKills } from "./told-kills.ts";
import { isNear, type OwnKill, TOGETHER_MICROSECONDS } from "./verdict.ts";

export interface KillSurroundings {
  readonly inventory: Inventory;
  readonly kills: ToldKills;
}

interface Ended {
  readonly run: Run;
  readonly end: Instant;
}

export interface Own extends OwnKill {
  readonly kill: ToldKill;
  /** In this life, and in no other of which nobody told. */
  readonly surely: boolean;
}

/** Kills in this life until its end, oldest first. */
export function ownKills({ inventory, kills }: KillSurroundings, entry: Entry, held: Ended): Own[] {
  const { run } = held;
  const runs = inventory.runs(entry);
  const end = held.end.monotonicMicroseconds;
  return kills
    .on(`container ${entry.id}`)
    .map(({ kill }) => kill)
    .filter((kill) => isBetween(kill, Math.min(held.run.from, held.run.since), end))
    .filter(({ at, victim }) => runAt(runs, at, victim.pid) === run)
    .sort((one, other) => one.at.monotonicMicroseconds - other.at.monotonicMicroseconds)
    .map((kill) => {
      const { at, victim } = kill;
      const surely = inventory.isSurely(entry, run, at);
      const main = isMain(run, victim.pid, surely);
      const isItsEnd = inventory.isUntilEnd(entry, run, at);
      return { kill, at, main, surely: isItsEnd && (surely || main === true) };
    });
}

/**
 * Kills at that time that only a counter of the pod, of something above it or of the node saw, and those in the container
 * of which nobody knows in which of its lives.
 */
export function strayKills(
  { inventory, kills }: KillSurroundings,
  entry: Entry,
  { run, end }: Ended,
): { readonly kill: ToldKill; readonly surely: boolean }[] {
  const uid = entry.facts.podUid?.value ?? null;
  const ofPod = uid === null ? [] : kills.on(`pod ${uid}`);
  const alone = uid !== null && isAlone(inventory, entry, uid);
  const runs = inventory.runs(entry);
  const near = kills
    .on(`container ${entry.id}`)
    .filter(({ kill }) => isNear(kill, { end: end.monotonicMicroseconds }));
  const between = near.filter(({ kill }) => {
    const other = runAt(runs, kill.at, kill.victim.pid);
    return other !== run && (other === null || !inventory.isSurely(entry, other, kill.at));
  });
  const around = [
    ...ofPod.map(({ kill }) => ({ kill, surely: alone })),
    ...kills.on("unplaced").map(({ kill }) => ({ kill, surely: false })),
  ];
  return [
    ...between.map(({ kill }) => ({ kill, surely: false })),
    ...around.filter(({ kill }) => mayHold(kill, entry)),
  ].filter(({ kill }) => {
    return mayConcern(kill, run) && isNear(kill, { end: end.monotonicMicroseconds });
  });
}

/**
 * Whether the victim may have been this main process, or a child whose end it passed on within a second. Of another process
 * that was killed some time around, nothing follows.
 */
function mayConcern({ victim, at }: ToldKill, { pid }: Run): boolean {
  if (pid === null || victim.pid === null || victim.pid === pid) return true;
  return at.uncertaintyMicroseconds <= TOGETHER_MICROSECONDS;
}

/** Whether the cgroup whose counter saw the kill may have this container below it. */
function mayHold({ cgroup }: ToldKill, { facts }: Entry): boolean {
  const own = facts.cgroupPath?.value;
  const { path } = cgroup;
  if (path === null || path === "/") return true;
  return own === undefined ? parseCgroupPath(path).unit === null : own.startsWith(`${path}/`);
}

/** Whether the pod has no other workload of which we know. */
function isAlone(inventory: Inventory, entry: Entry, uid: string): boolean {
  return inventory.byPod(uid).every((other) => other === entry || other.sandbox);
}

/** Cheap, and true of more kills than those of the life: a looping container has thousands. */
function isBetween(kill: ToldKill, from: number, end: number): boolean {
  const { monotonicMicroseconds: moment, uncertaintyMicroseconds: spread } = kill.at;
  const early = from - spread - 2 * STAMP_SLACK;
  return moment >= early && (moment <= end || isNear(kill, { end }));
}
