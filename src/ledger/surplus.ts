import { type Step, unexplainedSteps } from "./book.ts";
import { type CgroupBook, type CgroupBooks, isInside, sureDeficitBy } from "./cgroup-books.ts";
import { isWithin } from "./identity.ts";
import {
  bookWeight,
  isExact,
  type Kill,
  killsAfter,
  LATE_CLOCK_MICROSECONDS,
  marginOf,
} from "./kill.ts";

/** A kill is stamped this near to the moment its counter rises; a processor may be taken away between. */
const SLACK_MICROSECONDS = 2_000;

/**
 * Where known kills are dated by the log alone, an entry of theirs may be taken for its neighbour's, and so on: the one left
 * over in the end may be this far from the kill it is of.
 */
export const SHIFT_MICROSECONDS = 10_000_000;

/** A cgroup's book with entries that no record in it explains, up to some moment. */
export interface Surplus {
  readonly book: CgroupBook;
  /** Entries too many, those left out that may be the second of a group kill's first victim. */
  sure: number;
  /** Entries too many with those. */
  raw: number;
  /** When they were booked. */
  readonly steps: Step[];
  /** Known kills, not known to be anywhere else, that one of these entries may be. */
  readonly claimants: Set<Kill>;
}

/** Its victim is known, its cgroup is not: some cgroup's book may have an entry that is this kill's. */
export function isHomeless(kill: Kill): boolean {
  return kill.cgroup === null && kill.victim !== null && kill.counted && kill.inNodeBook !== "no";
}

/**
 * All books with entries too many by `by` (µs, monotonic), of those that rose after `since`. `order`: recent kills as the
 * ledger learned of them.
 */
export function findSurpluses(
  books: CgroupBooks,
  order: readonly Kill[],
  by: number,
  since = Number.NEGATIVE_INFINITY,
): Surplus[] {
  const later = killsAfter(order, by);
  let unsettled: readonly Kill[] | null = null;
  const surpluses: Surplus[] = [];
  for (const book of books.all()) {
    if ((book.count.steps.at(-1)?.to ?? Number.POSITIVE_INFINITY) < since) continue;
    const sure = sureDeficitBy(book, books, by, later);
    if (sure <= 0) continue;
    unsettled ??= order.filter(isUnsettled);
    const times = timesOf(books.killsOf(book));
    surpluses.push(makeSurplus(book, sure, { times, unsettled, by }));
  }
  return surpluses;
}

interface Around {
  /** When the entries that are explained happened. */
  readonly times: readonly number[];
  /** Kills of which no source told for sure where they were. */
  readonly unsettled: readonly Kill[];
  readonly by: number;
}

/** Each kill as often as it was entered, the earliest first. */
export function timesOf(kills: readonly Kill[]): number[] {
  return kills
    .flatMap((kill) => Array<number>(bookWeight(kill)).fill(kill.at.monotonicMicroseconds))
    .sort((one, other) => one - other);
}

function makeSurplus(book: CgroupBook, sure: number, { times, unsettled, by }: Around): Surplus {
  const steps = unexplainedSteps(book.count, times, LATE_CLOCK_MICROSECONDS).filter(
    (step) => step.to <= by,
  );
  const claimants = unsettled.filter(
    (kill) => mayBeIn(kill, book) && steps.some((step) => covers(step, kill, SHIFT_MICROSECONDS)),
  );
  const raw = steps.reduce((sum, { delta }) => sum + delta, 0);
  return { book, sure, raw: Math.max(raw, sure), steps, claimants: new Set(claimants) };
}

function isUnsettled(kill: Kill): boolean {
  return isHomeless(kill) || (kill.victim !== null && kill.attribution === "inferred");
}

/** Nobody knows where it was, or only that it was somewhere below a cgroup above this one, or a counter concluded it. */
function mayBeIn({ cgroup }: Kill, { identity }: CgroupBook): boolean {
  if (cgroup === null) return true;
  if (cgroup.path === identity.path) return false;
  return cgroup.basis === "counter" || isWithin(identity.path, cgroup.path);
}

/** Whether the kill may be an entry of this reading. `shift` (µs) is added where only the log dates the kill. */
export function covers(step: Step, kill: Kill, shift = 0): boolean {
  const at = kill.at.monotonicMicroseconds;
  const margin = marginOf(kill.at) + SLACK_MICROSECONDS + (isExact(kill.at) ? 0 : shift);
  return step.delta > 0 && at >= step.from - margin && at <= step.to + margin;
}

/**
 * The one book that has an entry for this kill, and one for each other kill that may claim it. Two such books, or fewer
 * entries than claimants, are no answer. The entry is taken out of the book and those around it.
 */
export function takeSoleEntry(kill: Kill, surpluses: readonly Surplus[]): CgroupBook | null {
  const candidates = surpluses.filter(
    ({ claimants, steps }) => claimants.has(kill) && steps.some((step) => covers(step, kill)),
  );
  const innermost = candidates.filter(
    ({ book }) => !candidates.some((other) => isInside(other.book, book)),
  );
  const [only] = innermost;
  if (only === undefined || innermost.length > 1 || !hasOneForEach(only, kill)) return null;
  for (const surplus of candidates) {
    if (surplus === only || isInside(only.book, surplus.book)) takeEntry(surplus, kill);
  }
  return only.book;
}

function hasOneForEach({ book, steps, claimants, raw, sure }: Surplus, kill: Kill): boolean {
  const own = steps.filter((step) => covers(step, kill));
  const entries = own.reduce((sum, { delta }) => sum + delta, 0) - (raw - sure);
  const rivals = [...claimants].filter(
    (rival) => !isSettledElsewhere(rival, book) && own.some((step) => covers(step, rival)),
  );
  return entries >= rivals.length;
}

/** A counter concluded that it was in another cgroup, not merely somewhere around this one. */
function isSettledElsewhere({ cgroup }: Kill, { identity }: CgroupBook): boolean {
  return cgroup?.basis === "counter" && !isWithin(identity.path, cgroup.path);
}

function takeEntry(surplus: Surplus, kill: Kill): void {
  surplus.claimants.delete(kill);
  surplus.sure--;
  surplus.raw--;
  const index = surplus.steps.findIndex((step) => covers(step, kill));
  const step = surplus.steps[index];
  if (step !== undefined) surplus.steps[index] = { ...step, delta: step.delta - 1 };
}
