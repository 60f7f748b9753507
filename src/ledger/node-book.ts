import type { CounterObservation } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  booked,
  bookedBy,
  type Count,
  openCount,
  readCount,
  type Step,
  unexplainedSteps,
} from "./book.ts";
import {
  bookWeight,
  isExact,
  type Kill,
  killsAfter,
  LATE_CLOCK_MICROSECONDS,
  marginOf,
  weightOf,
} from "./kill.ts";

/** Totals of what the records say, to hold against the node's book. Plain data for the checkpoint. */
export interface Totals {
  /** Kills recorded since the book was opened that the kernel's books contain. */
  recorded: number;
  /** First victims of group kills seen to be entered twice. */
  doubled: number;
  /** Kills that the book may have or not, because they happened about when it was opened. */
  perhaps: number;
  /** Of these, first victims of group kills seen to be entered twice. */
  perhapsDoubled: number;
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

  /**
   * Takes a reading; true when it opened the book. A book that no checkpoint holds begins with its first reading: what it
   * counted before is history, also for a process that has a predecessor.
   */
  observe(observation: CounterObservation): boolean {
    if (this.count !== null) {
      readCount(this.count, observation);
      return false;
    }
    this.count = openCount(observation, true);
    return true;
  }

  /** Whether a kill at this time is expected in the book. Before the book is open, every kill is. */
  holds(at: Instant): Kill["inNodeBook"] {
    if (this.count === null) return "yes";
    const sinceOpening = at.monotonicMicroseconds - this.count.openedAt;
    if (Math.abs(sinceOpening) <= marginOf(at)) return "perhaps";
    return sinceOpening > 0 ? "yes" : "no";
  }

  /**
   * The same of a kill of an earlier process. One that came out of a book is in it, unless that was an older book, or a
   * source has said since that it was at another time.
   */
  holdsAgain({ at, window }: Pick<Kill, "at" | "window">): Kill["inNodeBook"] {
    const counted = window !== null && at.monotonicMicroseconds === window.to;
    if (this.count === null || !counted) return this.holds(at);
    return window.to > this.count.openedAt ? "yes" : "no";
  }

  enter(kill: Kill, sign: 1 | -1): void {
    const { totals } = this;
    if (kill.inNodeBook === "no") return;
    if (kill.groupFirst) totals.groups += sign;
    if (kill.skipped) totals.skipped += sign;
    if (kill.cgroup === null && kill.counted) totals.unattributed += sign;
    if (kill.inNodeBook === "perhaps") {
      if (kill.counted) totals.perhaps += sign;
      if (kill.doubled) totals.perhapsDoubled += sign;
      return;
    }
    if (kill.counted) totals.recorded += sign;
    if (kill.doubled) totals.doubled += sign;
  }

  /** No total is negative: every kill that went out of the book had come in. */
  isSound(): boolean {
    const { recorded, doubled, perhaps, perhapsDoubled, groups, skipped, unattributed } =
      this.totals;
    return Math.min(recorded, doubled, perhaps, perhapsDoubled, groups, skipped, unattributed) >= 0;
  }

  /** The totals have all of these kills, and perhaps others that nobody remembers. */
  isAtLeast(kills: readonly Kill[]): boolean {
    const known = new NodeBook(this.count, emptyTotals());
    for (const kill of kills) known.enter(kill, 1);
    const { recorded, doubled, perhaps, groups, unattributed } = known.totals;
    return (
      this.totals.recorded >= recorded &&
      this.totals.doubled >= doubled &&
      this.totals.perhaps >= perhaps &&
      this.totals.groups >= groups &&
      this.totals.unattributed >= unattributed
    );
  }

  /**
   * Decides of the kills known by `by` that the book may have or not, the likeliest first: it has one if it rose when that
   * kill may have happened, and nobody else's kill explains that. `rebook` changes what the books know of a kill.
   */
  decide(
    order: readonly Kill[],
    by: number,
    rebook: (kill: Kill, held: "yes" | "no") => void,
  ): void {
    if (this.count === null || this.totals.perhaps === 0) return;
    const times = order
      .filter((kill) => kill.inNodeBook === "yes")
      .flatMap((kill) => Array<number>(bookWeight(kill)).fill(kill.at.monotonicMicroseconds));
    const steps = unexplainedSteps(this.count, times, LATE_CLOCK_MICROSECONDS).filter(
      (step) => step.to <= by,
    );
    const left = steps.flatMap((step) => Array<Step>(step.delta).fill(step));
    const doubtful = order.filter((kill) => kill.inNodeBook === "perhaps" && kill.openedAt <= by);
    const { openedAt } = this.count;
    doubtful.sort((one, two) => compareLikelihood(two, one, openedAt));
    const fitting = doubtful.filter((kill) => takeEntries(left, kill));
    for (const kill of fitting) rebook(kill, "yes");
    // Where times fit badly the number still counts: an entry of nobody else's is one of theirs.
    for (const kill of doubtful) {
      if (fitting.includes(kill)) continue;
      const room = this.#nobodysBy(order, by);
      rebook(kill, room >= Math.max(1, bookWeight(kill)) ? "yes" : "no");
    }
  }

