import type { Instant } from "../model/time.ts";
import { instantBefore } from "./instant.ts";

/** A record that has just been written reaches us within this time, but for a machine under great load. */
const LIVE_UNCERTAINTY_MICROSECONDS = 250_000;
/** local_clock against CLOCK_MONOTONIC with nothing to compare: 0.76 s after minutes in one guest (facts 1.6). */
const UNKNOWN_UNCERTAINTY_MICROSECONDS = 5_000_000;
/** How far the clocks may part in a second of uptime: the TSC's rate is measured once, at boot, NTP corrects the other. */
const DRIFT = 50e-6;
/** The clocks drift by parts in a million: a difference seen 10 minutes ago is still good to a few ms. */
const WINDOW_MICROSECONDS = 300_000_000;

/**
 * The kernel stamps its log with local_clock, which is not CLOCK_MONOTONIC. Both run: a live record is received a little
 * after it was written, so the smallest difference lately seen is the difference of the clocks and a wake-up (2 ms).
 */
export class KernelLogClock {
  #previous: number | null;
  #current: number | null = null;
  #windowStart: number | null = null;

  /** `offsetMicroseconds`: the difference as an earlier process left it, or `null`. */
  constructor(offsetMicroseconds: number | null) {
    this.#previous = offsetMicroseconds;
  }

  /** CLOCK_MONOTONIC − local_clock in µs, or `null` while no live record was seen. */
  get offsetMicroseconds(): number | null {
    if (this.#current === null) return this.#previous;
    return Math.min(this.#current, this.#previous ?? this.#current);
  }

  /** A live record, received now. */
  sample(now: Instant, timestampMicroseconds: number): void {
    const offset = now.monotonicMicroseconds - timestampMicroseconds;
    // No clocks part so far: the record is an old one that came late.
    if (offset > unknownUncertainty(now)) return;
    this.#windowStart ??= now.monotonicMicroseconds;
    if (now.monotonicMicroseconds - this.#windowStart > WINDOW_MICROSECONDS) {
      this.#windowStart = now.monotonicMicroseconds;
      this.#previous = this.#current ?? this.#previous;
      this.#current = null;
    }
    this.#current = Math.min(offset, this.#current ?? offset);
  }

  /** When the record was written; never later than `now`. */
  instant(now: Instant, timestampMicroseconds: number): Instant {
    const offset = this.offsetMicroseconds;
    const written = Math.min(timestampMicroseconds + (offset ?? 0), now.monotonicMicroseconds);
    const uncertaintyMicroseconds =
      offset === null ? unknownUncertainty(now) : LIVE_UNCERTAINTY_MICROSECONDS;
    return { ...instantBefore(now, written), uncertaintyMicroseconds };
  }
}

/** How far the kernel's clock may be from ours at the instant `now`, µs. */
export function unknownUncertainty(now: Instant): number {
  return UNKNOWN_UNCERTAINTY_MICROSECONDS + Math.ceil(now.monotonicMicroseconds * DRIFT);
}
