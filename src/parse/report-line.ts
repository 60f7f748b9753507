/**
 * One whole line of a report to what it says, Linux 2.4 … 7.x. Kill lines, summaries and the lines that name cgroups are
 * read by the same functions as the live kernel log; this file adds what only a reader of whole reports wants.
 *
 *     java invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), nodemask=(null), order=0, oom_score_adj=-500
 *     oom-killer: gfp_mask=0xd0, order=0                                                                        2.6.9
 *     Memory cgroup out of memory: Kill process 3897 (stress) score 1001 or sacrifice child                    ≤ 5.0
 *     No available memory (MPOL_BIND): kill process 3462 (perl) score 246 or a child                        … 2.6.35
 */
import type { OomReport } from "../model/report.ts";
import { type KilledLine, type KillScope, parseKillLine } from "./kernel-log-kill-lines.ts";
import { parseGroup, type SummaryLine, type TaskInLine } from "./kernel-log-summary.ts";
import { parseReportSummary, parseReportTaskIn, whole } from "./report-summary.ts";

export interface HeaderLine {
  readonly kind: "header";
  /** `null` before 2.6.18. */
  readonly comm: string | null;
  readonly gfpMask: string | null;
  readonly gfpFlags: readonly string[] | null;
  readonly order: number | null;
  readonly oomScoreAdj: number | null;
}

/** What ran out by the words of the line, also of old kernels. */
export type SelectionScope = KillScope | "cpuset" | "memory-policy";

export interface SelectedLine {
  readonly kind: "selection";
  readonly scope: SelectionScope;
  readonly pid: number;
  readonly comm: string;
  readonly score: number | null;
}

/** Lines that decide what a report tells. */
export type DecidingLine =
  | HeaderLine
  | SelectedLine
  | KilledLine
  | SummaryLine
  | TaskInLine
  | { readonly kind: "sharing"; readonly pid: number; readonly comm: string }
  | { readonly kind: "skip"; readonly tid: number }
  | { readonly kind: "group"; readonly cgroup: string }
  | { readonly kind: "none-killable" }
  | { readonly kind: "panic"; readonly cause: OomReport["panicCause"] }
  | { readonly kind: "reaped"; readonly tid: number; readonly comm: string | null }
  | { readonly kind: "suppressed"; readonly count: number };

/** `prefixed`: the kernel's name or a time stood before it. */
export function parseDecidingLine(text: string, prefixed = false): DecidingLine | null {
  const group = parseGroup(text);
  if (group !== null) return group;
  return (
    parseReportTaskIn(text) ??
    parseReportHeader(text) ??
    (prefixed ? parseShortHeader(text) : null) ??
    byStart(text)
  );
}

function byStart(text: string): DecidingLine | null {
  switch (text.charAt(0)) {
    case "M":
    case "N":
    case "O":
      return parseKill(text) ?? noneKillable(text);
    case "K":
    case "k":
      return parseKill(text) ?? panic(text);
    case "o":
      return parseReportSummary(text) ?? suppressed(text) ?? reaped(text);
    default:
      return null;
  }
}

const CONTAINER_KILL =
  /^Out of memory in UB \d{1,10}: OOM killed process (\d{1,10}) \(([^\n]{0,64})\) score \d{1,12} vm:(\d{1,12})kB/;

/** Virtuozzo's, of a container: which memory its rss counts is not known. */
function parseContainerKill(text: string): KilledLine | null {
  const match = CONTAINER_KILL.exec(text);
  if (match === null) return null;
  return {
    kind: "killed",
    scope: null,
    tid: Number(match[1]),
    comm: match[2] ?? null,
    uid: null,
    oomScoreAdj: null,
    totalVmBytes: Number(match[3]) * 1024,
    anonRssBytes: null,
    fileRssBytes: null,
    shmemRssBytes: null,
    pageTableBytes: null,
  };
}

/** Somebody's example of the line. */
const EXAMPLE = /\) total-vm:(?:\.\.\.|…),? ?anon-rss:(?:\.\.\.|…)/;
const SCORED =
  /^(Memory cgroup out of memory|Out of [Mm]emory|No available memory (?:in cpuset|\(MPOL_BIND\)))(?: \(oom_kill_allocating_task\))?: [Kk]ill process (\d{1,10}) \(([\s\S]{0,64})\) score (\d{1,12}) (?=[oa])/;
const SELECTION =
  /^(Memory cgroup out of memory|Out of [Mm]emory|No available memory (?:in cpuset|\(MPOL_BIND\)))(?: \(oom_kill_allocating_task\))?: [Kk]ill process (\d{1,10}) \(([\s\S]{0,64})\)(?: score (\d{1,12}))?(?: [oa]|\s*$|$)/;

