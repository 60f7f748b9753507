import type { CgroupStamp } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import type { CgroupBooks } from "./cgroup-books.ts";
import { type Kill, marginOf } from "./kill.ts";
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

/** Whether counters may now speak for this kill. */
function attributable(kill: Kill, now: number, startedAt: number): boolean {
  if (!isHomeless(kill) || kill.ambiguous || kill.inNodeBook === "perhaps") return false;
  if (kill.at.uncertaintyMicroseconds > VAGUE_MICROSECONDS) return false;
  // What an earlier process waited says nothing of the counters: this one had to read them first.
  const age = now - Math.max(kill.openedAt, startedAt);
  return age >= WAIT_MICROSECONDS && age <= GIVE_UP_MICROSECONDS;
}

/**
 * Kills nobody stamped, and the cgroup whose book alone can have them, at `now` (µs, monotonic), in a process that began at
 * `startedAt`.
 */
export function attributions(
  books: CgroupBooks,
  order: readonly Kill[],
  now: number,
  startedAt: number,
): { readonly kill: Kill; readonly stamp: CgroupStamp }[] {
  const waiting = order.slice(-AT_ONCE).filter((kill) => attributable(kill, now, startedAt));
  if (waiting.length === 0) return [];
  const earliest = Math.min(...waiting.map(({ at }) => at.monotonicMicroseconds - marginOf(at)));
  const since = earliest - SHIFT_MICROSECONDS;
  const surpluses = findSurpluses(books, order, now - LATE_MICROSECONDS, since);
  return waiting.flatMap((kill) => {
    const book = takeSoleEntry(kill, surpluses);
    if (book === null) return [];
    const { path, id, version } = book.identity;
    return [{ kill, stamp: { path, id, version, basis: "counter" } as const }];
  });
}
