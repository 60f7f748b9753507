import { assert } from "./assert.ts";

/** Which item is lost when the queue is full: the one that waits longest, or the one that comes. */
export type WhenFull = "drop-oldest" | "drop-newest";

/** First in, first out, at most `capacity` items; what does not fit is lost and counted. Every step takes constant time. */
export class BoundedQueue<Item extends NonNullable<unknown>> {
  readonly capacity: number;
  readonly #whenFull: WhenFull;
  readonly #slots: (Item | undefined)[] = [];
  #first = 0;
  #length = 0;
  #dropped = 0;

  constructor(capacity: number, whenFull: WhenFull) {
    assert(Number.isSafeInteger(capacity) && capacity > 0, "a queue holds at least one item");
    this.capacity = capacity;
    this.#whenFull = whenFull;
  }

  get length(): number {
    return this.#length;
  }

  /** Items lost since the queue was made. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether nothing was lost. */
  push(item: Item): boolean {
    const full = this.#length === this.capacity;
    if (full) this.#dropped += 1;
    if (full && this.#whenFull === "drop-newest") return false;
    if (full) this.shift();
    this.#slots[(this.#first + this.#length) % this.capacity] = item;
    this.#length += 1;
    return !full;
  }

  /** Takes the oldest item out, or `null` when there is none. */
  shift(): Item | null {
    if (this.#length === 0) return null;
    const item = this.#slots[this.#first];
    assert(item !== undefined, "every slot within the length is filled");
    // The slot must not keep the item alive.
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.capacity;
    this.#length -= 1;
    return item;
  }

  /** The oldest item, which stays, or `null`. */
  peek(): Item | null {
    return (this.#length === 0 ? undefined : this.#slots[this.#first]) ?? null;
  }

  /** Takes everything out, oldest first. */
  drain(): Item[] {
    const items: Item[] = [];
    for (let item = this.shift(); item !== null; item = this.shift()) items.push(item);
    return items;
  }
}
