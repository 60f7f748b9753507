/** What the lines of one report say of its victim, put together. */
import { type OomReport, type ReportKill, UNKNOWN_VICTIM } from "../model/report.ts";
import type { KilledLine } from "./kernel-log-kill-lines.ts";
import type { SummaryLine } from "./kernel-log-summary.ts";
import { type ReportDraft, wallText } from "./report-draft.ts";
import type { WholeLine } from "./report-joiner.ts";
import type { SelectedLine } from "./report-line.ts";

/** `null` when it says neither that the killer ran nor whom it took: lines of a report without its head and its end. */
export function finishReport(draft: ReportDraft): OomReport | null {
  if (!draft.decided) {
    if (draft.isProse || isQuotation(draft)) return null;
    if (draft.selection !== null) draft.kill(selected(draft, draft.selection));
    else if (draft.summary !== null) draft.kill(summarized(draft, draft.summary));
    else if (draft.header === null && draft.taskIn === null && draft.group === null) return null;
  }
  return draft.finish();
}

/** Words of a summary in a text about OOM kills: `oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0`. */
function isQuotation({ summaryLine, header, taskIn, selection, group }: ReportDraft): boolean {
  if (summaryLine === null || summaryLine.prefixed || header !== null) return false;
  if (taskIn !== null || selection !== null || group !== null) return false;
  return !/,\s*(?:cpuset=|oom_memcg=|global_oom|task_memcg=|task=|pid=)/.test(summaryLine.text);
}

function summarized(draft: ReportDraft, line: SummaryLine): ReportKill {
  const victim = {
    ...UNKNOWN_VICTIM,
    pid: line.pid,
    tid: line.pid,
    comm: line.comm,
    uid: line.uid,
  };
  return {
    ...place(draft.summaryLine),
    outcome: "summary",
    victim: withTable(draft, victim),
    cgroupPath: line.victimCgroup,
    score: null,
  };
}

function selected(draft: ReportDraft, line: SelectedLine): ReportKill {
  const uid = draft.summary?.uid ?? null;
  const victim = { ...UNKNOWN_VICTIM, pid: line.pid, tid: line.pid, comm: line.comm, uid };
  return {
    ...place(draft.selectionLine),
    outcome: "selected",
    victim: withTable(draft, victim),
    cgroupPath: draft.summary?.victimCgroup ?? draft.taskIn?.victimCgroup ?? null,
    score: line.score,
  };
}

/** The kernel kills right after the summary: nothing of another report stands between (facts 1.6). */
const NEXT_SECONDS = 0.05;
const NEXT_LINES = 3;

/** Whether the report is about this kill: it names the victim, its process, the parent of it, or nobody. */
export function binds(draft: ReportDraft, line: KilledLine, at: WholeLine): boolean {
  // Of a group anybody may be killed, and the line of its first victim may be missing.
  if (draft.group !== null) return true;
  const named = draft.summary?.pid ?? null;
  if (draft.selection !== null || draft.summary === null || named === null) return true;
  if (named === line.tid || draft.tasks.groupOf(line.tid) === named) return true;
  // The leader of the process has ended, and the table that would tell is missing.
  if (line.comm === null || draft.tasks.groupOf(named) !== null) return false;
  return draft.summary.comm === line.comm || isNext(draft.summaryLine, at);
}

function isNext(summary: WholeLine | null, at: WholeLine): boolean {
  if (summary === null) return false;
  if (summary.uptimeSeconds !== null && at.uptimeSeconds !== null)
    return Math.abs(at.uptimeSeconds - summary.uptimeSeconds) <= NEXT_SECONDS;
  return at.number - summary.number <= NEXT_LINES;
}

export function describeKill(draft: ReportDraft, line: KilledLine, at: WholeLine): ReportKill {
  const { summary, taskIn, selection } = draft;
  const { tid, comm, uid, oomScoreAdj, totalVmBytes, anonRssBytes } = line;
  const first = draft.kills.length === 0;
  const named = summary !== null && (summary.pid === tid || summary.pid === null || first);
  const victim = {
    pid: draft.tasks.groupOf(tid) ?? tid,
    tid,
    comm: comm ?? (first ? (summary?.comm ?? null) : null),
    uid: uid ?? (named && first ? (summary?.uid ?? null) : null),
    oomScoreAdj,
    totalVmBytes,
    anonRssBytes,
    fileRssBytes: line.fileRssBytes,
    shmemRssBytes: line.shmemRssBytes,
    pageTableBytes: line.pageTableBytes,
  };
  return {
    ...place(at),
    outcome: "killed",
    victim: withTable(draft, victim),
    cgroupPath: first
      ? (summary?.victimCgroup ?? taskIn?.victimCgroup ?? draft.group)
      : draft.group,
    score: first ? (selection?.score ?? null) : null,
  };
}

/** A victim whose kill line is missing. */
export function describeReaped(
  draft: ReportDraft,
  tid: number,
  comm: string | null,
  at: WholeLine,
): ReportKill {
  const victim = { ...UNKNOWN_VICTIM, pid: tid, tid, comm };
  return {
    ...place(at),
    outcome: "reaped",
    victim: withTable(draft, victim),
    cgroupPath: draft.taskIn?.victimCgroup ?? draft.group,
    score: null,
  };
}

/** What the kill line of an old kernel leaves out and the task table says. */
function withTable(draft: ReportDraft, victim: ReportKill["victim"]): ReportKill["victim"] {
  const row = draft.tasks.rowOf(victim.tid ?? -1);
  if (row === null) return victim;
  return {
    ...victim,
    pid: row.pid,
    uid: victim.uid ?? row.uid,
    oomScoreAdj: victim.oomScoreAdj ?? row.oomScoreAdj,
  };
}

export function place(line: WholeLine | null): Pick<ReportKill, "line" | "at" | "uptimeSeconds"> {
  if (line === null) return { line: 0, at: null, uptimeSeconds: null };
  return {
    line: line.number,
    at: wallText(line.wallMicroseconds),
    uptimeSeconds: line.uptimeSeconds,
  };
}
