/**
 * One whole line of kernel text to what it says about OOM kills, Linux 2.6.32 … 7.x (facts 1.1–1.4). No state: the same
 * functions read /dev/kmsg, dmesg and the journal once the prefixes are off. Every form is anchored at the line's start,
 * where a process cannot write.
 */
import { type KillLine, parseKillLine } from "./kernel-log-kill-lines.ts";
import {
  type GroupLine,
  parseGroup,
  parseSummary,
  parseTaskIn,
  type SummaryLine,
  type TaskInLine,
} from "./kernel-log-summary.ts";

export type KernelLogLine =
  | KillLine
  | SummaryLine
  | TaskInLine
  | GroupLine
  | { readonly kind: "header"; readonly comm: string; readonly order: number | null }
  | { readonly kind: "stack"; readonly pid: number; readonly commAndMore: string }
  | { readonly kind: "usage"; readonly usageBytes: number; readonly limitBytes: number | null }
  /** `swap: usage` is v2's wording, `memory+swap: usage` and `kmem: usage` v1's. */
  | { readonly kind: "hierarchy"; readonly version: 1 | 2 }
  | { readonly kind: "table-header" }
  | {
      readonly kind: "table-row";
      readonly tid: number;
      readonly uid: number;
      readonly tgid: number;
    }
  | { readonly kind: "suppressed"; readonly count: number }
  | { readonly kind: "none-killable" }
  | { readonly kind: "panic" }
  | { readonly kind: "sysrq" }
  | { readonly kind: "reaped"; readonly tid: number; readonly comm: string };

/** What the line says, or `null` when it has nothing to do with OOM kills. Never throws; time linear in the length. */
export function parseKernelLogLine(text: string): KernelLogLine | null {
  // A header begins with a name the process chose: it is asked for first, so that no name can pass for another form.
  return parseGroup(text) ?? parseTaskIn(text) ?? parseHeader(text) ?? parseByStart(text);
}

function parseByStart(text: string): KernelLogLine | null {
  switch (text.charAt(0)) {
    case "M":
      return text.startsWith("Memory cgroup out")
        ? (parseKillLine(text) ?? noneKillable(text))
        : null;
    case "O":
      return text.startsWith("Out of ") ? (parseKillLine(text) ?? noneKillable(text)) : null;
    case "K":
      return parseKillLine(text) ?? panic(text);
    case "o":
      return parseSummary(text) ?? suppressed(text) ?? reaped(text);
    case "m":
    case "s":
    case "k":
      return usage(text);
    case "S":
      return text.startsWith("SysRq : Manual OOM") ? { kind: "sysrq" } : null;
    case "C":
    case "P":
      return stack(text);
    case "[":
      return tableLine(text);
    default:
      return null;
  }
}

/** A cgroup's path follows, which may be named like anything too. */
const STATS = "Memory cgroup stats for ";
const INVOKED = " invoked oom-killer: gfp_mask=";
/** A name has at most 15 bytes; workers of the kernel may show more. */
const MAX_HEADER_COMM_CHARACTERS = 63;

/** `tool invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`; order=-1 is sysrq-f. */
function parseHeader(text: string): KernelLogLine | null {
  const at = text.indexOf(INVOKED);
  if (at < 0 || at > MAX_HEADER_COMM_CHARACTERS || text.startsWith(STATS)) return null;
  const order = /, order=(-?\d{1,3})/.exec(text.slice(at))?.[1];
  return {
    kind: "header",
    comm: text.slice(0, at),
    order: order === undefined ? null : Number(order),
  };
}

const STACK = /^(?:CPU: \d+ (?:UID: \d+ )?PID: (\d{1,10}) Comm: |Pid: (\d{1,10}), comm: )/;

/** `CPU: 0 UID: 0 PID: 324 Comm: tool Not tainted …` (UID from 6.11 on); `Pid: 13550, comm: java …` (2.6). */
function stack(text: string): KernelLogLine | null {
  const match = STACK.exec(text);
  if (match === null) return null;
  const pid = Number(match[1] ?? match[2]);
  return { kind: "stack", pid, commAndMore: text.slice(match[0].length) };
}

const USAGE = /^memory: usage (\d{1,16})kB, limit (\d{1,16})kB/;
/** "No limit" is LONG_MAX rounded down to a page, in kB: 9007199254740988 with 4 KiB pages, less with larger ones. */
const UNLIMITED_KILOBYTES = 9_007_199_254_700_000;

function usage(text: string): KernelLogLine | null {
  if (text.startsWith("memory+swap: usage ") || text.startsWith("kmem: usage ")) {
    return { kind: "hierarchy", version: 1 };
  }
  if (text.startsWith("swap: usage ")) return { kind: "hierarchy", version: 2 };
  if (text.startsWith("sysrq: Manual OOM")) return { kind: "sysrq" };
  const match = USAGE.exec(text);
  if (match === null) return null;
  const limit = Number(match[2]);
  const limitBytes = limit >= UNLIMITED_KILOBYTES ? null : limit * 1024;
  return { kind: "usage", usageBytes: Number(match[1]) * 1024, limitBytes };
}

const TABLE_ROW = /^\[ *(\d{1,10})\] +(\d{1,10}) +(\d{1,10}) +\d/;

/** `[ pid ]   uid  tgid total_vm …` and its rows: the first three columns are the same on all kernels (facts 1.2). */
function tableLine(text: string): KernelLogLine | null {
  const row = TABLE_ROW.exec(text);
  if (row !== null) {
    return { kind: "table-row", tid: Number(row[1]), uid: Number(row[2]), tgid: Number(row[3]) };
  }
  return /^\[ *pid *\] +uid +tgid /.test(text) ? { kind: "table-header" } : null;
}

function suppressed(text: string): KernelLogLine | null {
  const count = /^oom_kill_process: (\d{1,10}) callbacks suppressed/.exec(text)?.[1];
  return count === undefined ? null : { kind: "suppressed", count: Number(count) };
}

function reaped(text: string): KernelLogLine | null {
  const match = /^oom_reaper: reaped process (\d{1,10}) \(([\s\S]{0,64})\), now/.exec(text);
  if (match === null) return null;
  return { kind: "reaped", tid: Number(match[1]), comm: match[2] ?? "" };
}

function noneKillable(text: string): KernelLogLine | null {
  return /^(?:Memory cgroup out|Out) of memory and no killable processes/.test(text)
    ? { kind: "none-killable" }
    : null;
}

function panic(text: string): KernelLogLine | null {
  return /^Kernel panic - not syncing: (?:Out of memory|System is deadlocked on memory)/.test(text)
    ? { kind: "panic" }
    : null;
}
