import { bookedBy, type Count, type Step, unexplainedSteps } from "./book.ts";
import { type CgroupBook, type CgroupBooks, isInside } from "./cgroup-books.ts";
import { attributionOf, type Kill, killsAfter, weightOf } from "./kill.ts";
import type { NodeBook } from "./node-book.ts";
import { findSurpluses, isHomeless, timesOf } from "./surplus.ts";

/** A kill only counters know of, before the ledger gives it an id. */
export interface MissingKill {
  /** Names the book in the id: `n` for the node, `c<cgroup id>-` for a cgroup. */
  readonly book: string;
  /** The value the counter reached with this kill. */
  readonly count: number;
  readonly kill: Omit<Kill, "id" | "recovered" | "openedAt">;
}

/** Readings and kill times may disagree by this much before a kill is looked for in another reading. */
const SLACK_MICROSECONDS = 300_000;
/** How much later than the node's counter that of the cgroup may be read: one unhurried scan of thousands of cgroups. */
const CGROUPS_FOUND_MICROSECONDS = 1_000_000;
/** Records made of one look at the books; the next look makes more. Bounds the work of one step after a long absence. */
const AT_ONCE = 1_000;

/**
 * Kills that were in the kernel's books by `by` (µs, monotonic) and that no record explains, of one book: the innermost
 * cgroup that has too many, else the node. Empty when the books balance. The node's book, where there is one, is the
 * judge: what it does not miss is not missing, whatever a cgroup says.
 */
export function missingKills(
  by: number,
  node: NodeBook,
  books: CgroupBooks,
  order: readonly Kill[],
): MissingKill[] {
  const later = killsAfter(order, by);
  const room = roomInNode(by, node, books, later);
  if (room <= 0) return [];
  const candidates = innermostDeficits(books, order, by);
  const total = candidates.reduce((sum, { deficit }) => sum + deficit, 0);
  const [first] = candidates;
  // More entries in several cgroups than missing kills: some belong to kills that are known but nobody stamped.
  if (first !== undefined && (candidates.length === 1 || total <= room)) {
    return missingFromCgroup({ book: first.book, books }, Math.min(room, first.deficit), order, by);
  }
  if (node.count === null) return [];
  // The node's counter is read first; a cgroup that explains it gets the time to be found and settled too.
  const earlier = by - CGROUPS_FOUND_MICROSECONDS;
  const roomEarlier = roomInNode(earlier, node, books, killsAfter(order, earlier));
  return missingFromNode(node.count, Math.min(room, roomEarlier), order, earlier);
}

function roomInNode(
  by: number,
  node: NodeBook,
  books: CgroupBooks,
  later: readonly Kill[],
): number {
  if (node.count === null) return Number.POSITIVE_INFINITY;
  const groups = books.groupsBooked();
  return Math.min(node.missingBy(by, later, groups), node.unaccounted(groups) ?? 0);
}

interface Deficit {
  readonly book: CgroupBook;
  readonly deficit: number;
}

/**
 * Books with entries too many, without those that only repeat what a book inside them has. An entry that may be that of a
 * known kill nobody stamped is not missing.
 */
function innermostDeficits(books: CgroupBooks, order: readonly Kill[], by: number): Deficit[] {
  const all = findSurpluses(books, order, by)
    .map(({ book, sure, claimants }) => ({ book, deficit: sure - weightOf(claimants) }))
    .filter(({ deficit }) => deficit > 0);
  return all.filter(({ book }) => !all.some((other) => isInside(other.book, book)));
}

function missingFromCgroup(
  { book, books }: { readonly book: CgroupBook; readonly books: CgroupBooks },
  amount: number,
  order: readonly Kill[],
  by: number,
): MissingKill[] {
  const known = [...books.killsOf(book), ...order.filter(isHomeless)];
  const { path, id, version, extent } = book.identity;
  const cgroup = {
    path,
    id,
    version,
    basis: extent === "local" ? "local-counter" : "counter",
  } as const;
  return makeMissing(book.count, amount, known, by, `c${id ?? 0}-`).map((missing) => ({
    ...missing,
    kill: {
      ...missing.kill,
      cgroup,
      attribution: attributionOf(cgroup),
      witnesses: ["cgroup"],
    },
  }));
}

function missingFromNode(
  count: Count,
  amount: number,
  order: readonly Kill[],
  by: number,
): MissingKill[] {
  if (amount <= 0) return [];
  const known = order.filter((kill) => kill.inNodeBook !== "no");
  return makeMissing(count, amount, known, by, "n");
}

/** Named by what the counter said at `by`: whoever settles them one by one or all at once gives them the same ids. */
function makeMissing(
  count: Count,
  amount: number,
  known: readonly Kill[],
  by: number,
  book: string,
): MissingKill[] {
  const value = count.base + bookedBy(count, by);
  const whole: Step = { from: count.openedAt, to: count.readAt, delta: amount };
  const windows = windowsOf(count, amount, known);
  return Array.from({ length: Math.min(Math.max(0, amount), AT_ONCE) }, (_, index) => ({
    book,
    count: value - amount + index + 1,
    kill: unknownKill(windows[index] ?? whole, count),
  }));
}

/** Where so many entries may be that the known kills do not explain; not beside a group kill that may have two there. */
function windowsOf(count: Count, amount: number, known: readonly Kill[]): Step[] {
  const perhapsTwice = known.filter((kill) => kill.groupFirst && !kill.doubled && !kill.skipped);
  for (const kills of [[...known, ...perhapsTwice], known]) {
    const steps = unexplainedSteps(count, timesOf(kills), SLACK_MICROSECONDS);
    const windows = steps.flatMap((step) => Array<Step>(step.delta).fill(step));
    if (windows.length >= amount || kills === known) return windows;
  }
  return [];
}

/** The kill happened within the window; its record says the end of it, the moment the counter proved it. */
function unknownKill(window: Step, count: Count): MissingKill["kill"] {
  return {
    revision: 0,
    at: {
      monotonicMicroseconds: window.to,
      wallMicroseconds: window.to + count.wallOffset,
      uncertaintyMicroseconds: window.to - window.from,
    },
    window: { from: window.from, to: window.to },
    victim: null,
    cgroup: null,
    attribution: "none",
    limit: null,
    trigger: null,
    evidence: {},
    incidents: {},
    group: false,
    doubled: false,
    counted: true,
    groupFirst: false,
    skipped: false,
    ambiguous: false,
    inNodeBook: "yes",
    witnesses: ["vmstat"],
  };
}

/** Whether a reading of the counter rose over the time of the kill. */
export function coveringStep(count: Count | null, kill: Kill): boolean {
  if (count === null) return false;
  const { monotonicMicroseconds: at, uncertaintyMicroseconds: margin } = kill.at;
  for (let index = count.steps.length - 1; index >= 0; index--) {
    const step = count.steps[index];
    if (step === undefined || step.to < at - margin) return false;
    if (step.from <= at + margin) return true;
  }
  return false;
}
