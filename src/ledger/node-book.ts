import type { CounterObservation } from "../model/observation.ts";
import { booked, bookedBy, type Count, openCount, readCount } from "./book.ts";
import { bookWeight, type Kill } from "./kill.ts";

/** Totals of what the records say, to hold against the node's book. Plain data for the checkpoint. */
export interface Totals {
  /** Kills recorded since the book was opened that the kernel's books contain. */
  recorded: number;
  /** First victims of group kills seen to be entered twice. */
  doubled: number;
  /** Group kills known by name. */
  groups: number;
  /** Group kills whose first victim was seen not to be entered twice ("already exiting"). */
  skipped: number;
  /** Recorded kills without a cgroup. */
  unattributed: number;
}

/** The node's own book, /proc/vmstat oom_kill, and the balance of our records against it. */
export class NodeBook {
  count: Count | null;
  readonly totals: Totals;

  constructor(count: Count | null, totals: Totals) {
    this.count = count;
    this.totals = totals;
  }

  /** Takes a reading; true when it opened the book. */
  observe(observation: CounterObservation, fresh: boolean): boolean {
    if (this.count !== null) {
      readCount(this.count, observation);
      return false;
    }
    this.count = openCount(observation, fresh);
    return true;
  }

  /** Whether a kill at this time is expected in the book. Before the book is open, every kill is. */
  holds(kill: Pick<Kill, "at">): boolean {
    return this.count === null || kill.at.monotonicMicroseconds >= this.count.openedAt;
  }

  enter(kill: Kill, sign: 1 | -1): void {
    if (!kill.inNodeBook) return;
    if (kill.counted) this.totals.recorded += sign;
    if (kill.doubled) this.totals.doubled += sign;
    if (kill.cgroup === null) this.totals.unattributed += sign;
  }

  /** Entries of the book that are known or must be assumed to be a group kill's second entry of its first victim. */
  doubles(groupsBooked: number): number {
    const { recorded, doubled, groups, skipped } = this.totals;
    if (this.count === null) return doubled;
    const raw = booked(this.count) - recorded - doubled;
    const doubt = Math.max(0, Math.max(groups, groupsBooked) - doubled - skipped);
    return doubled + Math.min(Math.max(raw, 0), doubt);
  }

  /** Kills by the kernel's own count, double entries taken off; `null` while there is no book. */
  kernelKills(groupsBooked: number): number | null {
    return this.count === null ? null : booked(this.count) - this.doubles(groupsBooked);
  }

  /**
   * Kills in the book that no record explains. `boundary` is the number of kills so near to the opening of the book that
   * they may be on either side of it: they excuse an excess of records.
   */
  unaccounted(groupsBooked: number, boundary: number): number | null {
    const kernel = this.kernelKills(groupsBooked);
    if (kernel === null) return null;
    const difference = kernel - this.totals.recorded;
    return difference < 0 ? Math.min(0, difference + boundary) : difference;
  }

  /** Like `unaccounted`, for what was booked up to `time`; `later` are the recent kills after it. */
  missingBy(time: number, later: readonly Kill[], groupsBooked: number): number {
    if (this.count === null) return 0;
    const laterWeight = later.reduce(
      (sum, kill) => sum + (kill.inNodeBook ? bookWeight(kill) : 0),
      0,
    );
    const explained = this.totals.recorded + this.doubles(groupsBooked) - laterWeight;
    return bookedBy(this.count, time) - explained;
  }
}

export function emptyTotals(): Totals {
  return { recorded: 0, doubled: 0, groups: 0, skipped: 0, unattributed: 0 };
}
