import type { LatencyHistogram } from "../sinks/sink.ts";

/** Seconds; around the aims of 2 ms (median) and 15 ms (p99), out to a recovered minute. */
const BOUNDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 5, 60];

/** Time from the kernel's kill to our knowing, by source. */
export class Latency {
  readonly #sources = new Map<string, { counts: number[]; sumSeconds: number }>();

  record(source: string, microseconds: number): void {
    const seconds = Math.max(0, microseconds / 1_000_000);
    let entry = this.#sources.get(source);
    if (entry === undefined) {
      entry = { counts: BOUNDS.map(() => 0).concat(0), sumSeconds: 0 };
      this.#sources.set(source, entry);
    }
    const slot = BOUNDS.findIndex((bound) => seconds <= bound);
    for (let index = slot === -1 ? BOUNDS.length : slot; index <= BOUNDS.length; index++) {
      entry.counts[index] = (entry.counts[index] ?? 0) + 1;
    }
    entry.sumSeconds += seconds;
  }

  view(): LatencyHistogram[] {
    return [...this.#sources].map(([source, { counts, sumSeconds }]) => ({
      source,
      bounds: BOUNDS,
      counts: [...counts],
      sumSeconds,
    }));
  }
}
