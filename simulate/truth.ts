import type { Constraint } from "../src/model/observation.ts";

/** What really happened on the simulated machine. Only the world and the checkers know it; all times µs, monotonic. */
export interface Truth {
  readonly kernel: Kernel;
  /** The agent's first start; kills before it are history. */
  readonly startsAt: number;
  /** Nothing new happens after it. */
  readonly endsAt: number;
  readonly cgroups: readonly Cgroup[];
  readonly incidents: readonly Incident[];
  readonly phantoms: readonly Phantom[];
}

/** What this kernel has and prints. */
export interface Kernel {
  readonly version: 1 | 2;
  /** v2: memory.events has oom_group_kill (5.17+). */
  readonly groupCounter: boolean;
  /** /proc/vmstat and the cgroups count oom_kill (4.13+). */
  readonly counters: boolean;
  /** mark_victim prints more than the pid (6.9, and stable backports). */
  readonly richMark: boolean;
  /** The task table is printed (vm.oom_dump_tasks), from which the thread group is known. */
  readonly taskTable: boolean;
}

export interface Cgroup {
  readonly path: string;
  /** Inode; a cgroup made again under the same name has another one. */
  readonly id: number;
  readonly parent: Cgroup | null;
  /** memory.oom.group is set. */
  readonly group: boolean;
  readonly limitBytes: number | null;
  readonly bornAt: number;
  /** When its directory is removed; infinity when never. */
  goneAt: number;
}

/** One run of the OOM killer. */
export interface Incident {
  readonly number: number;
  /** First moment: the report begins. */
  readonly at: number;
  readonly trigger: { readonly pid: number; readonly comm: string };
  readonly constraint: Constraint;
  /** Whose limit was hit; null for the node. */
  readonly limit: Cgroup | null;
  /** The cgroup with memory.oom.group that was killed as a whole. */
  readonly group: Cgroup | null;
  /** The first victim is first. */
  readonly kills: readonly TrueKill[];
}

export interface TrueKill {
  /** The moment of SIGKILL. */
  readonly at: number;
  /** What the kernel prints: a thread id when the leader had exited. */
  readonly tid: number;
  readonly tgid: number;
  readonly comm: string;
  readonly uid: number;
  readonly cgroup: Cgroup;
  readonly incident: number;
  /** False for a process that dies because it shares the victim's memory. */
  readonly counted: boolean;
  /** When the books got a second entry of it (first victim of a group kill); null when they did not. */
  readonly repeatedAt: number | null;
  /** When its /proc/PID goes. */
  readonly goneAt: number;
  readonly anonKilobytes: number;
}

/** mark_victim without a kill: the victim was dying already. */
export interface Phantom {
  readonly at: number;
  readonly tid: number;
  readonly comm: string;
  readonly cgroup: Cgroup;
}

export function isBelow(inner: Cgroup, outer: Cgroup): boolean {
  for (let at: Cgroup | null = inner; at !== null; at = at.parent) if (at === outer) return true;
  return false;
}

export function allKills(truth: Truth): TrueKill[] {
  return truth.incidents.flatMap((incident) => incident.kills);
}
