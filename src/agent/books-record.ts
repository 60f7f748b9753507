import type { LedgerRecord } from "../model/record.ts";

const QUIET_MICROSECONDS = 200_000;
const PATIENCE_MICROSECONDS = 1_000_000;

/** Decides when the books' own record is due: they changed and came to rest, so that a kill on its way is not read as missing. */
export class BooksRecord {
  #text = "";
  #changedAt = 0;
  #waitingSince: number | null = null;

  /** A change waits to be told. */
  get waiting(): boolean {
    return this.#waitingSince !== null;
  }

  /** `summary` when it is to be told now (µs, monotonic), else `null`. `last` tells it whatever the time. */
  due(summary: LedgerRecord, now: number, last: boolean): LedgerRecord | null {
    const text = JSON.stringify(summary);
    if (text !== this.#text) {
      this.#text = text;
      this.#changedAt = now;
      this.#waitingSince ??= now;
    }
    if (this.#waitingSince === null) return null;
    const quiet = now - this.#changedAt >= QUIET_MICROSECONDS;
    if (!quiet && !last && now - this.#waitingSince < PATIENCE_MICROSECONDS) return null;
    this.#waitingSince = null;
    return summary;
  }
}

/** How the operator is told that what must hold in the books does not. */
export const BOOKS_BROKEN = "the books contradict themselves";

export function sayBroken(what: string): string {
  return `${BOOKS_BROKEN}, please report it with the state directory: not so that ${what}`;
}
