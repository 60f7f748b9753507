import { explainRecord } from "../explain/explain.ts";
import { type History, KillMemory, placeKey, secondsOf } from "../explain/history.ts";
import type { KillRecord } from "../model/record.ts";
import type { OomReport, ReportKill, ReportObservation } from "../model/report.ts";
import { SECOND } from "../model/time.ts";
import type { KillStory, Sink, StreamRecord } from "../sinks/sink.ts";

/** Evidence of a kill has come in by then: explained sooner, it would be explained twice. */
const QUIET_MICROSECONDS = 300_000;
/** The log's report comes when the log has fallen silent, after 1.2 s at the latest. Then what the record knows is explained. */
const PATIENCE_MICROSECONDS = 2_000_000;
/** A stamp of the log that cannot be compared is good to 5 s (facts 1.6); a pid is not given again so soon. */
const SAME_KILL_SECONDS = 15;
/** Reports and kills are kept so long for each other. */
const KEPT_MICROSECONDS = 60_000_000;
const KEPT_REPORTS = 512;
/** Rows of their tables, about 200 bytes each. */
const KEPT_ROWS = 20_000;
const KEPT_CASES = 2_000;
/** How often to look what is due: the loop turns far more often in a storm. */
const LOOK_MICROSECONDS = 100_000;
/** Explanations made in one turn of the loop, each in 0.3 ms. */
const TURN = 20;
/** The same while kills come: what reads /proc of the dying must not wait. */
const BUSY_TURN = 2;
/** Tables of earlier kills that are compared with a new one's. */
const KEPT_TABLES = 1_000;

interface Held {
  readonly report: OomReport;
  readonly at: number;
  /** The rate limit left nothing but the line of the kill: it explains no more than the record. */
  readonly bare: boolean;
}

interface Case {
  record: KillRecord;
  readonly openedAt: number;
  changedAt: number;
  /** What was before it, asked once. */
  history: History | null;
  /** As it was told last. */
  told: string | null;
  hadReport: boolean;
}

/**
 * Why each live kill happened: brings the log's reports and the ledger's records together, whichever came first, and
 * explains each kill once when its evidence is quiet, and again when an amendment changes the story. Bounded in all.
 */
export class Reports {
  readonly #memory: KillMemory;
  /** Oldest first. */
  readonly #reports: Held[] = [];
  /** By the ids of their victims. */
  readonly #byId = new Map<number, Held[]>();
  #rows = 0;
  #nextLook = 0;
  #lastKillAt = Number.NEGATIVE_INFINITY;
  /** By record id; the longest unchanged first. */
  readonly #cases = new Map<string, Case>();
  readonly #due = new Set<Case>();
  /** Explained from the record alone; a report that comes late changes that. */
  readonly #without = new Set<Case>();
  /** What was before a run of the OOM killer: its victims are not each other's past. */
  readonly #incidents = new Map<string, History>();
  readonly #tables: Set<string>[] = [];

  /** `startedAt`: since when kills are told to it, wall µs. */
  constructor(startedAt: number) {
    this.#memory = new KillMemory(startedAt / SECOND);
  }

  /** A kill waits for its explanation: `due` must be asked again. */
  get pending(): boolean {
    return this.#due.size > 0;
  }

  /** A report of the log; `now` is CLOCK_MONOTONIC in µs, here and below. */
  observe({ report }: ReportObservation, now: number): void {
    if (report.kills.length === 0) return;
    const bare = report.trigger === null && report.memory === null && report.tasks.length === 0;
    this.#keep({ report, at: now, bare });
    this.#forget(now);
    if (bare) return;
    for (const one of this.#without) if (killOf(report, one.record) !== null) this.#due.add(one);
  }

  /** Records in the order in which they are told; those of kills are explained. */
  told(records: readonly StreamRecord[], now: number): void {
    for (const { record } of records) if (record.type === "kill") this.#kill(record, now);
  }

  /** Explanations that are new or have changed; with `all`, also of kills whose evidence may still grow. */
  due(now: number, all = false): readonly KillStory[] {
    if (this.#due.size === 0 || (!all && now < this.#nextLook)) return NONE;
    const stories: KillStory[] = [];
    const busy = now - this.#lastKillAt < QUIET_MICROSECONDS;
    let turn = all ? KEPT_CASES : busy ? BUSY_TURN : TURN;
    this.#nextLook = now + LOOK_MICROSECONDS;
    for (const one of this.#due) {
      if (turn === 0) {
        if (!busy) this.#nextLook = now;
        break;
      }
      if (!all && now - one.changedAt < QUIET_MICROSECONDS) continue;
      const held = this.#reportOf(one.record);
      if (!all && !isRipe(one, held, now)) continue;
      turn -= 1;
      this.#due.delete(one);
      const story = this.#story(one, held?.bare === false ? held.report : null);
      if (story !== null) stories.push(story);
    }
    return stories;
  }

  /** Tells the sinks what is due. */
  explain(sinks: readonly Sink[], now: number, all: boolean): void {
    const stories = this.due(now, all);
    if (stories.length > 0) for (const sink of sinks) sink.explain?.(stories);
  }

  #kill(record: KillRecord, now: number): void {
    const known = this.#cases.get(record.id);
    if (known === undefined) this.#lastKillAt = now;
    const one: Case = known ?? {
      record,
      openedAt: now,
      changedAt: now,
      history: null,
      told: null,
      hadReport: false,
    };
    one.record = record;
    one.changedAt = now;
    this.#cases.delete(record.id);
    this.#cases.set(record.id, one);
    this.#due.add(one);
    this.#forget(now);
  }

  #story(one: Case, report: OomReport | null): KillStory | null {
    // Its report is forgotten: a story without it would tell less.
    if (one.hadReport && report === null) return null;
    one.hadReport ||= report !== null;
    if (one.hadReport) this.#without.delete(one);
    else this.#without.add(one);
    one.history ??= this.#historyOf(one.record, report);
    const explanation = explainRecord(one.record, report, one.history);
    const told = JSON.stringify(explanation);
    if (told === one.told) return null;
    one.told = told;
    return { record: one.record, explanation };
  }

