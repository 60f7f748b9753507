import { assert } from "./assert.ts";

/** 2^32: one more than the largest number `word` gives. */
const WORDS = 4_294_967_296;

/**
 * Random numbers that repeat: the same seed gives the same numbers on every machine. The generator is sfc32 (Chris
 * Doty-Humphrey, PractRand), whose period is at least 2^32. Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed`: any safe integer; each gives another sequence. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "a seed is an integer");
    this.#a = 0;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / WORDS) | 0;
    // The state is poor in bits at first; 15 rounds mix it, as in the reference.
    for (let round = 0; round < 15; round++) this.word();
  }

  /** An integer from 0 to 2^32 − 1. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number from 0 up to, but not including, 1: 53 random bits. */
  fraction(): number {
    return ((this.word() >>> 5) * 67_108_864 + (this.word() >>> 6)) / 9_007_199_254_740_992;
  }

  /** An integer from `lowest` to `highest`, both included. */
  int(lowest: number, highest: number): number {
    assert(Number.isSafeInteger(lowest) && Number.isSafeInteger(highest), "bounds are integers");
    const count = highest - lowest + 1;
    assert(count >= 1 && count <= Number.MAX_SAFE_INTEGER, "bounds are in order");
    return lowest + Math.floor(this.fraction() * count);
  }

  /** True with the given probability, from 0 (never) to 1 (always). */
  chance(probability: number): boolean {
    assert(probability >= 0 && probability <= 1, "a probability is from 0 to 1");
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    assert(items.length > 0, "there is something to pick from");
    const index = this.int(0, items.length - 1);
    // A loop over one item: `Item` may include undefined, so the item itself proves nothing.
    for (const item of items.slice(index, index + 1)) return item;
    assert(false, "the index is within the array");
  }

  /** A new array with the same items in any order, each order as likely (Fisher–Yates). */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const rest = [...items];
    const shuffled: Item[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(this.int(0, rest.length - 1), 1));
    return shuffled;
  }

  /** Another generator that goes on by itself: what one part draws does not move what another part gets. */
  fork(): Random {
    return new Random(this.int(0, Number.MAX_SAFE_INTEGER - 1));
  }
}
