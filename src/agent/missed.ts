import type { Kill } from "../ledger/ledger.ts";
import { KERNEL_SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { SourceRecord } from "../model/record.ts";

/** Evidence that has not come by then does not come: the log follows within milliseconds, counters are read every second. */
const JUDGED_AFTER_MICROSECONDS = 5_000_000;
/** One look in that time is enough: what it finds is no news of a kill. */
const LOOK_EVERY_MICROSECONDS = 250_000;
/**
 * So many kills in a row, and none seen since: one or two are missed without a fault (the log was overrun, a ring was
 * emptied, the source was just being opened again), and a third at the same time hardly.
 */
const BLIND_AFTER_KILLS = 3;
/** Kills that wait to be judged; beyond it new ones are passed over. */
const WAITING_LIMIT = 10_000;

const EVENT_SOURCES: readonly SourceName[] = ["kernel-log", "tracefs", "probe"];
const COUNTERS: readonly SourceName[] = ["cgroup", "vmstat"];

/** What one look has to say of a source. */
export interface Verdict {
  readonly source: SourceName;
  /** Kills it missed since the last look. */
  readonly missed: number;
  /** Why it is called blind; `null` when it is not. */
  readonly blind: string | null;
}

export interface MissedHooks {
  kill(id: string): Kill | undefined;
  /** Whether a kill in this cgroup shows in what the counters' source reads: the cgroup is still there. */
  isReadable(cgroup: NonNullable<Kill["cgroup"]>): boolean;
}

interface Waiting {
  readonly id: string;
  readonly judgedAt: number;
  /** Sources that watched when the kill happened and have not been found among its witnesses. */
  readonly pending: Set<SourceName>;
}

interface Watch {
  /** Since when it is up (µs, monotonic); `null` while it is not. */
  upSince: number | null;
  /** When the newest kill happened that it saw. */
  sawUntil: number;
  /** Kills in a row that it missed, after that. */
  inARow: number;
  blind: string | null;
}

/**
 * Holds each source of the kernel against the others: what it missed though it was watching, and whether it sees at all. A
 * source is judged by kills that a counter of the kernel has, so that nobody can call it blind by forging a kill.
 */
export class Missed {
  readonly #hooks: MissedHooks;
  readonly #watches = new Map<SourceName, Watch>();
  #waiting: Waiting[] = [];
  #lookedAt = 0;

  constructor(hooks: MissedHooks) {
    this.#hooks = hooks;
    for (const name of KERNEL_SOURCE_NAMES) {
      this.#watches.set(name, { upSince: null, sawUntil: 0, inARow: 0, blind: null });
    }
  }

  /** A source changed its state; it is now `now` (µs, monotonic). */
  sourceChanged({ source, state }: SourceRecord, now: number): void {
    const watch = this.#watches.get(source);
    if (watch === undefined) return;
    const watching = state === "up" || state === "blind";
    if (watching) watch.upSince ??= now;
    else Object.assign(watch, { upSince: null, inARow: 0, blind: null });
  }

  /** A record of a kill was opened. */
  opened(id: string, now: number): void {
    const kill = this.#hooks.kill(id);
    if (kill === undefined || kill.recovered || !kill.counted) return;
    const { monotonicMicroseconds, uncertaintyMicroseconds } = kill.at;
    const since = kill.window?.from ?? monotonicMicroseconds - uncertaintyMicroseconds;
    const pending = new Set<SourceName>();
    for (const [name, { upSince }] of this.#watches) {
      if (upSince !== null && upSince < since) pending.add(name);
    }
    if (pending.size === 0 || this.#waiting.length >= WAITING_LIMIT) return;
    this.#waiting.push({ id, judgedAt: now + JUDGED_AFTER_MICROSECONDS, pending });
  }

  /** What is new to say at `now`. */
  look(now: number): readonly Verdict[] {
    if (this.#waiting.length === 0 || now - this.#lookedAt < LOOK_EVERY_MICROSECONDS) return [];
    this.#lookedAt = now;
    const before = new Map([...this.#watches].map(([name, { blind }]) => [name, blind]));
    const missed = new Map<SourceName, number>();
    for (const waiting of this.#waiting) this.#see(waiting);
    for (const waiting of this.#waiting) {
      if (waiting.judgedAt > now) break;
      for (const source of this.#judge(waiting)) {
        missed.set(source, (missed.get(source) ?? 0) + 1);
      }
    }
    this.#waiting = this.#waiting.filter(
      ({ judgedAt, pending }) => judgedAt > now && pending.size > 0,
    );
    return [...this.#watches].flatMap(([source, { blind }]) => {
      const count = missed.get(source) ?? 0;
      return count === 0 && blind === before.get(source) ? [] : [{ source, missed: count, blind }];
    });
  }

  /** Sources that have it among its witnesses by now see. */
  #see({ id, pending }: Waiting): void {
    const kill = this.#hooks.kill(id);
    if (kill === undefined) return;
    for (const source of pending) {
      if (!kill.witnesses.includes(source) || !isConfirmed(kill, source)) continue;
      pending.delete(source);
      const watch = this.#watches.get(source);
      if (watch === undefined) continue;
      watch.sawUntil = Math.max(watch.sawUntil, kill.at.monotonicMicroseconds);
      watch.inARow = 0;
      watch.blind = null;
    }
  }

  /** Sources that missed it. */
  #judge({ id, pending }: Waiting): readonly SourceName[] {
    const kill = this.#hooks.kill(id);
    if (kill === undefined || !kill.counted) return [];
    const missed = [...pending].filter(
      (source) => this.#couldSee(source, kill) && isConfirmed(kill, source),
    );
    for (const source of missed) this.#miss(source, kill);
    return missed;
  }

  #couldSee(source: SourceName, kill: Kill): boolean {
    if (source !== "cgroup") return true;
    return kill.cgroup !== null && this.#hooks.isReadable(kill.cgroup);
  }

  #miss(source: SourceName, kill: Kill): void {
    const watch = this.#watches.get(source);
    if (watch === undefined || watch.upSince === null) return;
    if (kill.at.monotonicMicroseconds <= watch.sawUntil) return;
    watch.inARow++;
    if (watch.inARow < BLIND_AFTER_KILLS) return;
    watch.blind ??= blindReason(kill.witnesses);
  }
}

/** Another source proves that it was a kill: a counter, or for a counter also two that saw the victim. */
function isConfirmed({ witnesses }: Kill, judged: SourceName): boolean {
  const others = witnesses.filter((name) => name !== judged);
  if (others.some((name) => COUNTERS.includes(name))) return true;
  const saw = others.filter((name) => EVENT_SOURCES.includes(name));
  return COUNTERS.includes(judged) && saw.includes("kernel-log") && saw.length >= 2;
}

function blindReason(witnesses: readonly SourceName[]): string {
  const seers = witnesses.join(", ");
  return (
    `saw none of the last ${BLIND_AFTER_KILLS} kills that others (${seers}) saw: ` +
    "it is up again with the next kill it sees; 'oomwitness selftest' makes one."
  );
}
