import type { Constraint } from "./observation.ts";
import type { Outcome, VictimRecord } from "./record.ts";
import type { Instant } from "./time.ts";

/** One whole report of the kernel's OOM killer, as far as the text had it. What it had not is `null` or empty, never 0. */
export interface OomReport {
  /** Wall clock of its first line as RFC 3339 with microseconds; `null` when the text has none or leaves out the year. */
  readonly at: string | null;
  /** The kernel's own stamp of its first line, seconds since boot. */
  readonly uptimeSeconds: number | null;
  /** `6.1.0-30-cloud-amd64`, from the stack line or the boot line. */
  readonly kernelRelease: string | null;
  /** First and last line in the text, from 1. */
  readonly lines: { readonly first: number; readonly last: number };
  readonly trigger: ReportTrigger | null;
  readonly constraint: Constraint;
  /** `constraint=` of the summary line; `null` where the kernel prints none (before 5.0), or the text has it not. */
  readonly printedConstraint: Constraint;
  /** The cgroup whose limit was hit (`oom_memcg`, "as a result of limit of"). */
  readonly limitCgroup: string | null;
  /** The cgroup of whoever was to be killed, also when the text ends before the victim's line. */
  readonly victimCgroup: string | null;
  /** `memory: usage …`: the cgroup whose limit was hit. */
  readonly memory: Usage | null;
  /** v2's `swap: usage`. */
  readonly swap: Usage | null;
  /** v1's `memory+swap: usage`. */
  readonly memorySwap: Usage | null;
  /** v1's `kmem: usage`. */
  readonly kernelMemory: Usage | null;
  /** The hierarchy of the memory controller, by the wording. */
  readonly version: 1 | 2 | null;
  /** `Memory cgroup stats for …`; for several cgroups (≤ 5.2) one entry each. */
  readonly cgroupStats: readonly CgroupStats[];
  /** Mem-Info of the node: global kills, and failed allocations of a cgroup on some kernels. */
  readonly node: NodeMemory | null;
  /** `Unreclaimable slab info:`, largest first as printed. */
  readonly slabs: readonly {
    readonly name: string;
    readonly usedBytes: number;
    readonly totalBytes: number;
  }[];
  readonly tasks: readonly TaskRow[];
  /** Rows of the table that the text has and this list has not (bound), or that could not be read. */
  readonly tasksDropped: number;
  /** memory.oom.group: the cgroup all of whose tasks were to be killed. */
  readonly groupCgroup: string | null;
  /** In the order of the text; none when the text ends before a victim, or there was none. */
  readonly kills: readonly ReportKill[];
  /** `none-killable`, `panic` or `unknown` describe a report without victims; otherwise that of its first kill. */
  readonly outcome: Outcome;
  /** "Kill process 62685 (bash) … or sacrifice child": whom the kernel chose, not always whom it killed. */
  readonly selected: { readonly pid: number; readonly comm: string } | null;
  /** Who wanted a panic: vm.panic_on_oom, or nobody: there was nothing to kill. `null`: no panic, or it does not say. */
  readonly panicCause: "policy" | "none-killable" | null;
  /** order=-1: somebody asked for it (sysrq-f). */
  readonly sysrq: boolean;
  /** "N callbacks suppressed" printed just before: reports that the rate limit swallowed. */
  readonly suppressedBefore: number | null;
  /** What was there and could not be read, one short sentence each, at most 20. */
  readonly problems: readonly string[];
}

export interface ReportTrigger {
  readonly comm: string;
  readonly pid: number | null;
  /** `0xcc0`. */
  readonly gfpMask: string | null;
  /** `GFP_KERNEL`, `__GFP_ZERO`; as printed (4.6+), else `null`. */
  readonly gfpFlags: readonly string[] | null;
  /** Pages asked for are 2^order; -1 is sysrq-f. */
  readonly order: number | null;
  readonly oomScoreAdj: number | null;
}

export interface Usage {
  readonly usageBytes: number;
  /** `null`: unlimited. */
  readonly limitBytes: number | null;
  readonly failCount: number | null;
}

export interface CgroupStats {
  readonly path: string;
  /** Keys as printed (`anon`, `total_rss`, `inactive_file`, …): bytes where the kernel prints bytes or KB, else counts. */
  readonly values: Readonly<Record<string, number>>;
}

