import type { Instant } from "../model/time.ts";
import { instantBefore } from "./instant.ts";

/** A record that has just been written reaches us within this time, but for a machine under great load. */
export const LIVE_UNCERTAINTY_MICROSECONDS = 250_000;
/** local_clock against CLOCK_MONOTONIC with nothing to compare: 0.76 s after minutes in one guest (facts 1.6). */
const UNKNOWN_UNCERTAINTY_MICROSECONDS = 5_000_000;
/** A processor may be taken away between the kill and the stamp of its line. */
const LEAST_UNCERTAINTY_MICROSECONDS = 20_000;
/** How far the clocks may part in a second of uptime: the TSC's rate is measured once, at boot, NTP corrects the other. */
const DRIFT = 50e-6;
/** The clocks drift by parts in a million: a difference seen 10 minutes ago is still good to a few ms. */
const WINDOW_MICROSECONDS = 300_000_000;
/** Two records written this far apart and received this nearly as far apart were both received as they were written. */
const APART_MICROSECONDS = 100_000;
const AGREE_MICROSECONDS = 50_000;

/** A difference of the clocks that was measured: CLOCK_MONOTONIC − local_clock, all µs. */
export interface MeasuredOffset {
  readonly offsetMicroseconds: number;
  /** The true difference was within ± this … */
  readonly uncertaintyMicroseconds: number;
  /** … at this moment (CLOCK_MONOTONIC). */
  readonly at: number;
}

interface Offset {
  readonly offset: number;
  readonly uncertainty: number;
}

/**
 * The kernel stamps its log with local_clock, which is not CLOCK_MONOTONIC. The difference is measured by a line of our own
 * where we may write one. Else every record gives a bound: it was written before it was received. How long before is not
 * known of a single record, since a reader that stalled gets old records late; two records that keep their distance in time
 * on the way show that neither was late.
 */
export class KernelLogClock {
  #measured: MeasuredOffset | null;
  #previous: number | null = null;
  #current: number | null = null;
  #windowStart: number | null = null;
  #last: { readonly stamp: number; readonly offset: number } | null = null;
  #agreed = false;

  /** `measured`: the difference as an earlier process left it, or `null`. */
  constructor(measured: MeasuredOffset | null) {
    this.#measured = measured;
  }

  /** A record written between `from` and `to` (µs, CLOCK_MONOTONIC) has this stamp. */
  measure(from: number, to: number, timestampMicroseconds: number): void {
    this.#measured = {
      offsetMicroseconds: Math.round((from + to) / 2) - timestampMicroseconds,
      uncertaintyMicroseconds: Math.ceil((to - from) / 2),
      at: to,
    };
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
    this.#compare(timestampMicroseconds, offset);
  }

  #compare(stamp: number, offset: number): void {
    const last = this.#last;
    if (last !== null && stamp - last.stamp < APART_MICROSECONDS) return;
    this.#agreed ||= last !== null && Math.abs(offset - last.offset) <= AGREE_MICROSECONDS;
    this.#last = { stamp, offset };
  }

  /** The least difference lately seen: the clocks' own and the shortest way of a record, at most. */
  get #least(): number | null {
    if (this.#current === null || this.#previous === null) return this.#current ?? this.#previous;
    return Math.min(this.#current, this.#previous);
  }

  /** The difference as known at `now`, to be handed to a later process; `null` when nothing was compared. */
  known(now: Instant): MeasuredOffset | null {
    const known = this.#known(now);
    if (known === null) return null;
    const { offset, uncertainty } = known;
    return {
      offsetMicroseconds: offset,
      uncertaintyMicroseconds: uncertainty,
      at: now.monotonicMicroseconds,
    };
  }

  #known(now: Instant): Offset | null {
    const measured = this.#fromMeasured(now);
    if (measured !== null && measured.uncertainty <= LIVE_UNCERTAINTY_MICROSECONDS) return measured;
    const least = this.#least;
    if (least !== null && this.#agreed) {
      return { offset: least, uncertainty: LIVE_UNCERTAINTY_MICROSECONDS };
    }
    if (measured !== null || least === null) return measured;
    // By so much, and the time of its own way, may a single record have been late.
    const late = LIVE_UNCERTAINTY_MICROSECONDS + Math.abs(least);
    return { offset: least, uncertainty: Math.min(late, unknownUncertainty(now)) };
  }

  #fromMeasured({ monotonicMicroseconds: now }: Instant): Offset | null {
    if (this.#measured === null) return null;
    const { offsetMicroseconds, uncertaintyMicroseconds, at } = this.#measured;
    const uncertainty = uncertaintyMicroseconds + Math.ceil(Math.max(0, now - at) * DRIFT);
    // No record is received before it was written: one that seems to be shows the measured difference to be too large.
    const offset = Math.min(offsetMicroseconds, this.#least ?? offsetMicroseconds);
    return { offset, uncertainty: uncertainty + (offsetMicroseconds - offset) };
  }

  /** When the record was written; never later than `now`. */
  instant(now: Instant, timestampMicroseconds: number): Instant {
    const known = this.#known(now);
    const { monotonicMicroseconds } = now;
    const written = Math.min(timestampMicroseconds + (known?.offset ?? 0), monotonicMicroseconds);
    const uncertaintyMicroseconds =
      known === null
        ? unknownUncertainty(now)
        : withDrift(known.uncertainty, monotonicMicroseconds - written);
    return { ...instantBefore(now, written), uncertaintyMicroseconds };
  }
}

/** The difference is known for now: it may have been another one when an old record was written. */
function withDrift(uncertainty: number, ageMicroseconds: number): number {
  const drift = Math.ceil(ageMicroseconds * DRIFT);
  return Math.max(LEAST_UNCERTAINTY_MICROSECONDS, uncertainty + drift);
}

/** How far the kernel's clock may be from ours at the instant `now`, µs. */
export function unknownUncertainty(now: Instant): number {
  return UNKNOWN_UNCERTAINTY_MICROSECONDS + Math.ceil(now.monotonicMicroseconds * DRIFT);
}
