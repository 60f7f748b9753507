import type { Book, CounterObservation } from "../model/observation.ts";
import {
  booked,
  bookedBy,
  type Count,
  forgetSteps,
  groupsBooked,
  openCount,
  readCount,
} from "./book.ts";
import { isWithin } from "./identity.ts";
import { bookWeight, type Kill, weightOf } from "./kill.ts";
import { KillsByPath, pathAndAncestors } from "./kills-by-path.ts";

export type CgroupIdentity = Extract<Book, { kind: "cgroup" }>;

/** The kernel's book of one cgroup beside what our records say of it. */
export interface CgroupBook {
  readonly identity: CgroupIdentity;
  readonly count: Count;
  /** Book entries that recorded kills explain. */
  explained: number;
  /** Group kills that are known to have doubled an entry of this book: already part of `explained`. */
  doubled: number;
  final: boolean;
}

/** Books kept at once; a cgroup with a kill costs one or two. Beyond it the longest-unread closed one goes. */
const BOOKS_KEPT = 10_000;

/** All cgroup books, by path. Knows which books a kill in a given cgroup must appear in. */
export class CgroupBooks {
  readonly #byPath = new Map<string, CgroupBook[]>();
  readonly #kills = new KillsByPath();
  #size = 0;
  /** Group kills booked by the outermost books, also by those that were dropped. */
  #groups = 0;
  /** Books given up because there were too many. */
  dropped = 0;

