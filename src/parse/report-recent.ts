/** Victims told lately: their reaper's lines and their copies in the same text are no other kills. */

/** One storm of 300 kills and then some. */
const MAX_VICTIMS = 2_048;

/** A pid comes again after all others had their turn: not within seconds, nor within lines of one report. */
const SAME_VICTIM_SECONDS = 2;
const SAME_VICTIM_LINES = 50;

export interface Stamp {
  readonly uptimeSeconds: number | null;
  readonly wallMicroseconds: number | null;
  /** Line of the text. */
  readonly number: number;
}

export class RecentVictims {
  /** Oldest first. */
  readonly #victims = new Map<number, Stamp>();

  add(tid: number, stamp: Stamp): void {
    const { uptimeSeconds, number } = stamp;
    const wallMicroseconds =
      stamp.wallMicroseconds ?? this.#victims.get(tid)?.wallMicroseconds ?? null;
    this.#victims.delete(tid);
    this.#victims.set(tid, { uptimeSeconds, wallMicroseconds, number });
    if (this.#victims.size <= MAX_VICTIMS) return;
    const [oldest] = this.#victims.keys();
    if (oldest !== undefined) this.#victims.delete(oldest);
  }

  has(tid: number): boolean {
    return this.#victims.has(tid);
  }

  /** The same line again, by the kernel's own stamp or a wall clock of microseconds. */
  isRepeated(tid: number, { uptimeSeconds, wallMicroseconds }: Stamp): boolean {
    const victim = this.#victims.get(tid);
    if (victim === undefined) return false;
    if (uptimeSeconds !== null) return victim.uptimeSeconds === uptimeSeconds;
    const precise = wallMicroseconds !== null && wallMicroseconds % 1_000_000 !== 0;
    return precise && victim.wallMicroseconds === wallMicroseconds;
  }

  /** Killed just before: a group's first victim gets its line twice, and a log may lack the line that tells of the group. */
  isJustKilled(tid: number, stamp: Stamp): boolean {
    const victim = this.#victims.get(tid);
    if (victim === undefined) return false;
    const seconds = this.secondsSince(tid, stamp);
    return seconds === null
      ? Math.abs(stamp.number - victim.number) <= SAME_VICTIM_LINES
      : seconds <= SAME_VICTIM_SECONDS;
  }

  /** Since its last line; `null` when it has none, or the lines have no clock in common. */
  secondsSince(tid: number, { uptimeSeconds, wallMicroseconds }: Stamp): number | null {
    const victim = this.#victims.get(tid);
    if (victim === undefined) return null;
    return (
      difference(victim.uptimeSeconds, uptimeSeconds) ??
      difference(victim.wallMicroseconds, wallMicroseconds, 1e6)
    );
  }
}

function difference(a: number | null, b: number | null, unit = 1): number | null {
  return a === null || b === null ? null : Math.abs(a - b) / unit;
}