  /** Entries up to `by` beyond those of kills that may have happened by then. */
  #nobodysBy(order: readonly Kill[], by: number): number {
    if (this.count === null) return 0;
    const laterWeight = weightInBook(killsAfter(order, by));
    const { recorded, doubled } = this.totals;
    return bookedBy(this.count, by) - (recorded + doubled - laterWeight);
  }

  /** Records that the book has: those that it must have, and of those it may have as many as it takes to explain it. */
  recorded(): number {
    const { recorded, doubled, perhaps } = this.totals;
    if (this.count === null) return recorded + perhaps;
    const unexplained = Math.max(0, booked(this.count) - recorded - doubled);
    return recorded + Math.min(perhaps, unexplained);
  }

  /** Entries of the book that are known or must be assumed to be a group kill's second entry of its first victim. */
  doubles(groupsBooked: number): number {
    const { doubled, perhapsDoubled } = this.totals;
    if (this.count === null) return doubled + perhapsDoubled;
    const unexplained = booked(this.count) - this.recorded() - doubled;
    return doubled + Math.min(Math.max(unexplained, 0), this.openDoubles(groupsBooked));
  }

  /** Group kills of which nobody saw whether their first victim was entered twice: it was, unless it was gone by then. */
  openDoubles(groupsBooked: number): number {
    const { doubled, perhapsDoubled, groups, skipped } = this.totals;
    const possible = Math.max(groups, groupsBooked, doubled + perhapsDoubled);
    return Math.max(0, possible - doubled - skipped);
  }

  /** Kills by the kernel's own count, double entries taken off; `null` while there is no book. */
  kernelKills(groupsBooked: number): number | null {
    return this.count === null ? null : booked(this.count) - this.doubles(groupsBooked);
  }

  /** Kills in the book that no record explains. */
  unaccounted(groupsBooked: number): number | null {
    const kernel = this.kernelKills(groupsBooked);
    return kernel === null ? null : kernel - this.recorded();
  }

  /**
   * Entries that the records known by `by` must have and the book has not. When it was read since, which only a reading
   * that rose shows, nothing that is still to come can explain it. `assumed`: second entries of group kills nobody saw.
   */
  excessBy(order: readonly Kill[], by: number, assumed: number): number {
    if (this.count === null) return 0;
    const expected = this.totals.recorded + this.totals.doubled + assumed;
    if (expected <= booked(this.count)) return 0;
    const since = order.filter((kill) => kill.openedAt > by);
    return Math.max(0, expected - weightInBook(since) - booked(this.count));
  }

  /**
   * How many of the `recent` kills are records in excess because they happened after the last reading: the two are compared
   * as they were at that moment.
   */
  ahead(groupsBooked: number, recent: () => readonly Kill[]): number {
    const excess = -(this.unaccounted(groupsBooked) ?? 0);
    const { count } = this;
    if (count === null || excess <= 0) return 0;
    const later = recent().filter(({ at, counted, inNodeBook }) => {
      const latest = at.monotonicMicroseconds + marginOf(at);
      return counted && inNodeBook === "yes" && latest > count.readAt;
    });
    return Math.min(excess, later.length);
  }

  /** Like `unaccounted`, for what was booked up to `time`; `later` are the recent kills after it. */
  missingBy(time: number, later: readonly Kill[], groupsBooked: number): number {
    if (this.count === null) return 0;
    const laterWeight = weightInBook(later);
    const explained = this.recorded() + this.doubles(groupsBooked) - laterWeight;
    return bookedBy(this.count, time) - explained;
  }
}

function weightInBook(kills: readonly Kill[]): number {
  return weightOf(kills.filter(({ inNodeBook }) => inNodeBook === "yes"));
}

/** More than 0 when the first is likelier to be after `openedAt`: what an exact clock says counts more than the log's. */
function compareLikelihood(one: Kill, two: Kill, openedAt: number): number {
  const sides = sideOf(one, openedAt) - sideOf(two, openedAt);
  return sides !== 0 ? sides : one.at.monotonicMicroseconds - two.at.monotonicMicroseconds;
}

/** 1 when an exact clock puts the kill after `openedAt`, -1 when before, 0 when no exact clock tells. */
function sideOf({ at }: Kill, openedAt: number): number {
  if (!isExact(at)) return 0;
  return at.monotonicMicroseconds >= openedAt ? 1 : -1;
}

/** Takes as many entries as the kill has out of those booked when it may have happened; false when there are too few. */
function takeEntries(left: Step[], kill: Kill): boolean {
  const at = kill.at.monotonicMicroseconds;
  const margin = marginOf(kill.at);
  const fits = (step: Step) => at >= step.from - margin && at <= step.to + margin;
  const weight = Math.max(1, bookWeight(kill));
  if (left.filter(fits).length < weight) return false;
  for (let taken = 0; taken < weight; taken++) left.splice(left.findLastIndex(fits), 1);
  return true;
}

export function emptyTotals(): Totals {
  return {
    recorded: 0,
    doubled: 0,
    perhaps: 0,
    perhapsDoubled: 0,
    groups: 0,
    skipped: 0,
    unattributed: 0,
  };
}
