import type { Constraint, SourceName } from "./observation.ts";

/** The public contract: one JSON line each. Unknown is `null`, never 0 or "". `record-schema.ts` holds the same as a schema. */
export type OutputRecord =
  | KillRecord
  | ExitRecord
  | UserspaceKillRecord
  | LedgerRecord
  | SourceRecord;

export type Outcome =
  | "killed"
  | "selected"
  | "summary"
  | "reaped"
  | "unknown"
  | "none-killable"
  | "panic"
  /** The same kill as the record that `incident.id` names: no kill of its own. */
  | "duplicate"
  /** Somebody told of it, and no counter of the kernel moved: as a forged line or event looks. Not counted as a kill. */
  | "unconfirmed";
export type Visibility = "visible" | "invisible" | "pending" | "unknown";
export type Attribution = "exact" | "inferred" | "none";
/**
 * What named the kill's cgroup. `probe`, `kernel-log`, `proc` (the dying process's /proc/PID/cgroup) name it with the kill:
 * `exact`. `counter` (a cgroup's counter has a kill that fits) and `neighbour` (its group kill's cgroup, or its parent's)
 * conclude it: `inferred`. `null` when the cgroup is not known.
 */
export type Basis = "probe" | "kernel-log" | "proc" | "counter" | "neighbour" | null;
export type LimitScope =
  | "container"
  | "pod"
  | "ancestor"
  | "node"
  | "cpuset"
  | "mempolicy"
  | "cgroup"
  | null;

export interface VictimRecord {
  readonly pid: number | null;
  readonly tid: number | null;
  readonly comm: string | null;
  readonly uid: number | null;
  readonly oomScoreAdj: number | null;
  readonly main: boolean | null;
  readonly totalVmBytes: number | null;
  readonly anonRssBytes: number | null;
  readonly fileRssBytes: number | null;
  readonly shmemRssBytes: number | null;
  readonly pageTableBytes: number | null;
}

export interface ContainerRecord {
  readonly runtime: string;
  readonly id: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly imageId: string | null;
  readonly restarts: number | null;
}

export interface PodRecord {
  readonly namespace: string | null;
  readonly name: string | null;
  readonly uid: string | null;
  readonly container: string | null;
  readonly qosClass: string | null;
  readonly owner: { readonly kind: string; readonly name: string } | null;
}

export interface KillRecord {
  readonly type: "kill";
  /** From evidence only: the same on replay and restart. */
  readonly id: string;
  /** 0 when opened; one more with each amendment. */
  readonly revision: number;
  /** RFC 3339 with microseconds. */
  readonly at: string;
  readonly node: string;
  readonly bootId: string;
  readonly incident: { readonly id: string; readonly group: boolean };
  readonly victim: VictimRecord;
  readonly trigger: { readonly pid: number | null; readonly comm: string | null } | null;
  readonly outcome: Outcome;
  readonly limit: {
    readonly scope: LimitScope;
    readonly constraint: Constraint;
    readonly cgroup: string | null;
    readonly bytes: number | null;
  };
  readonly cgroup: {
    readonly path: string | null;
    readonly id: number | null;
    readonly version: 1 | 2 | null;
  };
  readonly container: ContainerRecord | null;
  readonly pod: PodRecord | null;
  readonly unit: string | null;
  readonly visibility: Visibility;
  readonly attribution: Attribution;
  readonly basis: Basis;
  /** Found after the fact: nobody was watching when it happened. */
  readonly recovered: boolean;
  readonly witnesses: readonly SourceName[];
}

/** Whether an exit really was an OOM kill; see docs/api.md. */
export type Verdict = "oom-killed" | "not-oom" | "oom-unreported" | "oom-stale" | "unknown";

/**
 * The main process of a container ended. Told after the kills of its run, and again, with the same id and the next revision,
 * when an end that was concluded is heard, or evidence changes the verdict.
 */
export interface ExitRecord {
  readonly type: "exit";
  /** Of the container and the end as it was first told. */
  readonly id: string;
  /** 0 when opened; one more with each amendment. */
  readonly revision: number;
  /** RFC 3339 with microseconds. */
  readonly at: string;
  readonly container: ContainerRecord;
  readonly pod: PodRecord | null;
  /** 0 … 255; `null` when the runtime does not know. */
  readonly exitCode: number | null;
  /** The signal that ended it, by the exit code's convention (137: 9); `null` when none. */
  readonly signal: number | null;
  readonly verdict: Verdict;
  /** Ids of the kills in this run of the container, oldest first; at most the last 100. */
  readonly kills: readonly string[];
}

/** A program that watches memory killed something: no kernel kill, and never counted as one. */
export interface UserspaceKillRecord {
  readonly type: "userspace-kill";
  /** `systemd-oomd`, `earlyoom`, `kubelet`, … */
  readonly tool: string;
  readonly at: string | null;
  readonly pid: number | null;
  readonly comm: string | null;
  readonly cgroup: string | null;
  readonly reason: string | null;
}

/** The books, side by side, since they were opened. */
export interface LedgerRecord {
  readonly type: "ledger";
  /** Kills in the node's own book, group double counts taken off; `null` where the kernel keeps none. */
  readonly kernel: number | null;
  readonly recorded: number;
  /** Kills in the kernel's books that no record explains; negative when records exceed them. */
  readonly unaccounted: number | null;
  /** Recorded kills whose cgroup is not known. */
  readonly unattributed: number;
}

/** `blind`: it runs, and misses kills that others see. */
export type SourceState = "up" | "down" | "blind" | "unavailable";

export interface SourceRecord {
  readonly type: "source";
  readonly source: SourceName;
  readonly state: SourceState;
  /** Why it is not up and what would enable it; `null` when up. */
  readonly reason: string | null;
  /** Pieces of evidence this source knows it lost since the agent started. */
  readonly lost: number;
  /** Kills since the agent started that others saw, and this source did not though it was watching. */
  readonly missed: number;
}
