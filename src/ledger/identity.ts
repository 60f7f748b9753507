import type { CgroupStamp, KillObservation } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  commsAgree,
  isDuplicate,
  isExact,
  isSameProcess,
  type Kill,
  LATE_CLOCK_MICROSECONDS,
} from "./kill.ts";

/** Two events of one trace, or a trace and a counter, stamp the same kill within this. */
export const SLACK_MICROSECONDS = 100_000;

/** Lines of one group kill follow each other within this, also on a slow console. No pid comes again so soon. */
const AGAIN_MICROSECONDS = 1_000_000;

/**
 * Two sources that name the same thread within this mean the same kill, whatever their clocks claim: the log's was seen to
 * be wrong by 5 s beyond what it said. A pid comes again when 32,768 others were used; where it does, and each source
 * missed one of the two kills, the node's counter has one more than there are records, and that gets a record, too.
 */
const SAME_THREAD_MICROSECONDS = 10_000_000;

const SOURCES = ["kernel-log", "tracefs", "probe"] as const;

/** One bucket of an id: 2^30 µs ≈ 18 min. Long against the sources' disagreement, short against pid reuse. */
const BUCKET_MICROSECONDS = 2 ** 30;

/**
 * The id of a kill whose victim is known: boot, thread id, and a coarse kernel time that every source agrees on. It uses
 * evidence only, so a replay, a restart and a second program on the same machine give the same id.
 */
export function killId(bootId: string, tid: number, monotonicMicroseconds: number): string {
  const bucket = Math.max(0, Math.floor(monotonicMicroseconds / BUCKET_MICROSECONDS));
  return `${bootId.slice(0, 8)}-${tid}-${bucket.toString(36)}`;
}

/** The id of a kill that only a counter saw: the value the counter reached with it. */
export function unknownKillId(bootId: string, book: string, count: number): string {
  return `${bootId.slice(0, 8)}-${book}${count}`;
}

/**
 * The ledger's memory of recent kills, by every name that evidence may use for them. Bounded by `forget`.
 */
export class KillIndex {
  readonly #byEvidence = new Map<string, Kill>();
  readonly #byTid = new Map<number, Kill[]>();
  readonly #byId = new Map<string, Kill>();
  /** Victims nobody saw, waiting for late evidence. */
  readonly #unknown = new Set<Kill>();

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<Kill> {
    return this.#byId.values();
  }

