import type { Visibility } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import type { Run } from "./runs.ts";
import { isDying, isKilledCode, TOGETHER_MICROSECONDS } from "./verdict.ts";

/** A main process of whose end nobody heard for so long after a kill outlived it. */
export const OUTLIVED_MICROSECONDS = 3 * SECOND;
/** A daemon that was away for so long may have forgotten. */
export const PATIENCE_MICROSECONDS = 30 * SECOND;

export interface Circumstances {
  readonly at: Instant;
  readonly main: boolean | null;
  /** A runtime told of the container. */
  readonly known: boolean;
  readonly run: Run | null;
  /** It was in that life, and in no other of which nobody told. */
  readonly surely: boolean;
  /** The main process was killed within a second of this kill. */
  readonly mainKilled: boolean;
  /** When the run must have been over although nobody told its end (µs, monotonic): the next began, or it is gone. */
  readonly over: number | null;
  /** Sources that would have told an end can be heard. */
  readonly audible: boolean;
  readonly now: number;
}

/** The victim may have been the main process, which was reaped late. */
function mayBeItsEnd({ at, main }: Circumstances, { endings }: Run, end: number): boolean {
  if (main !== null || !isDying({ at }, { end })) return false;
  return endings.some(({ exitCode }) => exitCode !== null && isKilledCode(exitCode));
}

/** Whether anybody could notice: did the container's main process outlive the kill? */
export function visibilityOf(kill: Circumstances): Visibility {
  const { run, over, audible, now } = kill;
  if (kill.main === true || (kill.mainKilled && kill.surely)) return "visible";
  const at = kill.at.monotonicMicroseconds;
  if (run === null) return kill.known && now < at + OUTLIVED_MICROSECONDS ? "pending" : "unknown";
  const together = at + kill.at.uncertaintyMicroseconds + TOGETHER_MICROSECONDS;
  if (run.end !== null && run.endTold) {
    if (run.end <= together) return "visible";
    return kill.surely && !mayBeItsEnd(kill, run, run.end) ? "invisible" : "unknown";
  }
  if (over !== null) return over <= together && kill.surely ? "visible" : "unknown";
  // A runtime may still speak of a process whose end is on its way to us.
  if (now < at + OUTLIVED_MICROSECONDS) return "pending";
  if (run.pid === null || !kill.surely) return "unknown";
  if (run.lastAlive > together) return "invisible";
  if (audible) return "invisible";
  return now < at + PATIENCE_MICROSECONDS ? "pending" : "unknown";
}
