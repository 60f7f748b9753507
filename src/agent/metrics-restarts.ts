import type { ContainerFacts } from "../model/container.ts";

/** How often a container was restarted since we know it, by everything that tells; plain data, kept in the checkpoint. */
export interface Restarts {
  mainPid: number | null;
  /** Seen as a new main process, or as a successor in the pod. */
  runs: number;
  /** By the runtime's own count, and that count when it was last told. */
  told: number;
  lastTold: number | null;
  /** Ends that were recorded; earlier versions did not count them. */
  exits?: number;
}

export function noRestarts(): Restarts {
  return { mainPid: null, runs: 0, told: 0, lastTold: null };
}

/** A runtime told of it: a new main process under the same id, or a higher count, is a restart. */
export function noteRun(of: Restarts, { mainPid, restarts }: ContainerFacts): void {
  if (mainPid !== null && of.mainPid !== null && mainPid !== of.mainPid) of.runs++;
  of.mainPid = mainPid ?? of.mainPid;
  if (restarts !== null) {
    of.told += Math.max(0, restarts - (of.lastTold ?? restarts));
    of.lastTold = restarts;
  }
}

export function noteExit(of: Restarts): void {
  of.exits = (of.exits ?? 0) + 1;
}

/**
 * Each way of counting may miss some; whichever counted most is right. Between two ends there was a start; whether one
 * followed the last is not told by times: a process that dies at once ends before its start is stamped.
 */
export function restartsOf({ runs, told, exits = 0 }: Restarts): number {
  return Math.max(runs, told, exits - 1);
}
