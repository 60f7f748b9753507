import type { Clock } from "../host/host.ts";
import type { Instant } from "../model/time.ts";

/** Now, read from both clocks. */
export function instantNow(clock: Clock): Instant {
  return {
    monotonicMicroseconds: clock.monotonicMicroseconds(),
    wallMicroseconds: clock.wallMicroseconds(),
    uncertaintyMicroseconds: 0,
  };
}

/** An earlier moment of which only the monotonic time was kept, on the same wall clock as `now`. */
export function instantBefore(now: Instant, monotonicMicroseconds: number): Instant {
  const ago = now.monotonicMicroseconds - monotonicMicroseconds;
  return { ...now, monotonicMicroseconds, wallMicroseconds: now.wallMicroseconds - ago };
}

/** A moment that a program of this machine stamped with the wall clock; the clock may have been set since. */
export function instantAtWall(clock: Clock, wallMicroseconds: number): Instant {
  const now = instantNow(clock);
  const ago = Math.max(0, now.wallMicroseconds - wallMicroseconds);
  return {
    monotonicMicroseconds: Math.max(0, now.monotonicMicroseconds - ago),
    wallMicroseconds,
    uncertaintyMicroseconds: WALL_UNCERTAINTY_MICROSECONDS,
  };
}

/** Two clocks read one after the other, and the slewing of NTP: 500 ppm of the seconds that passed since. */
const WALL_UNCERTAINTY_MICROSECONDS = 1000;
