const PAUSE_MILLISECONDS = 1;

function aMomentLater(call: () => void): void {
  setTimeout(call, PAUSE_MILLISECONDS);
}

/**
 * Long replies take turns: one slice a millisecond, over all clients, so that whatever else the program has to do comes
 * between any two slices however many clients ask. The pause is more than a turn of the event loop because the agent asks
 * the scheduler for precedence: answering lists must not take a processor from the machine. A job that waits for its
 * reader leaves the line and comes back at its end.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #later: (call: () => void) => void;
  #scheduled = false;

  constructor(later: (call: () => void) => void = aMomentLater) {
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