  *all(): IterableIterator<CgroupBook> {
    for (const books of this.#byPath.values()) yield* books;
  }

  /** Which hierarchy the memory controller is on, as far as any book tells. */
  get version(): 1 | 2 | null {
    for (const book of this.all()) return book.identity.version;
    return null;
  }

  /** Books of exactly this cgroup. */
  at(path: string): readonly CgroupBook[] {
    return this.#byPath.get(path) ?? [];
  }

  /** Whether a cgroup of this path was removed and made again, as far as books tell. */
  hasNamesakes(path: string): boolean {
    return new Set(this.at(path).map(({ identity }) => identity.id)).size > 1;
  }

  /** Takes a reading. A book that is opened after its first kill was recorded begins with the recent kills that are in it. */
  observe(observation: CounterObservation, fresh: boolean): void {
    if (observation.book.kind !== "cgroup") return;
    const identity = observation.book;
    const known = this.#find(identity);
    if (known !== undefined) {
      const before = outermostGroups(known);
      readCount(known.count, observation);
      this.#groups += outermostGroups(known) - before;
      known.final ||= observation.final;
      return;
    }
    const book: CgroupBook = {
      identity,
      count: openCount(observation, fresh),
      explained: 0,
      doubled: 0,
      final: observation.final,
    };
    this.restore(book);
    for (const kill of this.#kills.below(identity.path)) this.#enter(book, kill, 1);
  }

  /** The recent kills that the kernel enters into this book. */
  killsOf(book: CgroupBook): Kill[] {
    return [...this.#kills.below(book.identity.path)].filter((kill) => belongs(book, kill));
  }

  /**
   * Nothing from before `time` (µs, monotonic) will be looked for again: entries of that time which nobody explained are
   * written off, or they would be taken for kills of today.
   */
  forgetBefore(time: number): void {
    for (const book of this.all()) {
      const { count } = book;
      const unexplained = booked(count) - book.explained;
      forgetSteps(count, time);
      if (unexplained <= 0) continue;
      const since = this.killsOf(book).filter(({ at }) => at.monotonicMicroseconds >= time);
      const explainedSince = weightOf(since);
      const bookedSince = count.steps.reduce((sum, { delta }) => sum + delta, 0);
      const stale = unexplained - Math.max(0, bookedSince - explainedSince);
      if (stale > 0) book.explained += stale;
    }
  }

  /** A kill that the books have already, as a checkpoint holds both. */
  remember(kill: Kill): void {
    this.#kills.add(kill);
  }

  /** The books keep it; nobody will ask for it again. */
  forget(kill: Kill): void {
    this.#kills.delete(kill);
  }

  /** Puts back a book as a checkpoint holds it. */
  restore(book: CgroupBook): void {
    const books = this.#byPath.get(book.identity.path);
    if (books === undefined) this.#byPath.set(book.identity.path, [book]);
    else books.push(book);
    this.#size++;
    this.#groups += outermostGroups(book);
    if (this.#size > BOOKS_KEPT) this.#dropOne();
  }

  /** The kill is now (`sign` 1) or no longer (-1) attributed to its cgroup: all books above it know. */
  enter(kill: Kill, sign: 1 | -1): void {
    if (kill.cgroup === null) return;
    if (sign === 1) this.#kills.add(kill);
    else this.#kills.delete(kill);
    for (const path of pathAndAncestors(kill.cgroup.path)) {
      for (const book of this.#byPath.get(path) ?? []) this.#enter(book, kill, sign);
    }
  }

  /** The books that hold `kill` explain no less than nothing. */
  isSoundFor({ cgroup }: Kill): boolean {
    if (cgroup === null) return true;
    return pathAndAncestors(cgroup.path).every((path) =>
      this.at(path).every(({ explained, doubled }) => explained >= 0 && doubled >= 0),
    );
  }

  /** Each book explains the recent kills that are in it, and perhaps others that nobody remembers. */
  explainAll(): boolean {
    return [...this.all()].every((book) => book.explained >= weightOf(this.killsOf(book)));
  }

  /** Group kills booked by the outermost books: v2 counts are hierarchical, so these hold each once. */
  groupsBooked(): number {
    return this.#groups;
  }

  #enter(book: CgroupBook, kill: Kill, sign: 1 | -1): void {
    if (!belongs(book, kill)) return;
    book.explained += sign * bookWeight(kill);
    if (kill.doubled) book.doubled += sign;
  }

  #find(identity: CgroupIdentity): CgroupBook | undefined {
    return this.#byPath
      .get(identity.path)
      ?.find(
        (book) =>
          book.identity.extent === identity.extent &&
          (book.identity.id === null || identity.id === null || book.identity.id === identity.id),
      );
  }

  #dropOne(): void {
    let oldest: CgroupBook | undefined;
    for (const book of this.all()) {
      if (oldest === undefined || book.count.readAt < oldest.count.readAt) oldest = book;
    }
    if (oldest === undefined) return;
    const rest = (this.#byPath.get(oldest.identity.path) ?? []).filter((book) => book !== oldest);
    if (rest.length === 0) this.#byPath.delete(oldest.identity.path);
    else this.#byPath.set(oldest.identity.path, rest);
    this.#size--;
    this.dropped++;
  }
}

function outermostGroups(book: CgroupBook): number {
  const outermost = book.identity.extent === "subtree" && book.identity.path.lastIndexOf("/") === 0;
  return outermost ? groupsBooked(book.count) : 0;
}

/** Group kills this book counted whose first victim nobody saw entered twice (facts 0.1). */
function openDoubles(book: CgroupBook): number {
  return Math.max(0, groupsBooked(book.count) - book.doubled);
}

/**
 * Entries of the book up to `time` that no record explains, for sure: an entry that may be the second of a group kill's
 * first victim is none. The group kill may have been counted in a cgroup above. `later` are the recent kills after `time`.
 */
export function sureDeficitBy(
  book: CgroupBook,
  books: CgroupBooks,
  time: number,
  later: readonly Kill[],
): number {
  const raw = booked(book.count) - book.explained;
  if (raw <= 0) return raw;
  let doubt = openDoubles(book);
  for (const path of pathAndAncestors(book.identity.path)) {
    for (const above of books.at(path)) {
      if (isInside(book, above)) doubt = Math.max(doubt, openDoubles(above));
    }
  }
  const sure = raw - Math.min(raw, doubt);
  const explainedLater = weightOf(later.filter((kill) => belongs(book, kill)));
  const bookedLater = booked(book.count) - bookedBy(book.count, time);
  return Math.min(sure, sure - bookedLater + explainedLater);
}

/** Whether every entry of `inner` is also one of `outer`: a cgroup below it, or its own local count. */
export function isInside(inner: CgroupBook, outer: CgroupBook): boolean {
  if (inner === outer || outer.identity.extent === "local") return false;
  if (inner.identity.path === outer.identity.path) return inner.identity.extent === "local";
  return isWithin(inner.identity.path, outer.identity.path);
}

/** Whether the kernel enters `kill` into `book`. */
export function belongs(book: CgroupBook, kill: Kill): boolean {
  const { cgroup } = kill;
  if (cgroup === null) return false;
  const { identity, count } = book;
  if (kill.at.monotonicMicroseconds + kill.at.uncertaintyMicroseconds < count.openedAt)
    return false;
  if (identity.extent === "local" && cgroup.path !== identity.path) return false;
  if (!isWithin(cgroup.path, identity.path)) return false;
  const samePath = cgroup.path === identity.path;
  return !samePath || cgroup.id === null || identity.id === null || cgroup.id === identity.id;
}
