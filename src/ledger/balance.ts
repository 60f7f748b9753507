import { SECOND } from "../model/time.ts";
import type { Cases } from "./cases.ts";
import { entryOf, likelyRepairOf, type Repair, repairOf } from "./repair.ts";

/**
 * So many looks at the books, 2 s of our own running time, must find too many records: the node's counter is read every
 * second, and nobody tells that it did not rise. A process that was stopped has not looked.
 */
const EXCESS_STEPS = 8;
/** For a moment of quiet the decision about doubtful kills waits so long. */
const PATIENCE_MICROSECONDS = 30 * SECOND;
/** Records repaired in one step: bounds its work. */
const REPAIRS_AT_ONCE = 100;

/** Holds the records against the node's book: which doubtful ones it has, and which of too many are none. */
export class Balance {
  readonly #cases: Cases;
  readonly #settleMicroseconds: number;
  /** When this process began to watch (µs, monotonic). */
  readonly #startedAt: number;
  /** Records in excess of the node's book that nobody could explain. */
  #unexplainable = 0;
  /** In how many steps in a row there were any, for sure and likely. */
  #sureFor = 0;
  #likelyFor = 0;

  constructor(cases: Cases, settleMicroseconds: number, startedAt: number) {
    this.#cases = cases;
    this.#settleMicroseconds = settleMicroseconds;
    this.#startedAt = startedAt;
  }

  /** Whether the book had kills about when it was opened is told by what it had when all evidence of them is in. */
  decideDoubtful(): void {
    const opened = Math.max(this.#cases.node.count?.openedAt ?? this.#cases.now, this.#startedAt);
    const settledAt = opened + 3 * this.#settleMicroseconds;
    if (this.#cases.node.totals.perhaps === 0 || this.#cases.now < settledAt) return;
    const by = this.#cases.now - this.#settleMicroseconds;
    if (this.#cases.now < opened + PATIENCE_MICROSECONDS && !this.#isQuietSince(by)) return;
    this.#cases.node.decide(this.#cases.order, by, (kill, held) => {
      const known = held === "yes" ? null : entryOf(kill, this.#cases.kills.unknown());
      if (known === null) this.#cases.change(kill, { inNodeBook: held });
      else this.#cases.unite(known, kill);
    });
  }

  /** What was counted and what was told since cannot be held against each other yet. */
  #isQuietSince(time: number): boolean {
    const { node, order } = this.#cases;
    const counted = node.count?.steps.at(-1)?.to ?? 0;
    return counted <= time && (order.at(-1)?.openedAt ?? 0) <= time;
  }

  /** Records in excess of the node's book, when nothing can come any more that explains it: says which of them is none. */
  repair(): void {
    const by = this.#cases.now - this.#settleMicroseconds;
    const { sure, likely } = this.#excessBy(by);
    this.#sureFor = sure > 0 ? this.#sureFor + 1 : 0;
    this.#likelyFor = likely > 0 ? this.#likelyFor + 1 : 0;
    if (this.#likelyFor < EXCESS_STEPS || (sure > 0 && this.#sureFor < EXCESS_STEPS)) return;
    this.#repairAll(by);
  }

  #repairAll(by: number): void {
    for (let times = 0; times < REPAIRS_AT_ONCE; times++) {
      const { sure, likely } = this.#excessBy(by);
      const repair = likely > 0 ? this.#find(by, sure) : null;
      if (repair === null) {
        this.#unexplained(sure);
        return;
      }
      if (repair.kind === "one") this.#cases.unite(repair.kept, repair.double);
      else if (repair.kind === "unconfirmed") this.#cases.doubt(repair.kill);
      else this.#cases.change(repair.kill, { inNodeBook: "no" });
    }
  }

  #excessBy(by: number): { readonly sure: number; readonly likely: number } {
    const { node, order, books } = this.#cases;
    const likely = node.excessBy(order, by, node.openDoubles(books.groupsBooked()));
    return { sure: likely > 0 ? node.excessBy(order, by, 0) : 0, likely };
  }

  #find(by: number, sure: number): Repair | null {
    const { node, order, kills } = this.#cases;
    if (node.count === null || (sure === 0 && kills.unknown().length === 0)) return null;
    const settled = order.filter(({ openedAt }) => openedAt <= by);
    return sure > 0 ? repairOf(settled, node.count, sure) : likelyRepairOf(settled, node.count);
  }

  /** More records than the kernel has kills, and nobody can say which is too many: counted when there is one more. */
  #unexplained(excess: number): void {
    this.#cases.contradictions += Math.max(0, excess - this.#unexplainable);
    this.#unexplainable = excess;
  }
}
