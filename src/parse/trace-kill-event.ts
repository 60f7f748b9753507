import { type BodyFormat, numberField, type TraceFields, textField } from "./trace-format.ts";
import type { KillEvent, MarkEvent } from "./trace-kill.ts";
import type { TraceEvent } from "./trace-line.ts";

/** Signal and code of the kernel's own SIGKILL (SI_KERNEL). */
const SIGKILL = 9;
const SI_KERNEL = 128;

/** The events of a kill. */
export const KILL_EVENT_NAMES: ReadonlySet<string> = new Set(["mark_victim", "signal_generate"]);

/**
 * An event of `oom:mark_victim` or `signal:signal_generate`, read by its format; `null` for anything else and for signals
 * that are not the kernel's SIGKILL (a left-over instance may have had other filters).
 */
export function killEventOf(event: TraceEvent, format: BodyFormat): KillEvent | null {
  const fields = format.parse(event.body);
  const tid = fields === null ? null : numberField(fields, "pid");
  if (fields === null || tid === null) return null;
  const base = { ...contextOf(event), tid, comm: textField(fields, "comm") };
  if (event.name === "mark_victim") return { kind: "mark", ...base, ...sizesOf(fields) };
  if (event.name !== "signal_generate") return null;
  if (numberField(fields, "sig") !== SIGKILL || numberField(fields, "code") !== SI_KERNEL)
    return null;
  return { kind: "signal", ...base, interrupt: inInterrupt(event.flags) };
}

/** What every kill event takes from the header of its line. */
export function contextOf(event: TraceEvent) {
  return {
    cpu: event.cpu,
    microseconds: event.microseconds,
    task: event.task,
    depth: preemptDepth(event.flags),
  };
}

/** `d..2.`: the third character is the interrupt context (`.`, h, H, s, z, Z). */
export function inInterrupt(flags: string): boolean {
  return (flags[2] ?? ".") !== ".";
}

/** `d..2.`: the fourth is the preempt depth, in hex; `.` is zero, or a kernel that does not count. */
function preemptDepth(flags: string): number | null {
  const digit = flags[3] ?? ".";
  return /^[\da-f]$/.test(digit) ? Number.parseInt(digit, 16) : null;
}

function sizesOf(
  fields: TraceFields,
): Omit<MarkEvent, "kind" | "cpu" | "microseconds" | "task" | "depth" | "tid" | "comm"> {
  return {
    tgid: null,
    uid: numberField(fields, "uid"),
    oomScoreAdj: numberField(fields, "oom_score_adj"),
    totalVmBytes: numberField(fields, "total_vm"),
    anonRssBytes: numberField(fields, "anon_rss"),
    fileRssBytes: numberField(fields, "file_rss"),
    shmemRssBytes: numberField(fields, "shmem_rss"),
    pageTableBytes: numberField(fields, "pgtables"),
  };
}