  #historyOf(record: KillRecord, report: OomReport | null): History {
    const known = this.#incidents.get(record.incident.id);
    if (known !== undefined) return known;
    const history = this.#memory.tell({
      place: placeOf(record),
      cgroup: record.cgroup.path,
      comm: record.victim.comm,
      pid: record.victim.pid,
      main: record.victim.main,
      seconds: secondsOf(record.at),
      tasks: this.#table(report),
    });
    this.#incidents.set(record.incident.id, history);
    if (this.#incidents.size > KEPT_CASES) dropFirst(this.#incidents);
    return history;
  }

  /** The memory of earlier kills holds the same set: emptied here, it is forgotten there. */
  #table(report: OomReport | null): ReadonlySet<string> {
    const tasks = new Set(report?.tasks.map(({ pid, comm }) => `${pid}/${comm}`));
    this.#tables.push(tasks);
    if (this.#tables.length > KEPT_TABLES) this.#tables.shift()?.clear();
    return tasks;
  }

  /** The nearest in time: a pid may be given again within the minute. */
  #reportOf(record: KillRecord): Held | null {
    let best: Held | null = null;
    let distance = Number.POSITIVE_INFINITY;
    const { tid, pid } = record.victim;
    for (const held of this.#byId.get(tid ?? pid ?? 0) ?? []) {
      const kill = killOf(held.report, record);
      if (kill === null) continue;
      const seconds = distanceOf(kill, record);
      if (seconds > distance) continue;
      best = held;
      distance = seconds;
    }
    return best;
  }

  #keep(held: Held): void {
    this.#reports.push(held);
    this.#rows += held.report.tasks.length;
    for (const id of victimIds(held)) {
      this.#byId.set(id, [...(this.#byId.get(id) ?? []), held]);
    }
  }

  /** The first one. */
  #drop(held: Held): void {
    this.#reports.shift();
    this.#rows -= held.report.tasks.length;
    for (const id of victimIds(held)) {
      const others = this.#byId.get(id)?.filter((other) => other !== held) ?? [];
      if (others.length === 0) this.#byId.delete(id);
      else this.#byId.set(id, others);
    }
  }

  #forget(now: number): void {
    const isOver = ({ at }: Held) =>
      this.#reports.length > KEPT_REPORTS || this.#rows > KEPT_ROWS || now - at > KEPT_MICROSECONDS;
    for (let first = this.#reports[0]; first !== undefined && isOver(first); ) {
      this.#drop(first);
      first = this.#reports[0];
    }
    this.#forgetCases(now);
  }

  #forgetCases(now: number): void {
    for (const one of this.#cases.values()) {
      const over = now - one.changedAt > KEPT_MICROSECONDS && !this.#due.has(one);
      if (!over && this.#cases.size <= KEPT_CASES) break;
      this.#cases.delete(one.record.id);
      this.#due.delete(one);
      this.#without.delete(one);
    }
  }
}

const NONE: readonly KillStory[] = [];

function victimIds({ report }: Held): ReadonlySet<number> {
  const ids = report.kills.flatMap(({ victim }) => [victim.tid, victim.pid]);
  return new Set(ids.filter((id) => id !== null));
}

/** Nothing more is to be waited for. */
function isRipe(one: Case, held: Held | null, now: number): boolean {
  return held !== null || one.hadReport || now - one.openedAt >= PATIENCE_MICROSECONDS;
}

/** The kill of the report that the record is about; `null` when it is about another one. */
function killOf(report: OomReport, record: KillRecord): ReportKill | null {
  const { tid, pid, comm } = record.victim;
  const found = report.kills.find(({ victim }) => {
    const same = tid === null ? pid !== null && victim.pid === pid : victim.tid === tid;
    return same && (comm === null || victim.comm === null || victim.comm === comm);
  });
  return found !== undefined && distanceOf(found, record) <= SAME_KILL_SECONDS ? found : null;
}

function distanceOf(kill: ReportKill, record: KillRecord): number {
  const seconds = [secondsOf(kill.at), secondsOf(record.at)];
  const [told = null, recorded = null] = seconds;
  return told === null || recorded === null ? 0 : Math.abs(told - recorded);
}

/** What stays the same when a container is replaced. */
function placeOf({ limit, pod, container, unit, cgroup, victim }: KillRecord): string {
  if (limit.constraint === "none") return "/";
  const podName = pod?.name ?? pod?.uid ?? null;
  if (podName !== null)
    return `pod ${pod?.namespace ?? ""}/${pod?.owner?.name ?? podName}/${pod?.container ?? ""}`;
  if (container?.name != null) return `container ${container.name}`;
  return unit === null ? placeKey(cgroup.path, victim.comm) : `unit ${unit}`;
}

function dropFirst(map: Map<string, unknown>): void {
  const first = map.keys().next();
  if (first.done !== true) map.delete(first.value);
}
