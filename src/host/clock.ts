import { performance } from "node:perf_hooks";
import type { Clock } from "./host.ts";

/** The longest delay setTimeout takes; it turns a longer one into 1 ms. */
const LONGEST_TIMEOUT_MILLISECONDS = 2_147_483_647;

/** What the clock is made of, so that a test can step it. */
export interface TimeReadings {
  /** CLOCK_MONOTONIC in µs. */
  monotonicMicroseconds(): number;
  /** CLOCK_REALTIME in whole milliseconds, as `Date.now()`. */
  wallMilliseconds(): number;
  /** A first guess of the wall clock in µs; may be wrong by any amount. */
  wallGuessMicroseconds(): number;
}

const MACHINE: TimeReadings = {
  // process.hrtime is clock_gettime(CLOCK_MONOTONIC) on Linux (libuv, src/unix/linux.c).
  monotonicMicroseconds: () => Number(process.hrtime.bigint() / 1000n),
  wallMilliseconds: () => Date.now(),
  // Right to the microsecond when the process starts, and wrong for ever after the wall clock is stepped.
  wallGuessMicroseconds: () => (performance.timeOrigin + performance.now()) * 1000,
};

export function createClock(readings: TimeReadings = MACHINE): Clock {
  return {
    monotonicMicroseconds: readings.monotonicMicroseconds,
    wallMicroseconds: createWallClock(readings),
    after,
  };
}

/**
 * The wall clock with microseconds, which Node does not offer: the monotonic clock plus an offset. Each reading of
 * `Date.now()` bounds the offset to a window of 1 ms, and the offset is pushed into it: a step of the wall clock is
 * followed at once, and the result never leaves the current millisecond of `Date.now()` (plus the time of one call).
 */
function createWallClock(readings: TimeReadings): () => number {
  let offset = readings.wallGuessMicroseconds() - readings.monotonicMicroseconds();
  return () => {
    const before = readings.monotonicMicroseconds();
    const millisecondStart = readings.wallMilliseconds() * 1000;
    const after = readings.monotonicMicroseconds();
    const lowest = millisecondStart - after;
    const highest = millisecondStart + 999 - before;
    offset = Math.min(Math.max(offset, lowest), highest);
    return Math.round(after + offset);
  };
}

function after(milliseconds: number, call: () => void): () => void {
  const delay = Math.min(Math.max(milliseconds, 0), LONGEST_TIMEOUT_MILLISECONDS);
  const timer = setTimeout(call, delay);
  timer.unref();
  return () => clearTimeout(timer);
}
