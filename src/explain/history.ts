import { daysSince1970 } from "../std/calendar.ts";

/** What happened before: told by whoever keeps records, and used by the rules about patterns. */

/** An earlier kill in the same place. */
export interface PastKill {
  /** How long before the kill that is explained, in seconds; `null` when the two cannot be compared. */
  readonly secondsBefore: number | null;
  readonly comm: string | null;
  readonly pid: number | null;
  /** It was in the very same cgroup (same container id): the container had not been replaced since. */
  readonly sameCgroup: boolean;
  /** Was it the container's main process? */
  readonly main: boolean | null;
  /** Processes of the table then, by `pid/comm`: who is in both tables lived through both kills. */
  readonly tasks: ReadonlySet<string>;
}

export interface History {
  /** Earlier kills of the same container, unit or cgroup, oldest first. */
  readonly kills: readonly PastKill[];
  /** Still earlier ones, of which nothing else is known any more. */
  readonly forgotten: number;
  /** How long before this kill somebody began to watch, in seconds; `null` when that is not known. */
  readonly watchedSeconds: number | null;
}

/** From so many kills on it is a loop. */
export const LOOP = 3;

/** Nothing is known of before. */
export const NO_HISTORY: History = { kills: [], forgotten: 0, watchedSeconds: null };

/** A kill as `KillMemory` keeps it. */
export interface KillFact {
  /** What stays the same when a container is replaced: `shop/cart-0/api`, a unit, a cgroup path without its container id. */
  readonly place: string;
  readonly cgroup: string | null;
  readonly comm: string | null;
  readonly pid: number | null;
  readonly main: boolean | null;
  /** Seconds on a clock that is the same for all facts: of the day, or since boot. */
  readonly seconds: number | null;
  readonly tasks: ReadonlySet<string>;
}

const PLACES = 1024;
const KILLS_PER_PLACE = 200;
/** Kills of all places, and processes of their tables: about 8 MB. */
const LARGEST_WEIGHT = 60_000;
/** Lines of one moment may stand in any order. */
const CLOCK_SLACK_SECONDS = 5;
/** Tables of more processes than this are not compared. */
const TASKS_KEPT = 200;

interface Shelf {
  readonly weight: number;
  readonly facts: readonly KillFact[];
  readonly forgotten: number;
}
const EMPTY: Shelf = { weight: 0, facts: [], forgotten: 0 };

/** Remembers the last kills of the places that had kills last; bounded. */
export class KillMemory {
  readonly #places = new Map<string, Shelf>();
  readonly #since: number | null;
  #weight = 0;

  /** `sinceSeconds`: since when kills are told to it, on the clock of the facts; `null` when unknown. */
  constructor(sinceSeconds: number | null) {
    this.#since = sinceSeconds;
  }

  /** What was before `fact`; then remembers it. */
  tell(fact: KillFact): History {
    const { facts: before, forgotten, weight: weighed } = this.#places.get(fact.place) ?? EMPTY;
    this.#places.delete(fact.place);
    this.#weight -= weighed;
    const kept = fact.tasks.size > TASKS_KEPT ? { ...fact, tasks: new Set<string>() } : fact;
    const facts = [...before, kept].slice(-KILLS_PER_PLACE);
    const left = forgotten + before.length + 1 - facts.length;
    const weight = weightOf(facts);
    this.#weight += weight;
    this.#places.set(fact.place, { weight, facts, forgotten: left });
    this.#forget();
    const watched = this.#since === null ? null : difference(fact.seconds, this.#since);
    const kills = before.map((past) => pastKill(past, fact));
    return { kills, forgotten, watchedSeconds: watched };
  }

  #forget(): void {
    for (const [place, { weight }] of this.#places) {
      const fits = this.#places.size <= PLACES && this.#weight <= LARGEST_WEIGHT;
      if (fits || this.#places.size === 1) return;
      this.#places.delete(place);
      this.#weight -= weight;
    }
  }
}

/** What a place costs, in kills and processes of their tables. */
function weightOf(facts: readonly KillFact[]): number {
  return facts.reduce((sum, { tasks }) => sum + 4 + tasks.size, 0);
}

function pastKill(past: KillFact, now: KillFact): PastKill {
  return {
    secondsBefore: difference(now.seconds, past.seconds),
    comm: past.comm,
    pid: past.pid,
    sameCgroup: past.cgroup !== null && past.cgroup === now.cgroup,
    main: past.main,
    tasks: past.tasks,
  };
}

function difference(later: number | null, earlier: number | null): number | null {
  if (later === null || earlier === null) return null;
  const seconds = later - earlier;
  // A clock that went back is another boot's: nothing can be said of the time between.
  return seconds < -CLOCK_SLACK_SECONDS ? null : Math.max(0, seconds);
}

/** Where a kill was, so that a container of a pod that was replaced is still the same place. */
export function placeKey(cgroup: string | null, comm: string | null): string {
  if (cgroup === null) return `?${comm ?? ""}`;
  const parts = cgroup.split("/");
  const container = parts.findLastIndex(
    (part, index) => /[0-9a-f]{64}/.test(part) && parts[index - 1]?.includes("pod") === true,
  );
  return container === -1 ? cgroup : [...parts.slice(0, container), "*"].join("/");
}

/** Seconds since 1970 of `2026-11-20T23:10:05.123456Z`; `null` for anything else. */
export function secondsOf(at: string | null): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2}(?:\.\d{1,9})?)Z$/.exec(at ?? "");
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  return daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
}
