/** Kills of a report as records: what the text alone tells, with the story of each. */
import type { ExplainedKill } from "../model/explanation.ts";
import type { ContainerRecord, KillRecord, LimitScope, PodRecord } from "../model/record.ts";
import { type OomReport, type ReportKill, UNKNOWN_VICTIM } from "../model/report.ts";
import { explainRecord } from "./explain.ts";
import { type History, type KillMemory, NO_HISTORY, placeKey, secondsOf } from "./history.ts";
import type { RecordFacts } from "./story.ts";

/** Whose a cgroup is, by its path alone: handed in, because it is not this folder's knowledge. */
export interface Owner {
  readonly container: ContainerRecord | null;
  readonly pod: PodRecord | null;
  readonly unit: string | null;
  readonly scope: LimitScope;
}

export type OwnerOf = (kill: Pick<KillRecord, "limit" | "cgroup">) => Owner;

/** What explaining a text needs beside its reports. */
export interface TextContext {
  readonly ownerOf: OwnerOf;
  /** Earlier kills of the same text. */
  readonly memory: KillMemory;
  /** An id that this text has not given before. */
  readonly freeId: (id: string) => string;
}

/** The kills of a report, each with its explanation; one without a victim when the report names none. */
export function killsOfReport(report: OomReport, context: TextContext): readonly ExplainedKill[] {
  const kills = report.kills.length === 0 ? [null] : report.kills;
  const ids = kills.map((kill) => context.freeId(textId(report, kill)));
  const incident = { id: ids[0] ?? "", group: report.groupCgroup !== null };
  const first = factsOf(report, kills[0] ?? null, incident.id, incident, context.ownerOf);
  // Members of one run of the OOM killer are not each other's past.
  const history = isPlaced(first)
    ? context.memory.tell(memorable(report, kills[0] ?? null, first))
    : NO_HISTORY;
  return kills.map((kill, index) => {
    const facts = factsOf(report, kill, ids[index] ?? "", incident, context.ownerOf);
    return explained(report, kill, facts, history);
  });
}

/** Where nobody was killed there is no kill to count, and kills in unknown cgroups may be anywhere. */
function isPlaced({ outcome, limit, cgroup }: RecordFacts): boolean {
  if (outcome === "none-killable" || outcome === "panic") return false;
  return limit.constraint === "none" || limit.cgroup !== null || cgroup.path !== null;
}

function explained(
  report: OomReport,
  kill: ReportKill | null,
  facts: RecordFacts,
  history: History,
): ExplainedKill {
  return {
    ...facts,
    at: kill?.at ?? report.at,
    node: null,
    bootId: null,
    explanation: explainRecord(facts, report, history),
  };
}

function factsOf(
  report: OomReport,
  kill: ReportKill | null,
  id: string,
  incident: KillRecord["incident"],
  ownerOf: OwnerOf,
): RecordFacts {
  const path = kill === null ? report.victimCgroup : kill.cgroupPath;
  const cgroup = { path, id: null, version: report.version };
  const { constraint, limitCgroup, trigger } = report;
  const bytes = constraint === "memcg" ? (report.memory?.limitBytes ?? null) : null;
  const limit = { scope: null, constraint, cgroup: limitCgroup, bytes };
  const { container, pod, unit, scope } = ownerOf({ limit, cgroup });
  return {
    type: "kill",
    id,
    revision: 0,
    incident,
    victim: { ...bounded(kill?.victim ?? UNKNOWN_VICTIM), main: null },
    trigger: trigger === null ? null : { pid: trigger.pid, comm: trigger.comm },
    outcome: kill?.outcome ?? report.outcome,
    limit: { ...limit, scope },
    cgroup,
    container,
    pod,
    unit,
    visibility: "unknown",
    attribution: path === null ? "none" : "exact",
    basis: path === null ? null : "kernel-log",
    recovered: true,
    witnesses: ["kernel-log"],
  };
}

/** What the contract cannot hold is damage of the text, and unknown. */
function bounded(victim: ReportKill["victim"]): ReportKill["victim"] {
  const size = (bytes: number | null) => (Number.isSafeInteger(bytes) ? bytes : null);
  const adj = victim.oomScoreAdj;
  return {
    ...victim,
    uid: size(victim.uid),
    oomScoreAdj: adj !== null && adj >= -1000 && adj <= 1000 ? adj : null,
    totalVmBytes: size(victim.totalVmBytes),
    anonRssBytes: size(victim.anonRssBytes),
    fileRssBytes: size(victim.fileRssBytes),
    shmemRssBytes: size(victim.shmemRssBytes),
    pageTableBytes: size(victim.pageTableBytes),
  };
}

function memorable(report: OomReport, kill: ReportKill | null, facts: RecordFacts) {
  const { comm, pid } = facts.victim;
  const cgroup = facts.cgroup.path ?? facts.limit.cgroup;
  const at = secondsOf(kill?.at ?? report.at);
  return {
    // A shortage of the machine is one place, whoever dies of it.
    place: facts.limit.constraint === "none" ? "/" : placeKey(cgroup, comm),
    cgroup,
    comm,
    pid,
    main: null,
    seconds: at ?? kill?.uptimeSeconds ?? report.uptimeSeconds,
    tasks: new Set(report.tasks.map((task) => `${task.pid}/${task.comm}`)),
  };
}

/** From the text alone: the same log gives the same ids, in whatever file it is. */
function textId(report: OomReport, kill: ReportKill | null): string {
  const tid = kill?.victim.tid ?? null;
  const time = kill?.uptimeSeconds ?? report.uptimeSeconds ?? kill?.at ?? report.at;
  const words = [time ?? `line ${kill?.line ?? report.lines.first}`, tid, kill?.victim.comm];
  return `log-${tid ?? "none"}-${hash(words.join("\0"))}`;
}

/** FNV-1a, 32 bits. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return (value >>> 0).toString(36);
}
