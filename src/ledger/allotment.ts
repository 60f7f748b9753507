import type { Step } from "./book.ts";
import type { CgroupBook } from "./cgroup-books.ts";
import { isInside } from "./cgroup-books.ts";
import type { Kill } from "./kill.ts";
import { covers, SHIFT_MICROSECONDS, type Surplus } from "./surplus.ts";

/** Room for kills in one cgroup: entries of its book that no record explains. */
interface Slot {
  readonly book: CgroupBook;
  readonly steps: readonly Step[];
  readonly capacity: number;
  readonly kills: Kill[];
  /** Programs that were surely killed here. */
  readonly comms: ReadonlySet<string>;
}

export interface Allotment {
  readonly kill: Kill;
  readonly book: CgroupBook;
}

/**
 * Gives each cgroup as many of the `homeless` kills as its counter has and no record explains. After an absence of the
 * agent the counters of the living cgroups tell how many each lost, though not which process was whose: then the numbers
 * are exact, and the pairs are one of several possible choices that agree with all times. Kills left over were in cgroups
 * that are gone with their counters.
 *
 * `knownIn`: kills that are known to be in a book, by which a program is looked for where it was killed before.
 */
export function allot(
  homeless: readonly Kill[],
  surpluses: readonly Surplus[],
  knownIn: (book: CgroupBook) => readonly Kill[],
): Allotment[] {
  const slots = slotsOf(surpluses, knownIn);
  if (slots.length === 0) return [];
  const matching = new Matching(slots);
  const left = byCertainty(homeless, slots).filter((kill) => !matching.place(kill, 0));
  // An entry may have been taken by a neighbour that only the log dates.
  for (const kill of left) matching.place(kill, SHIFT_MICROSECONDS);
  return slots.flatMap(({ book, kills }) => kills.map((kill) => ({ kill, book })));
}

/** Those of a program that was surely killed in one of the cgroups come first, then those dated best. */
function byCertainty(kills: readonly Kill[], slots: readonly Slot[]): Kill[] {
  const comms = new Set(slots.flatMap((slot) => [...slot.comms]));
  const rank = ({ victim }: Kill) => (comms.has(victim?.comm ?? "") ? 0 : 1);
  return [...kills].sort(
    (one, other) =>
      rank(one) - rank(other) ||
      one.at.uncertaintyMicroseconds - other.at.uncertaintyMicroseconds ||
      one.at.monotonicMicroseconds - other.at.monotonicMicroseconds,
  );
}

/** What a book has beyond the books inside it; by step, where each entry of each step is sure. */
function slotsOf(
  surpluses: readonly Surplus[],
  knownIn: (book: CgroupBook) => readonly Kill[],
): Slot[] {
  const own = new Map<Surplus, number>();
  const inside = (outer: Surplus) =>
    surpluses
      .filter((inner) => isInside(inner.book, outer.book))
      .reduce((sum, inner) => sum + ownOf(inner), 0);
  const ownOf = (surplus: Surplus): number => {
    const known = own.get(surplus);
    if (known !== undefined) return known;
    const value = Math.max(0, surplus.sure - inside(surplus));
    own.set(surplus, value);
    return value;
  };
  return surpluses.flatMap((surplus) => {
    const { book, steps } = surplus;
    const capacity = ownOf(surplus);
    if (capacity === 0) return [];
    const comms = new Set(knownIn(book).flatMap(({ victim }) => victim?.comm ?? []));
    const total = steps.reduce((sum, { delta }) => sum + delta, 0);
    if (total !== capacity) return [{ book, steps, capacity, kills: [], comms }];
    return steps
      .filter(({ delta }) => delta > 0)
      .map((step) => ({ book, steps: [step], capacity: step.delta, kills: [], comms }));
  });
}

/** As many kills in slots as can be: one makes room for another where it fits elsewhere, too (Kuhn's algorithm). */
class Matching {
  readonly #slots: readonly Slot[];
  /** Full for good: a search that failed has shown that none of their kills fits elsewhere. */
  readonly #closed = new Set<Slot>();

  constructor(slots: readonly Slot[]) {
    this.#slots = [...slots].sort((one, other) => endOf(one) - endOf(other));
  }

  /** `shift`: how far off a kill may be that only the log dates (µs). */
  place(kill: Kill, shift: number): boolean {
    const tried = new Set<Slot>();
    if (this.#find(kill, shift, tried)) return true;
    if (shift > 0) return false;
    for (const slot of tried) this.#closed.add(slot);
    return false;
  }

  #find(kill: Kill, shift: number, tried: Set<Slot>): boolean {
    const fitting = this.#slots.filter((slot) => fits(kill, slot, shift));
    const free = fitting.filter(({ kills, capacity }) => kills.length < capacity);
    const best = free.find(({ comms }) => comms.has(kill.victim?.comm ?? "")) ?? free[0];
    if (best !== undefined) {
      best.kills.push(kill);
      return true;
    }
    return fitting.some((slot) => this.#makeRoom(slot, kill, shift, tried));
  }

  #makeRoom(slot: Slot, kill: Kill, shift: number, tried: Set<Slot>): boolean {
    if (tried.has(slot) || this.#closed.has(slot)) return false;
    tried.add(slot);
    const index = slot.kills.findIndex((other) => this.#find(other, shift, tried));
    if (index < 0) return false;
    slot.kills[index] = kill;
    return true;
  }
}

function endOf({ steps }: Slot): number {
  return Math.max(...steps.map(({ to }) => to));
}

/** A kill of a container that is known by its main process was in no other. */
function fits(kill: Kill, { book, steps }: Slot, shift: number): boolean {
  const container = kill.identity?.container?.id ?? null;
  if (container !== null && !book.identity.path.includes(container)) return false;
  return steps.some((step) => covers(step, kill, shift));
}
