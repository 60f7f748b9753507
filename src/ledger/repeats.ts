import type { KillObservation } from "../model/observation.ts";

/** Second entries kept waiting for the kill they double. */
const KEPT = 1_000;

/** The kernel's second kills of a group's first victim that arrived before the first. */
export class Repeats {
  #waiting: KillObservation[] = [];

  park(observation: KillObservation): void {
    const same = (other: KillObservation) =>
      other.source === observation.source && other.sequence === observation.sequence;
    if (this.#waiting.some(same)) return;
    this.#waiting.push(observation);
    if (this.#waiting.length > KEPT) this.#waiting.shift();
  }

  /** Takes out those that `accept` recognises. */
  claim(accept: (repeat: KillObservation) => boolean): KillObservation[] {
    if (this.#waiting.length === 0) return [];
    const claimed = this.#waiting.filter(accept);
    if (claimed.length > 0) {
      this.#waiting = this.#waiting.filter((repeat) => !claimed.includes(repeat));
    }
    return claimed;
  }
}
