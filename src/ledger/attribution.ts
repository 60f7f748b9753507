import type { CgroupStamp } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import { unexplainedSteps } from "./book.ts";
import { belongs, type CgroupBook, type CgroupBooks, deficit, isInside } from "./cgroup-books.ts";
import type { Kill } from "./kill.ts";

/** Evidence that names the cgroup gets this long before counters may conclude it. */
const WAIT_MICROSECONDS = 500_000;
/** After that long the books have been settled otherwise. */
const GIVE_UP_MICROSECONDS = 60 * SECOND;
const SLACK_MICROSECONDS = 2_000;

/** Whether counters may now speak for this kill: its victim is known, its cgroup is not. */
export function attributable(kill: Kill, now: number): boolean {
  if (kill.cgroup !== null || kill.victim === null || !kill.counted) return false;
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

function covers(book: CgroupBook, kill: Kill, order: readonly Kill[]): boolean {
  const times = order
    .filter((other) => belongs(book, other))
    .map((other) => other.at.monotonicMicroseconds);
  const { monotonicMicroseconds: at, uncertaintyMicroseconds } = kill.at;
  const margin = uncertaintyMicroseconds + SLACK_MICROSECONDS;
  return unexplainedSteps(book.count, times, SLACK_MICROSECONDS).some(
    (step) => at >= step.from - margin && at <= step.to + margin,
  );
}
