import type { SourceObservation } from "../sources/source.ts";

/** Observations waiting to be taken in; more than this means evidence arrives faster than it can be booked. */
const QUEUE_LIMIT = 100_000;

/** What the sources told and nobody has taken in yet, in the order it came. */
export class Intake {
  #batches: (readonly SourceObservation[])[] = [];
  #waiting = 0;
  #drops = 0;

  /** Observations that found no room. */
  get drops(): number {
    return this.#drops;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** False when there was no room. */
  put(observations: readonly SourceObservation[]): boolean {
    if (this.#waiting + observations.length > QUEUE_LIMIT) {
      this.#drops += observations.length;
      return false;
    }
    this.#batches.push(observations);
    this.#waiting += observations.length;
    return true;
  }

  take(): readonly SourceObservation[] {
    const [only, ...others] = this.#batches;
    const taken = others.length === 0 ? (only ?? []) : this.#batches.flat();
    this.#batches = [];
    this.#waiting = 0;
    return taken;
  }
}
