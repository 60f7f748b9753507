import type { Instant } from "./time.ts";

/** Sources of the kernel: they see kills. */
export const KERNEL_SOURCE_NAMES = ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"] as const;

/** Sources of container runtimes: they see containers. */
export const RUNTIME_SOURCE_NAMES = ["docker", "containerd", "cri", "podman"] as const;

/** Every place that gives evidence. The order is the order in which `witnesses` are printed. */
export const SOURCE_NAMES = [...KERNEL_SOURCE_NAMES, ...RUNTIME_SOURCE_NAMES] as const;
export type SourceName = (typeof SOURCE_NAMES)[number];

/** Sources that see one kill at a time, with a victim. */
export type KillSourceName = "kernel-log" | "tracefs" | "probe";

/** The kernel's own word for what ran out (`CONSTRAINT_…`, mm/oom_kill.c); `null` when the evidence does not tell. */
export type Constraint = "memcg" | "none" | "cpuset" | "memory_policy" | null;

/** A process as one source saw it. What the source does not carry is `null`, never 0 or "". */
export interface Victim {
  /** Thread group id (what people call the pid); `null` when only the thread id is known. */
  readonly pid: number | null;
  /** The id the kernel printed: a thread id when the group leader had already exited (facts 0.4). */
  readonly tid: number;
  readonly comm: string | null;
  readonly uid: number | null;
  readonly oomScoreAdj: number | null;
  readonly totalVmBytes: number | null;
  readonly anonRssBytes: number | null;
  readonly fileRssBytes: number | null;
  readonly shmemRssBytes: number | null;
  readonly pageTableBytes: number | null;
}

/**
 * How a cgroup became known. `probe`, `kernel-log`: the kernel named it with the kill. `proc`: /proc/PID/cgroup of the dying
 * process. `group`: it is a member of a group kill of this cgroup. `lineage`: its parent's, by a recorded fork.
 * `local-counter`: only this cgroup's own counter (v1) has the kill. `counter`: concluded from what counters lack.
 */
export type CgroupBasis =
  | "probe"
  | "kernel-log"
  | "proc"
  | "group"
  | "lineage"
  | "local-counter"
  | "counter";

/** The victim's memory cgroup, stamped at the edge; an observation without one says `null`, never a guess. */
export interface CgroupStamp {
  /** Path below the memory hierarchy's root as the host sees it: `/docker/df1c…`; `/` is the root. */
  readonly path: string;
  /** Inode of the cgroup's directory (= kernfs id, cgroup id), when the source could tell. */
  readonly id: number | null;
  /** Which hierarchy the memory controller is on. */
  readonly version: 1 | 2 | null;
  readonly basis: CgroupBasis;
}

interface Evidence {
  /**
   * The source's own name for this piece of evidence, unique within a boot and the same on every replay:
   * the /dev/kmsg sequence number, or `CPU:microseconds` of a trace event.
   */
  readonly sequence: string;
  readonly at: Instant;
}

/** One process killed by the OOM killer, as one source saw it. */
export interface KillObservation extends Evidence {
  readonly kind: "kill";
  readonly source: KillSourceName;
  readonly victim: Victim;
  readonly cgroup: CgroupStamp | null;
  readonly limit: LimitEvidence | null;
  /** The task that ran out of memory and called the OOM killer. */
  readonly trigger: { readonly pid: number | null; readonly comm: string | null } | null;
  /** `sequence` of the first kill of the same run of the OOM killer; its own `sequence` when it is the first. */
  readonly incident: string;
  /** Known to be a member of a group kill (memory.oom.group). */
  readonly group: boolean;
  /** The kernel killing the first victim of a group kill a second time: counted by its books, not a new kill (facts 0.1). */
  readonly repeat: boolean;
  /** False for a process that dies only because it shares the victim's memory: the kernel's books omit it (facts 0.6). */
  readonly counted: boolean;
}

export interface LimitEvidence {
  readonly constraint: Constraint;
  /** The cgroup whose limit was hit; `null` when unknown or not a memcg kill. */
  readonly cgroup: string | null;
  /** That limit in bytes; `null` when unknown or unlimited. */
  readonly bytes: number | null;
}

/** The run of the OOM killer that began with kill `incident` was a group kill. Arrives after its first kill. */
export interface GroupObservation extends Evidence {
  readonly kind: "group";
  readonly source: KillSourceName;
  readonly incident: string;
  /** The cgroup with memory.oom.group set; `null` when the source cannot tell. */
  readonly cgroup: string | null;
  /** Sequences of the run's kills emitted so far, the first first; `null` or absent when the source cannot tell. */
  readonly members?: readonly string[] | null;
}

/** "OOM victim … is already exiting. Skip killing the task": the books did not count this one (facts 1.1). */
export interface SkipObservation extends Evidence {
  readonly kind: "skip";
  readonly source: "kernel-log";
  readonly tid: number;
  readonly incident: string | null;
}

/** A counter of the kernel, read at two moments: the change happened somewhere between them. */
export interface CounterObservation extends Evidence {
  readonly kind: "counter";
  readonly source: "cgroup" | "vmstat";
  readonly book: Book;
  /** When the counter was last seen at an earlier value, or its absence proved; `null` at the first reading ever. */
  readonly since: Instant | null;
  /** When this value was read; equal to `at`. */
  readonly oomKill: number;
  /** `null` where the kernel has no such counter (before 5.17, v1, vmstat). */
  readonly oomGroupKill: number | null;
  /** First reading of a book that may have counted kills before anybody watched. */
  readonly baseline: boolean;
  /** The cgroup is gone: no later reading will come. */
  readonly final: boolean;
}

/** Limits in force around a cgroup when a kill pointed at it: the log's own words are rate-limited away in a storm. */
export interface LimitsObservation extends Evidence {
  readonly kind: "limits";
  readonly source: "cgroup";
  readonly path: string;
  /** The cgroup itself and its ancestors that have a finite limit, innermost first. */
  readonly chain: readonly { readonly path: string; readonly limitBytes: number }[];
}

/** One book of the kernel. `subtree` counts descendants too (v2 memory.events); `local` does not. */
export type Book =
  | { readonly kind: "node" }
  | {
      readonly kind: "cgroup";
      readonly path: string;
      readonly id: number | null;
      readonly version: 1 | 2;
      readonly extent: "local" | "subtree";
      /** memory.max / memory.limit_in_bytes in bytes; `null` when unlimited or unread. */
      readonly limitBytes: number | null;
    };

export type Observation =
  | KillObservation
  | GroupObservation
  | SkipObservation
  | CounterObservation
  | LimitsObservation;
