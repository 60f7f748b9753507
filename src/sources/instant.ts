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
