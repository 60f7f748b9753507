import type { Instant } from "../model/time.ts";
import { parseCgroupPath } from "./cgroup-path.ts";
import { type Entry, STAMP_SLACK } from "./entry.ts";
import { isMain } from "./identity.ts";
import type { Inventory } from "./inventory.ts";
import { type Run, runAt } from "./runs.ts";
import type { ToldKill, ToldKills } from "./told-kills.ts";
import { isDying, isNear, type OwnKill, TOGETHER_MICROSECONDS } from "./verdict.ts";

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
    .filter((kill) => runAt(runs, kill.at, kill.victim.pid) === run)
    .filter((kill) => !isAnotherProcess(kill, run) || isOfRun(inventory, entry, run, kill))
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
  const between = homeless({ inventory, kills }, entry, run);
  const around = [
    ...ofPod.map(({ kill }) => ({ kill, surely: alone })),
    ...kills.on("unplaced").map(({ kill }) => ({ kill, surely: false })),
  ];
  return [
    ...between.map((kill) => ({ kill, surely: false })),
    ...around.filter(({ kill }) => mayHold(kill, entry)),
  ].filter(({ kill }) => {
    return mayConcern(kill, run) && isNear(kill, { end: end.monotonicMicroseconds });
  });
}

/** Kills in the container of which nobody knows in which of its lives they were, and surely in no other. */
function homeless({ inventory, kills }: KillSurroundings, entry: Entry, run: Run): ToldKill[] {
  const runs = inventory.runs(entry);
  return kills
    .on(`container ${entry.id}`)
    .map(({ kill }) => kill)
    .filter((kill) => {
      const other = runAt(runs, kill.at, kill.victim.pid);
      if (other === run)
        return isAnotherProcess(kill, run) && !isOfRun(inventory, entry, run, kill);
      return other === null || !inventory.isSurely(entry, other, kill.at);
    });
}

/**
 * Whether such a kill may have been that of this main process, a few seconds before its end was stamped: a daemon that stamps
 * the end late stamps the start late, too, and the kill lies before both.
 */
export function isPerhapsDying(
  around: KillSurroundings,
  entry: Entry,
  { run, end }: Ended,
): boolean {
  const at = end.monotonicMicroseconds;
  return homeless(around, entry, run).some(
    (kill) =>
      kill.at.monotonicMicroseconds <= at &&
      isDying(kill, { end: at }) &&
      !isAnotherProcess(kill, run),
  );
}

function isAnotherProcess({ victim }: ToldKill, { pid }: Run): boolean {
  return pid !== null && victim.pid !== null && victim.pid !== pid;
}

/** Whether a kill was in this life, and in no other of which nobody told. */
function isOfRun(inventory: Inventory, entry: Entry, run: Run, { at }: ToldKill): boolean {
  return inventory.isUntilEnd(entry, run, at) && inventory.isSurely(entry, run, at);
}

/**
 * Whether the victim may have been this main process, or a child whose end it passed on within a second. Of another process
 * that was killed some time around, nothing follows.
 */
function mayConcern(kill: ToldKill, run: Run): boolean {
  const { at } = kill;
  return !isAnotherProcess(kill, run) || at.uncertaintyMicroseconds <= TOGETHER_MICROSECONDS;
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