function parseKill(text: string): DecidingLine | null {
  if (EXAMPLE.test(text)) return null;
  const line = parseKillLine(text) ?? parseContainerKill(text);
  if (line !== null && line.kind !== "selection") return line;
  const match = SCORED.exec(text) ?? SELECTION.exec(text);
  if (match === null) return null;
  const [, words = "", pid, comm = "", score] = match;
  return {
    kind: "selection",
    scope: scopeOf(words),
    pid: Number(pid),
    comm,
    score: score === undefined ? null : Number(score),
  };
}

function scopeOf(words: string): SelectionScope {
  if (words.startsWith("Memory")) return "memcg";
  if (words.endsWith("cpuset")) return "cpuset";
  return words.endsWith("BIND)") ? "memory-policy" : "global";
}

const INVOKED = / ?(?:invoked )?oom-killer:/;
const MAX_COMM_CHARACTERS = 15;

export function parseReportHeader(text: string): HeaderLine | null {
  const at = text.indexOf(" invoked oom-killer:");
  if (at < 0 && !text.startsWith("oom-killer: gfp_mask=0x")) return null;
  const comm = at < 0 ? null : unquoted(text, at);
  if (comm !== null && unescapedLength(comm) > MAX_COMM_CHARACTERS) return null;
  const rest = text.slice(at < 0 ? 0 : at).replace(INVOKED, "");
  if (!/^(?: gfp_mask=(?:0x|$)|\s*$)/.test(rest)) return null;
  const gfp = /gfp_mask=(0x[0-9a-f]{1,16})(?:\(([A-Za-z_|0-9x]{0,600})\)?)?/.exec(rest);
  const flags = gfp?.[2];
  return {
    kind: "header",
    comm,
    gfpMask: gfp?.[1] ?? null,
    gfpFlags: flags === undefined ? null : flags.split("|").filter((flag) => flag !== ""),
    order: whole(/, order=(-?\d{1,3})/.exec(rest)?.[1]),
    oomScoreAdj: whole(/, oom_sco[a-z]{1,3}_adj=(-?\d{1,5})/.exec(rest)?.[1]),
  };
}

/** `line = "java invoked oom-killer: gfp_mask=0xd0, order=0"` in a program's source: the name begins behind the quote. */
function unquoted(text: string, end: number): string {
  const quote = /^(?:\w{0,12} ?:?= ?)?(["'`])(?=\S)/.exec(text.slice(0, end));
  if (quote === null) return text.slice(0, end);
  // An assigned string goes on behind a newline.
  const closed = quote[0].includes("=") || text.includes(quote[1] ?? "", end);
  return text.slice(closed ? quote[0].length : 0, end);
}

/** `java invoked oom-killer` and `java invoked oom-killer: ... oom_score_adj=944`, as people shorten it. */
function parseShortHeader(text: string): HeaderLine | null {
  const match =
    /^(\S{1,15}) invoked oom-killer(?:: ?(?:\.\.\.|…).{0,40}?(?:oom_score_adj=(-?\d{1,5}))?)?\s*$/.exec(
      text,
    );
  if (match === null) return null;
  return {
    kind: "header",
    comm: match[1] ?? null,
    gfpMask: null,
    gfpFlags: null,
    order: null,
    oomScoreAdj: whole(match[2]),
  };
}

/** Bytes of a name may be written `\xNN`. */
function unescapedLength(comm: string): number {
  return comm.includes("\\x") ? comm.replace(/\\x[0-9a-fA-F]{2}/g, "x").length : comm.length;
}

function suppressed(text: string): DecidingLine | null {
  const count = /^oom_kill_process: (\d{1,10}) callbacks suppressed/.exec(text)?.[1];
  return count === undefined ? null : { kind: "suppressed", count: Number(count) };
}

const REAPED =
  /^oom_reaper: (?:reaped process (\d{1,10}) \(([\s\S]{0,64}?)\)(?:,|$)|unable to reap pid:(\d{1,10}) \(([\s\S]{0,64}?)\))/;

function reaped(text: string): DecidingLine | null {
  const match = REAPED.exec(text);
  if (match === null) return null;
  return { kind: "reaped", tid: Number(match[1] ?? match[3]), comm: match[2] ?? match[4] ?? null };
}

function noneKillable(text: string): DecidingLine | null {
  return /^(?:Memory cgroup out|Out) of memory and no killable proc/.test(text)
    ? { kind: "none-killable" }
    : null;
}

function panic(text: string): DecidingLine | null {
  const wanted =
    /^Kernel panic - not syncing: (?:Out of memory|out of memory|System is deadlocked on mem)/;
  return wanted.test(text) ? { kind: "panic", cause: panicCause(text) } : null;
}

/** Without anybody to kill it is unconditional: vm.panic_on_oom has no part in it. */
function panicCause(text: string): OomReport["panicCause"] {
  if (text.includes("panic_on_oom")) return "policy";
  return /no killable|deadlocked/.test(text) ? "none-killable" : null;
}
