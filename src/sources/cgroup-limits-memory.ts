import type { Clock } from "../host/host.ts";
import type { CgroupLimit } from "./cgroup-limits.ts";

/** Cgroups whose limits were told; the oldest is forgotten first. */
const MAX_REMEMBERED = 500;

/** A storm in one cgroup asks for its limits at each kill; they seldom change. */
const AGAIN_MICROSECONDS = 500_000;

interface Told {
  readonly chain: string;
  readonly readMicroseconds: number;
}

/** Keeps limits from being read and told over and over. */
export class LimitsMemory {
  readonly #clock: Clock;
  readonly #told = new Map<string, Told>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isDue(path: string): boolean {
    const told = this.#told.get(path);
    if (told === undefined) return true;
    return this.#clock.monotonicMicroseconds() - told.readMicroseconds > AGAIN_MICROSECONDS;
  }

  /** Whether `chain` is news. */
  remember(path: string, chain: readonly CgroupLimit[]): boolean {
    const before = this.#told.get(path);
    const now = {
      chain: JSON.stringify(chain),
      readMicroseconds: this.#clock.monotonicMicroseconds(),
    };
    this.#told.delete(path);
    this.#told.set(path, now);
    const oldest = this.#told.keys().next();
    if (this.#told.size > MAX_REMEMBERED && oldest.done !== true) this.#told.delete(oldest.value);
    return before?.chain !== now.chain;
  }
}
