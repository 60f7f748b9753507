/**
 * Long replies take turns: one slice a turn of the event loop, over all clients, so that whatever else the program has to
 * do comes between any two slices however many clients ask. A job that waits for its reader leaves the line and comes
 * back at its end.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #later: (call: () => void) => void;
  #scheduled = false;

  constructor(later: (call: () => void) => void = setImmediate) {
    this.#later = later;
  }

  /** Does `slice` in a later turn, after what waits already. */
  join(slice: () => void): void {
    this.#waiting.push(slice);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    this.#later(() => {
      this.#scheduled = false;
      this.#waiting.shift()?.();
      this.#schedule();
    });
  }
}