  /** Kills that only a counter saw, so far. */
  unknown(): readonly Kill[] {
    return [...this.#unknown];
  }

  byId(id: string): Kill | undefined {
    return this.#byId.get(id);
  }

  byEvidence(source: string, sequence: string): Kill | undefined {
    return this.#byEvidence.get(`${source}:${sequence}`);
  }

  /** `id`, or `id.2`, `id.3` … when another kill already has it (pid reuse within one bucket). */
  freeId(id: string): string {
    if (!this.#byId.has(id)) return id;
    let ordinal = 2;
    while (this.#byId.has(`${id}.${ordinal}`)) ordinal++;
    return `${id}.${ordinal}`;
  }

  /** Makes every name of `kill` known; call again after its evidence or victim grew. */
  add(kill: Kill): void {
    this.#byId.set(kill.id, kill);
    for (const [source, sequence] of Object.entries(kill.evidence)) {
      this.#byEvidence.set(`${source}:${sequence}`, kill);
    }
    if (isDuplicate(kill)) {
      this.#forgetVictim(kill);
      return;
    }
    if (kill.victim === null) {
      this.#unknown.add(kill);
      return;
    }
    this.#unknown.delete(kill);
    const same = this.#byTid.get(kill.victim.tid);
    if (same === undefined) this.#byTid.set(kill.victim.tid, [kill]);
    else if (!same.includes(kill)) same.push(kill);
  }

  /** Whether every name of `kill` leads to it. */
  holds(kill: Kill): boolean {
    if (this.#byId.get(kill.id) !== kill) return false;
    for (const source of SOURCES) {
      const sequence = kill.evidence[source];
      if (sequence !== undefined && this.#byEvidence.get(`${source}:${sequence}`) !== kill)
        return false;
    }
    if (isDuplicate(kill)) return !this.#unknown.has(kill);
    if (kill.victim === null) return this.#unknown.has(kill);
    return this.#byTid.get(kill.victim.tid)?.includes(kill) === true;
  }

  forget(kill: Kill): void {
    this.#byId.delete(kill.id);
    for (const [source, sequence] of Object.entries(kill.evidence)) {
      const name = `${source}:${sequence}`;
      if (this.#byEvidence.get(name) === kill) this.#byEvidence.delete(name);
    }
    this.#forgetVictim(kill);
  }

  #forgetVictim(kill: Kill): void {
    this.#unknown.delete(kill);
    if (kill.victim === null) return;
    const rest = this.#byTid.get(kill.victim.tid)?.filter((other) => other !== kill) ?? [];
    if (rest.length === 0) this.#byTid.delete(kill.victim.tid);
    else this.#byTid.set(kill.victim.tid, rest);
  }

  /** The kill that `observation` speaks of, or undefined when it is news. */
  find(observation: KillObservation): Kill | undefined {
    return (
      this.byEvidence(observation.source, observation.sequence) ??
      this.#firstOf(observation) ??
      this.#nearest(
        observation,
        (kill) => observation.repeat || kill.evidence[observation.source] === undefined,
      )
    );
  }

  /** The first entry of what is said to be a second one: a group kill of many takes its time. */
  #firstOf({ source, incident, repeat, victim }: KillObservation): Kill | undefined {
    const first = repeat ? this.byEvidence(source, incident) : undefined;
    return first?.victim?.tid === victim.tid ? first : undefined;
  }

  /**
   * The kill that this evidence repeats without saying so: the same source named its victim a moment ago, and between the
   * two lines the log has a gap. Only the first victim of a group kill is killed twice.
   */
  findAgain(observation: KillObservation): Kill | undefined {
    const { source, sequence } = observation;
    return this.#nearest(observation, (kill) => {
      const own = kill.evidence[source];
      const unsure = kill.at.uncertaintyMicroseconds + observation.at.uncertaintyMicroseconds;
      // Of a kill that must come twice it is the second, also where the log's clock was found anew between the two.
      const due = kill.groupFirst && !kill.skipped;
      const within = due ? SAME_THREAD_MICROSECONDS : AGAIN_MICROSECONDS + unsure;
      return own !== undefined && own !== sequence && distance(kill, observation) <= within;
    });
  }

  /**
   * The kills that only a counter saw and that this evidence may explain, the best first. All, whatever they say of time
   * and place, when it `must` be one of them: those of its place before others.
   */
  findUnknown(observation: KillObservation, must: boolean): readonly Kill[] {
    if (!observation.counted || this.#unknown.size === 0) return [];
    const fits = [...this.#unknown].filter((kill) => must || mayExplain(observation, kill));
    const elsewhere = (kill: Kill) => (mayLieIn(observation.cgroup, kill.cgroup) ? 0 : 1);
    return fits.sort(
      (one, two) => elsewhere(one) - elsewhere(two) || compareFit(one, two, observation.at),
    );
  }

  /**
   * The kill that only a counter saw and that the log's evidence of this thread was put to, though it was known before the
   * thread was killed, as an exact clock says now.
   */
  findMistaken(observation: KillObservation): Kill | undefined {
    if (observation.repeat || !isExact(observation.at)) return undefined;
    const isMistaken = (kill: Kill) =>
      kill.window !== null &&
      !isDuplicate(kill) &&
      kill.evidence.tracefs === undefined &&
      kill.evidence.probe === undefined &&
      isSameProcess(kill.victim, observation.victim) &&
      wasKnownBefore(kill, observation.at) &&
      distance(kill, observation) <= SAME_THREAD_MICROSECONDS;
    return this.#byTid.get(observation.victim.tid)?.find(isMistaken);
  }

  #nearest(observation: KillObservation, fits: (kill: Kill) => boolean): Kill | undefined {
    let best: Kill | undefined;
    let bestDistance = Number.POSITIVE_INFINITY;
    for (const kill of this.#byTid.get(observation.victim.tid) ?? []) {
      const between = distance(kill, observation);
      if (between >= bestDistance || !fits(kill) || !mayBeSame(kill, observation, between))
        continue;
      best = kill;
      bestDistance = between;
    }
    return best;
  }
}

/** How far apart the two are, by the source's own clock where it told of both. */
function distance({ at, times }: Kill, observation: KillObservation): number {
  const { monotonicMicroseconds } = observation.at;
  const own = times?.[observation.source] ?? at.monotonicMicroseconds;
  return Math.min(
    Math.abs(at.monotonicMicroseconds - monotonicMicroseconds),
    Math.abs(own - monotonicMicroseconds),
  );
}

/** Whether a kill of this thread may be the one that `observation` tells of, `between` µs away. */
function mayBeSame(kill: Kill, observation: KillObservation, between: number): boolean {
  const { victim } = kill;
  if (victim === null || !commsAgree(victim.comm, observation.victim.comm)) return false;
  const near = between <= tolerance(kill, observation);
  // Two exact clocks decide alone: the record may have been made for another kill that only a counter had.
  if (isExact(kill.at) && isExact(observation.at)) return near;
  if (wasKnownBefore(kill, observation.at)) return false;
  if (near) return true;
  return between <= SAME_THREAD_MICROSECONDS && isSameProcess(victim, observation.victim);
}

/** Nobody knows of a kill before it happens: what an exact clock puts after it was known is another one. */
function wasKnownBefore({ openedAt }: Kill, at: Instant): boolean {
  const earliest = at.monotonicMicroseconds - at.uncertaintyMicroseconds - SLACK_MICROSECONDS;
  return isExact(at) && earliest > openedAt;
}

/** Whether the evidence lies in the time and below the cgroup in which a counter saw the kill. */
function mayExplain(observation: KillObservation, { window, cgroup }: Kill): boolean {
  if (window === null) return false;
  const { monotonicMicroseconds: at, uncertaintyMicroseconds } = observation.at;
  const slack = uncertaintyMicroseconds + slackOf(observation.source);
  if (at < window.from - slack || at > window.to + slack) return false;
  return mayLieIn(observation.cgroup, cgroup);
}

/** Whether a kill in `place` may be one that was counted in `counted`; `null` is anywhere. */
export function mayLieIn(place: CgroupStamp | null, counted: CgroupStamp | null): boolean {
  if (place === null || counted === null) return true;
  if (counted.basis === "local-counter") return place.path === counted.path;
  return isWithin(place.path, counted.path);
}

/** The nearer in time; of those it fits, the one that fewer kills still to come will fit, being over the soonest. */
function compareFit(one: Kill, two: Kill, at: Instant): number {
  const nearer = distanceTo(one, at) - distanceTo(two, at);
  return nearer !== 0 ? nearer : (one.window?.to ?? 0) - (two.window?.to ?? 0);
}

/** How far the kill, or where a counter saw it, is from `at`, µs. */
export function distanceTo(kill: Kill, { monotonicMicroseconds: at }: Instant): number {
  const { window } = kill;
  if (window === null) return Math.abs(kill.at.monotonicMicroseconds - at);
  return Math.max(0, window.from - at, at - window.to);
}

function tolerance(kill: Kill, observation: KillObservation): number {
  const exact = kill.evidence.tracefs !== undefined || kill.evidence.probe !== undefined;
  const slack = Math.max(
    slackOf(observation.source),
    exact ? 0 : LATE_CLOCK_MICROSECONDS,
    observation.repeat ? AGAIN_MICROSECONDS : 0,
  );
  return kill.at.uncertaintyMicroseconds + observation.at.uncertaintyMicroseconds + slack;
}

function slackOf(source: KillObservation["source"]): number {
  return source === "kernel-log" ? LATE_CLOCK_MICROSECONDS : SLACK_MICROSECONDS;
}

/** Whether cgroup `path` is `ancestor` or below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === "/" || path === ancestor || path.startsWith(`${ancestor}/`);
}
