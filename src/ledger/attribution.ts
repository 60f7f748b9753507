import type { CgroupStamp } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import { unexplainedSteps } from "./book.ts";
import { belongs, type CgroupBook, type CgroupBooks, deficit, isInside } from "./cgroup-books.ts";
import type { Kill } from "./kill.ts";

/** Evidence gets this long before counters may conclude: until then the book that really has the kill may be unread. */
const WAIT_MICROSECONDS = 2 * SECOND;
/** After that long the books have been settled otherwise. */
const GIVE_UP_MICROSECONDS = 60 * SECOND;
const SLACK_MICROSECONDS = 2_000;

/** Its victim is known, its cgroup is not: some cgroup's book may have an entry that is this kill's. */
export function isHomeless(kill: Kill): boolean {
  return kill.cgroup === null && kill.victim !== null && kill.counted;
}

/** Whether counters may now speak for this kill. */
export function attributable(kill: Kill, now: number): boolean {
  if (!isHomeless(kill)) return false;
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
): CgroupStamp | null {
  const candidates = [...books.all()].filter(
    (book) => deficit(book) > 0 && covers(book, kill, order),
  );
  const innermost = candidates.filter((book) => !candidates.some((other) => isInside(other, book)));
  const [only] = innermost;
  if (only === undefined || innermost.length > 1) return null;
  const { path, id, version } = only.identity;
  return { path, id, version, basis: "counter" };
}

/** Whether `book` has an entry too many when the kill happened. */
export function covers(book: CgroupBook, kill: Kill, order: readonly Kill[]): boolean {
  const times = order
    .filter((other) => belongs(book, other))
    .map((other) => other.at.monotonicMicroseconds);
  const { monotonicMicroseconds: at, uncertaintyMicroseconds } = kill.at;
  const margin = uncertaintyMicroseconds + SLACK_MICROSECONDS;
  return unexplainedSteps(book.count, times, SLACK_MICROSECONDS).some(
    (step) => at >= step.from - margin && at <= step.to + margin,
  );
}
