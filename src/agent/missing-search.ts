import type { Clock } from "../host/host.ts";
import type { LedgerRecord } from "../model/record.ts";

/** Evidence of a kill gets this long before the cgroups are searched for it. */
const WAIT_MILLISECONDS = 100;

/**
 * When the node's book has a kill that nobody told us of (no privilege, a lossy log), some cgroup's counter may name its
 * cgroup. Reading all of them costs milliseconds, so it is done once for each value of the node's book.
 */
export class MissingSearch {
  readonly #clock: Clock;
  readonly #summary: () => LedgerRecord;
  readonly #search: () => void;
  #searchedAt: number | null = null;
  #waiting = false;

  constructor(clock: Clock, summary: () => LedgerRecord, search: () => void) {
    this.#clock = clock;
    this.#summary = summary;
    this.#search = search;
  }

  /** The books may have changed. */
  consider(books: LedgerRecord): void {
    if (this.#waiting || !this.#isNews(books)) return;
    this.#waiting = true;
    this.#clock.after(WAIT_MILLISECONDS, () => {
      this.#waiting = false;
      const now = this.#summary();
      if (!this.#isNews(now)) return;
      this.#searchedAt = now.kernel;
      this.#search();
    });
  }

  #isNews({ kernel, unaccounted }: LedgerRecord): boolean {
    return (unaccounted ?? 0) > 0 && kernel !== this.#searchedAt;
  }
}
