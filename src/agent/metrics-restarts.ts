import type { ContainerFacts } from "../model/container.ts";
import { SECOND } from "../model/time.ts";

/** How often a container was restarted since we know it, by everything that tells; plain data, kept in the checkpoint. */
export interface Restarts {
  mainPid: number | null;
  /** Seen as a new main process, or as a successor in the pod. */
  runs: number;
  /** By the runtime's own count, and that count when it was last told. */
  told: number;
  lastTold: number | null;
  /** Ends that were recorded; earlier versions did not count them, nor keep the times (Unix seconds). */
  exits?: number;
  lastExitSeconds?: number;
  lastStartSeconds?: number;
}

export function noRestarts(): Restarts {
  return { mainPid: null, runs: 0, told: 0, lastTold: null };
}

/** A runtime told of it: a new main process under the same id, or a higher count, is a restart. */
export function noteRun(of: Restarts, { mainPid, restarts, startedAt }: ContainerFacts): void {
  if (mainPid !== null && of.mainPid !== null && mainPid !== of.mainPid) of.runs++;
  of.mainPid = mainPid ?? of.mainPid;
  if (restarts !== null) {
    of.told += Math.max(0, restarts - (of.lastTold ?? restarts));
    of.lastTold = restarts;
  }
  const startSeconds = startedAt === null ? 0 : startedAt.wallMicroseconds / SECOND;
  of.lastStartSeconds = Math.max(of.lastStartSeconds ?? 0, startSeconds);
}

export function noteExit(of: Restarts, atSeconds: number): void {
  of.exits = (of.exits ?? 0) + 1;
  of.lastExitSeconds = Math.max(of.lastExitSeconds ?? 0, atSeconds);
}

/** Each way of counting may miss some; whichever counted most is right. */
export function restartsOf(of: Restarts): number {
  return Math.max(of.runs, of.told, restartsByExits(of));
}

/** Each end but the last was followed by a start, and the last one was if a start is later. */
function restartsByExits({
  exits = 0,
  lastExitSeconds = 0,
  lastStartSeconds = 0,
}: Restarts): number {
  return lastStartSeconds > lastExitSeconds ? exits : Math.max(0, exits - 1);
}
