/** Everything that is known about one kill, gathered once, so that a rule asks for nothing and looks nothing up. */
import type { Constraint } from "../model/observation.ts";
import type { KillRecord, LimitScope, Outcome } from "../model/record.ts";
import type { OomReport, ReportKill, TaskRow } from "../model/report.ts";
import { type Anatomy, anatomyOf } from "./anatomy.ts";
import { type Ranking, rank, victimRow } from "./badness.ts";
import type { History } from "./history.ts";
import { isBelow, type Place, placeOf } from "./place.ts";
import { clean, processText } from "./words.ts";

/** The victim with what any of table, kill line and record say of it. */
export interface StoryVictim {
  readonly pid: number | null;
  readonly tid: number | null;
  readonly comm: string | null;
  readonly oomScoreAdj: number | null;
  readonly anonBytes: number | null;
  readonly fileBytes: number | null;
  readonly shmemBytes: number | null;
  readonly rssBytes: number | null;
  readonly totalVmBytes: number | null;
  readonly main: boolean | null;
  /** `tool[142]`. */
  readonly words: string;
}

/** What a rule may know of a record: a kill read from a text has no machine and perhaps no time. */
export type RecordFacts = Omit<KillRecord, "at" | "node" | "bootId">;

export interface Story {
  /** `null`: the log names nobody (rate limit), only the record does. */
  readonly report: OomReport | null;
  readonly kill: ReportKill | null;
  /** `null`: read from a text. */
  readonly record: RecordFacts | null;
  readonly history: History;
  readonly outcome: Outcome;
  readonly victim: StoryVictim | null;
  /** The victim's row of the table. */
  readonly row: TaskRow | null;
  readonly tasks: readonly TaskRow[];
  readonly ranking: Ranking | null;
  readonly constraint: Constraint;
  readonly scope: LimitScope;
  /** The cgroup whose limit was hit, and that of the victim. */
  readonly limitPath: string | null;
  /** The text says whose limit it was; else it is concluded from the path of the victim or of the statistics. */
  readonly limitSure: boolean;
  readonly victimPath: string | null;
  readonly limitPlace: Place | null;
  readonly victimPlace: Place | null;
  /** Whose limit it was: `container api of pod shop/cart-0`, `service x.service`. */
  readonly limitWords: string;
  readonly victimWords: string;
  readonly limitBytes: number | null;
  readonly usageBytes: number | null;
  readonly anatomy: Anatomy | null;
  readonly trigger: { readonly pid: number | null; readonly comm: string | null } | null;
  /** Somebody pressed sysrq-f. */
  readonly sysrq: boolean;
  /** Processes killed in this run of the OOM killer, as far as the text tells. */
  readonly group: boolean;
}

/** The story of a kill read from a text; `kill` is `null` for a report without a victim. */
export function storyOfReport(report: OomReport, kill: ReportKill | null, history: History): Story {
  return tell(report, kill, null, history);
}

/** The story of a live kill; `report` is `null` when the kernel did not print one. */
export function storyOfRecord(
  record: RecordFacts,
  report: OomReport | null,
  history: History,
): Story {
  const kill = report?.kills.find((one) => isSame(one, record)) ?? null;
  return tell(report, kill, record, history);
}

function isSame(kill: ReportKill, record: RecordFacts): boolean {
  const ids = [record.victim.tid, record.victim.pid].filter((id) => id !== null);
  return ids.some((id) => id === kill.victim.tid || id === kill.victim.pid);
}

function tell(
  report: OomReport | null,
  kill: ReportKill | null,
  record: RecordFacts | null,
  history: History,
): Story {
  const victim = victimOf(report, kill, record);
  const row = report === null || victim === null ? null : victimRow(report, victim.tid, victim.pid);
  const victimPath = kill?.cgroupPath ?? record?.cgroup.path ?? null;
  const said = report?.limitCgroup ?? record?.limit.cgroup ?? statsPath(report);
  const limitPath = isCutOff(said, victimPath) ? victimPath : said;
  const constraint = report?.constraint ?? record?.limit.constraint ?? null;
  const limitPlace = limitPath === null ? null : placeOf(limitPath);
  const victimPlace = victimPath === null ? null : placeOf(victimPath);
  const told = limitPath === said ? (record?.limit.scope ?? null) : null;
  const scope = told ?? scopeOf(constraint, limitPath, victimPath);
  return {
    report,
    kill,
    record,
    history,
    outcome: kill?.outcome ?? record?.outcome ?? report?.outcome ?? "unknown",
    victim,
    row,
    tasks: report?.tasks ?? [],
    ranking: report === null ? null : rank(report, chosenRow(report, row)),
    constraint,
    scope,
    limitPath,
    limitSure: limitPath === said && isSaid(report, record),
    victimPath,
    limitPlace,
    victimPlace,
    limitWords: limitWords(scope, limitPlace, record),
    victimWords: ownerWords(record) ?? victimPlace?.words ?? "an unknown cgroup",
    limitBytes: report?.memory?.limitBytes ?? record?.limit.bytes ?? null,
    usageBytes: report?.memory?.usageBytes ?? null,
    anatomy: report === null ? null : anatomyOf(report),
    trigger: report?.trigger ?? record?.trigger ?? null,
    sysrq: report?.sysrq ?? false,
    group: report?.groupCgroup != null || record?.incident.group === true,
  };
}

