import type { CgroupStamp } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import { unexplainedSteps } from "./book.ts";
import {
  belongs,
  type CgroupBook,
  type CgroupBooks,
  isInside,
  sureDeficitBy,
} from "./cgroup-books.ts";
import { bookWeight, type Kill, marginOf } from "./kill.ts";

/** Evidence may be so late; what was counted since may belong to kills that nobody told us of yet. */
const LATE_MICROSECONDS = 2 * SECOND;
/** A kill waits until everything that was counted while its own evidence was late is explained, as far as it will be. */
const WAIT_MICROSECONDS = 2 * LATE_MICROSECONDS;
/** After that long the books have been settled otherwise. */
const GIVE_UP_MICROSECONDS = 60 * SECOND;
const SLACK_MICROSECONDS = 2_000;
/** A kill dated no better than this may be anybody's. */
const VAGUE_MICROSECONDS = SECOND;

/** Its victim is known, its cgroup is not: some cgroup's book may have an entry that is this kill's. */
export function isHomeless(kill: Kill): boolean {
  return kill.cgroup === null && kill.victim !== null && kill.counted && kill.inNodeBook !== "no";
}

/** Whether counters may now speak for this kill. */
export function attributable(kill: Kill, now: number): boolean {
  if (!isHomeless(kill) || kill.inNodeBook === "perhaps") return false;
  if (kill.at.uncertaintyMicroseconds > VAGUE_MICROSECONDS) return false;
  const age = now - kill.openedAt;
  return age >= WAIT_MICROSECONDS && age <= GIVE_UP_MICROSECONDS;
}

/**
 * The cgroup of a kill nobody stamped, if exactly one book has an entry too many at its time. Two such books are no
 * answer: then it stays unknown rather than guessed.
 */
export function soleExplanation(
  kill: Kill,
  books: CgroupBooks,
  order: readonly Kill[],
  now: number,
): CgroupStamp | null {
  const by = now - LATE_MICROSECONDS;
  const later = killsAfter(order, by);
  const candidates = [...books.all()].filter(
    (book) => sureDeficitBy(book, books, by, later) > 0 && covers(book, kill, order, by),
  );
  const innermost = candidates.filter((book) => !candidates.some((other) => isInside(other, book)));
  const [only] = innermost;
  if (only === undefined || innermost.length > 1) return null;
  const { path, id, version } = only.identity;
  return { path, id, version, basis: "counter" };
}

/** Whether `book` had, by `by`, an entry too many when the kill happened. */
export function covers(
  book: CgroupBook,
  kill: Kill,
  order: readonly Kill[],
  by: number = Number.POSITIVE_INFINITY,
): boolean {
  const times = order
    .filter((other) => belongs(book, other))
    .flatMap((other) => Array(bookWeight(other)).fill(other.at.monotonicMicroseconds));
  const at = kill.at.monotonicMicroseconds;
  const margin = marginOf(kill.at) + SLACK_MICROSECONDS;
  return unexplainedSteps(book.count, times, SLACK_MICROSECONDS).some(
    (step) => step.to <= by && at >= step.from - margin && at <= step.to + margin,
  );
}

/** Kills that happened after `time`; the ledger learned of them later still. */
export function killsAfter(order: readonly Kill[], time: number): Kill[] {
  const later: Kill[] = [];
  for (let index = order.length - 1; index >= 0; index--) {
    const kill = order[index];
    if (kill === undefined || kill.openedAt <= time) break;
    if (kill.at.monotonicMicroseconds > time) later.push(kill);
  }
  return later;
}
