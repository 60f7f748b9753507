import { assert } from "./assert.ts";

/**
 * How much may come at once and how much in a second (a token bucket). Time is told by the caller, in milliseconds of any
 * clock that does not go back.
 */
export class Budget {
  readonly #atOnce: number;
  readonly #perSecond: number;
  #left: number;
  #since: number | null = null;

  constructor(atOnce: number, perSecond: number) {
    assert(atOnce > 0 && perSecond >= 0, "a budget allows something");
    this.#atOnce = atOnce;
    this.#perSecond = perSecond;
    this.#left = atOnce;
  }

  /** Takes `count` from what is left. False when there was less: then nothing is left. */
  spend(count: number, nowMilliseconds: number): boolean {
    const passed = Math.max(0, nowMilliseconds - (this.#since ?? nowMilliseconds));
    this.#since = nowMilliseconds;
    const left = Math.min(this.#atOnce, this.#left + (passed * this.#perSecond) / 1000) - count;
    this.#left = Math.max(0, left);
    return left >= 0;
  }
}
