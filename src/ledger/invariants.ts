/** Different sentences kept for the operator; each is said once. */
const SENTENCES_KEPT = 100;

/**
 * What must hold in the books, whatever evidence says. A ledger that finds itself wrong goes on: the kills of tomorrow are
 * worth more than its pride. It is counted and said; in the simulation it is a failure.
 */
export class Invariants {
  readonly #broken: (what: string) => void;
  readonly #said = new Set<string>();
  /** How often one did not hold. */
  count = 0;

  /** `broken` is told each sentence once: what must hold and did not. */
  constructor(broken: (what: string) => void) {
    this.#broken = broken;
  }

  /** `what` states in words what must hold. */
  check(holds: boolean, what: string): void {
    if (holds) return;
    this.count++;
    if (this.#said.has(what) || this.#said.size >= SENTENCES_KEPT) return;
    this.#said.add(what);
    this.#broken(what);
  }
}
