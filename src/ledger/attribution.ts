import type { CgroupStamp } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import { allot } from "./allotment.ts";
import type { CgroupBook, CgroupBooks } from "./cgroup-books.ts";
import { bookWeight, type Kill, marginOf } from "./kill.ts";
import { findSurpluses, isHomeless, SHIFT_MICROSECONDS, takeSoleEntry } from "./surplus.ts";

/** Evidence may be so late; what was counted since may belong to kills that nobody told us of yet. */
const LATE_MICROSECONDS = 2 * SECOND;
/** A kill waits until everything that was counted while its own evidence was late is explained, as far as it will be. */
const WAIT_MICROSECONDS = 2 * LATE_MICROSECONDS;
/** After that long the books have been settled otherwise. */
const GIVE_UP_MICROSECONDS = 60 * SECOND;
/** A kill dated no better than this may be anybody's. */
const VAGUE_MICROSECONDS = SECOND;
/** Kills looked at in one step: bounds its work after a storm. */
const AT_ONCE = 2_000;

/** Without a cgroup, and everything that was counted while its evidence was late is explained, as far as it will be. */
function isWaiting(kill: Kill, now: number, startedAt: number): boolean {
  if (kill.cgroup !== null || bookWeight(kill) !== 1 || kill.inNodeBook !== "yes") return false;
  // What an earlier process waited says nothing of the counters: this one had to read them first.
  const age = now - Math.max(kill.openedAt, startedAt);
  return age >= WAIT_MICROSECONDS && age <= GIVE_UP_MICROSECONDS;
}

/** Whether one counter may name the cgroup of this kill for itself. */
function isDatable(kill: Kill): boolean {
  if (!isHomeless(kill) || kill.ambiguous) return false;
  return kill.at.uncertaintyMicroseconds <= VAGUE_MICROSECONDS;
}

interface Attribution {
  readonly kill: Kill;
  readonly stamp: CgroupStamp;
}

/**
 * The cgroups of kills nobody stamped, as the counters tell them, at `now` (µs, monotonic), in a process that began at
 * `startedAt`: the one cgroup whose book alone can have a kill, and then as many kills for each cgroup as its counter has.
 */
export function attributions(
  books: CgroupBooks,
  order: readonly Kill[],
  now: number,
  startedAt: number,
): Attribution[] {
  const waiting = order.slice(-AT_ONCE).filter((kill) => isWaiting(kill, now, startedAt));
  if (waiting.length === 0) return [];
  const earliest = Math.min(...waiting.map(({ at }) => at.monotonicMicroseconds - marginOf(at)));
  const since = earliest - SHIFT_MICROSECONDS;
  const surpluses = findSurpluses(books, order, now - LATE_MICROSECONDS, since);
  const left: Kill[] = [];
  const sole = waiting.flatMap((kill) => {
    const book = isDatable(kill) ? takeSoleEntry(kill, surpluses) : null;
    if (book === null) left.push(kill);
    return book === null ? [] : [attribution(kill, book)];
  });
  const allotted = allot(left, surpluses, (book) => books.killsOf(book));
  return [...sole, ...allotted.map(({ kill, book }) => attribution(kill, book))];
}

function attribution(kill: Kill, { identity: { path, id, version } }: CgroupBook): Attribution {
  return { kill, stamp: { path, id, version, basis: "counter" } };
}
