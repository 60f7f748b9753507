import type { Pending } from "./store-write.ts";

/** The front is cut off when it is this long, not record by record. */
const CUT_AFTER = 5_000;

/** Records that wait for the disk, oldest first; bounded. */
export class WaitingRecords {
  readonly #limit: number;
  #queue: Pending[] = [];
  #head = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  /** False when there is no room. */
  put(pending: Pending): boolean {
    if (this.size >= this.#limit) return false;
    this.#queue.push(pending);
    return true;
  }

  first(count: number): readonly Pending[] {
    return this.#queue.slice(this.#head, this.#head + count);
  }

  drop(count: number): void {
    this.#head += count;
    if (this.#head < this.#queue.length && this.#head < CUT_AFTER) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
  }

  /** Up to `limit` of those with a greater sequence. */
  after(sequence: number, limit: number): readonly Pending[] {
    const found: Pending[] = [];
    for (let index = this.#head; index < this.#queue.length && found.length < limit; index += 1) {
      const pending = this.#queue[index];
      if (pending !== undefined && pending.entry.sequence > sequence) found.push(pending);
    }
    return found;
  }
}