export interface NodeMemory {
  /** Keys of the `Mem-Info:` record (`active_anon`, `slab_unreclaimable`, `free`, …), turned from pages into bytes. */
  readonly counters: Readonly<Record<string, number>>;
  readonly zones: readonly Zone[];
  readonly swapTotalBytes: number | null;
  readonly swapFreeBytes: number | null;
  readonly pageCacheBytes: number | null;
  /** `pages RAM` less `pages reserved`. */
  readonly usableBytes: number | null;
  /** `hugepages_total` × size over all sizes; they are taken from everybody whether used or not. */
  readonly hugePagesBytes: number | null;
}

export interface Zone {
  readonly node: number;
  /** `DMA`, `DMA32`, `Normal`, `Movable`, `HighMem`. */
  readonly name: string;
  readonly freeBytes: number | null;
  readonly minBytes: number | null;
  readonly lowBytes: number | null;
  readonly highBytes: number | null;
  readonly managedBytes: number | null;
  /** Set aside from other zones' requests, in pages: `lowmem_reserve[]`. */
  readonly lowmemReservePages: readonly number[];
  /** Free blocks by order, smallest (one page) first: `1*4kB 0*8kB …`. */
  readonly freeBlocks: readonly number[];
}

/** One row of the task table. Memory columns are turned from pages into bytes with the page size of the report's kernel. */
export interface TaskRow {
  /** The `[ pid ]` column: the thread that still has the memory. */
  readonly tid: number;
  readonly uid: number;
  /** What people call the pid. */
  readonly pid: number;
  readonly comm: string;
  readonly totalVmBytes: number;
  readonly rssBytes: number;
  readonly anonRssBytes: number | null;
  readonly fileRssBytes: number | null;
  readonly shmemRssBytes: number | null;
  readonly pageTableBytes: number | null;
  readonly swapBytes: number | null;
  readonly oomScoreAdj: number | null;
}

export interface ReportKill {
  readonly outcome: Outcome;
  readonly victim: Omit<VictimRecord, "main">;
  /** The victim's cgroup (`task_memcg`, "Task in …"). */
  readonly cgroupPath: string | null;
  /** `score 901`, of selection lines (≤ 5.0). */
  readonly score: number | null;
  /** Line of the text that proves it, from 1. */
  readonly line: number;
  readonly at: string | null;
  readonly uptimeSeconds: number | null;
}

/** A victim of which the text says nothing. */
export const UNKNOWN_VICTIM: ReportKill["victim"] = {
  pid: null,
  tid: null,
  comm: null,
  uid: null,
  oomScoreAdj: null,
  totalVmBytes: null,
  anonRssBytes: null,
  fileRssBytes: null,
  shmemRssBytes: null,
  pageTableBytes: null,
};

/** A whole report as it came from the log of this machine: what explains a kill, and no evidence of one for the books. */
export interface ReportObservation {
  readonly kind: "report";
  readonly source: "kernel-log";
  /** When its first line was written. */
  readonly at: Instant;
  readonly report: OomReport;
}

/** A process killed by a program that watches memory, not by the kernel. */
export interface UserspaceKill {
  /** `systemd-oomd`, `earlyoom`, `nohang`, `oomd`, `talos`, `kubelet`, `slurm`, `lowmemorykiller`, `lmkd`. */
  readonly tool: string;
  readonly at: string | null;
  readonly line: number;
  readonly pid: number | null;
  readonly comm: string | null;
  readonly cgroupPath: string | null;
  /** Its own reason, bounded; `null` when it gives none. */
  readonly reason: string | null;
}

/** What a text tells about memory running out, in the order of the text. */
export type ReportEvent =
  | { readonly kind: "report"; readonly report: OomReport }
  | { readonly kind: "userspace-kill"; readonly kill: UserspaceKill }
  /** A line about OOM kills that could not be read: where, and what is wrong with it. */
  | { readonly kind: "problem"; readonly line: number; readonly sentence: string };

/** Four KiB everywhere but on some arm64 and ppc64 machines; told by the zone's buddy line. */
export const DEFAULT_PAGE_BYTES = 4096;
