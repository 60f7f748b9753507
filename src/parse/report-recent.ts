/** Victims told lately: their reaper's lines and their copies in the same text are no other kills. */

/** One storm of 300 kills and then some. */
const MAX_VICTIMS = 2_048;

interface Stamp {
  readonly uptimeSeconds: number | null;
  readonly wallMicroseconds: number | null;
}

export class RecentVictims {
  /** Oldest first. */
  readonly #victims = new Map<number, Stamp>();

  add(tid: number, uptimeSeconds: number | null, wallMicroseconds: number | null): void {
    const before = this.#victims.get(tid);
    this.#victims.delete(tid);
    const kept = wallMicroseconds ?? before?.wallMicroseconds ?? null;
    this.#victims.set(tid, { uptimeSeconds, wallMicroseconds: kept });
    if (this.#victims.size <= MAX_VICTIMS) return;
    const [oldest] = this.#victims.keys();
    if (oldest !== undefined) this.#victims.delete(oldest);
  }

  has(tid: number): boolean {
    return this.#victims.has(tid);
  }

  /** The same line again, by the kernel's own stamp or a wall clock of microseconds. */
  isRepeated(tid: number, uptimeSeconds: number | null, wallMicroseconds: number | null): boolean {
    const victim = this.#victims.get(tid);
    if (victim === undefined) return false;
    if (uptimeSeconds !== null) return victim.uptimeSeconds === uptimeSeconds;
    const precise = wallMicroseconds !== null && wallMicroseconds % 1_000_000 !== 0;
    return precise && victim.wallMicroseconds === wallMicroseconds;
  }
}
