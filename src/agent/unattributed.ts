import { isNone, type Kill } from "../ledger/ledger.ts";

/** After that long a kill's cgroup will not become known. */
const SETTLED_AFTER_MICROSECONDS = 5_000_000;

/** A counter cannot take back: a kill counts as unattributed only when no evidence is to be expected any more. */
export class Unattributed {
  readonly #kill: (id: string) => Kill | undefined;
  /** Openings whose cgroup may still come to be known; oldest first. */
  #waiting: { readonly id: string; readonly settledAt: number }[] = [];

  constructor(kill: (id: string) => Kill | undefined) {
    this.#kill = kill;
  }

  /** Kills that are not decided, for the next process. */
  get waiting(): readonly string[] {
    return this.#waiting.map(({ id }) => id);
  }

  /** A kill was opened; it is now `now` (µs, monotonic). */
  opened(id: string, now: number): void {
    this.#waiting.push({ id, settledAt: now + SETTLED_AFTER_MICROSECONDS });
  }

  /** How many turned out to be unattributed since it was asked last. */
  settle(now: number): number {
    const end = this.#waiting.findIndex(({ settledAt }) => settledAt > now);
    const settled = this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
    return settled.filter(({ id }) => isUnattributed(this.#kill(id))).length;
  }
}

function isUnattributed(kill: Kill | undefined): boolean {
  return kill?.attribution === "none" && !isNone(kill);
}