/** The end of a long path is missing in the text: it ends within a name of the other one. */
function isCutOff(path: string | null, whole: string | null): boolean {
  if (path === null || whole === null || path === "/") return false;
  return whole.length > path.length && whole.startsWith(path) && !isBelow(whole, path);
}

/** What follows the usage of the limit's cgroup is its own; a list that begins anywhere may be of those below. */
function isSaid(report: OomReport | null, record: RecordFacts | null): boolean {
  const named = report?.limitCgroup ?? record?.limit.cgroup ?? null;
  return named !== null || report === null || report.memory !== null || statsPath(report) === null;
}

/** The kernel prints the statistics of the cgroup whose limit was hit; before 5.3 of those below, too, and its own first. */
function statsPath(report: OomReport | null): string | null {
  return report?.constraint === "memcg" ? (report.cgroupStats[0]?.path ?? null) : null;
}

/** Of a group kill the kernel chose the first victim only; the others went with it. */
function chosenRow(report: OomReport, row: TaskRow | null): TaskRow | null {
  const first = report.kills[0];
  if (first === undefined || report.groupCgroup === null) return row;
  return victimRow(report, first.victim.tid, first.victim.pid);
}

function victimOf(
  report: OomReport | null,
  kill: ReportKill | null,
  record: RecordFacts | null,
): StoryVictim | null {
  const facts = kill?.victim ?? record?.victim ?? null;
  if (facts === null || (facts.pid === null && facts.tid === null && facts.comm === null))
    return null;
  const row = report === null ? null : victimRow(report, facts.tid, facts.pid);
  const pid = record?.victim.pid ?? row?.pid ?? facts.pid ?? facts.tid;
  const comm = facts.comm ?? record?.victim.comm ?? row?.comm ?? null;
  const anon = facts.anonRssBytes ?? row?.anonRssBytes ?? null;
  const file = facts.fileRssBytes ?? row?.fileRssBytes ?? null;
  const shmem = facts.shmemRssBytes ?? row?.shmemRssBytes ?? null;
  const sum = anon === null ? null : anon + (file ?? 0) + (shmem ?? 0);
  return {
    pid,
    tid: facts.tid,
    comm,
    oomScoreAdj: facts.oomScoreAdj ?? row?.oomScoreAdj ?? null,
    anonBytes: anon,
    fileBytes: file,
    shmemBytes: shmem,
    rssBytes: sum ?? row?.rssBytes ?? null,
    totalVmBytes: facts.totalVmBytes ?? row?.totalVmBytes ?? null,
    main: record?.victim.main ?? null,
    words: processText(comm, pid),
  };
}

/** Whose limit it was, as far as the paths alone tell. */
function scopeOf(constraint: Constraint, limit: string | null, victim: string | null): LimitScope {
  switch (constraint) {
    case "none":
      return "node";
    case "cpuset":
      return "cpuset";
    case "memory_policy":
      return "mempolicy";
    case null:
      return null;
    case "memcg":
      return limit === null ? "cgroup" : memcgScope(limit, victim);
  }
}

function memcgScope(limit: string, victim: string | null): LimitScope {
  const { kind } = placeOf(limit);
  if (kind === "container") return "container";
  if (kind === "pod") return "pod";
  if (kind === "qos" || kind === "kubepods" || kind === "root") return "ancestor";
  return victim !== null && isBelow(victim, limit) ? "ancestor" : "cgroup";
}

function limitWords(scope: LimitScope, place: Place | null, record: RecordFacts | null): string {
  const pod = podWords(record);
  if (scope === "cpuset") return "the NUMA nodes of a cpuset";
  if (scope === "mempolicy") return "the NUMA nodes of a memory policy";
  if (scope === "container") return ownerWords(record) ?? place?.words ?? "the container";
  if (scope === "pod" && pod !== null) return pod;
  if (scope === "cgroup" && record?.unit != null) return unitWords(record.unit);
  return place?.words ?? (scope === "pod" ? "the pod" : "a cgroup that the log does not name");
}

function podWords(record: RecordFacts | null): string | null {
  const { namespace = null, name = null } = record?.pod ?? {};
  if (name === null) return null;
  return `pod ${namespace === null ? "" : `${clean(namespace, 32)}/`}${clean(name, 48)}`;
}

/** Whose process it was in the words of its runtime; `null` when no runtime was heard. */
function ownerWords(record: RecordFacts | null): string | null {
  const pod = podWords(record);
  if (pod !== null) {
    const container = record?.pod?.container ?? record?.container?.name ?? null;
    return container === null ? pod : `container ${clean(container, 40)} of ${pod}`;
  }
  if (record?.container != null) {
    return `container ${clean(record.container.name ?? record.container.id.slice(0, 12), 48)}`;
  }
  return record?.unit == null ? null : unitWords(record.unit);
}

function unitWords(unit: string): string {
  const kind = unit.endsWith(".service") ? "service" : unit.endsWith(".scope") ? "scope" : "unit";
  return `${kind} ${clean(unit, 48)}`;
}
