/**
 * The lines that name cgroups (facts 1.1). All are printed in pieces (`pr_cont`) and may arrive in several records:
 *
 *     oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/b,task_memcg=/b/a,\
 *       task=tool,pid=105,uid=0                                                                             5.0 …
 *     oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a,task=…
 *     Task in /b/a killed as a result of limit of /b                                                        … 4.20
 *     Tasks in /b/a are going to be killed due to memory.oom.group set                                      4.19 …
 *
 * Names of cgroups and of the task can hold commas and keys of this very line (`,pid=1`): it is read from the right, and
 * of several readings the one is taken in which the victim's cgroup lies below the one whose limit was hit.
 */
import type { Constraint } from "../model/observation.ts";

export interface SummaryLine {
  readonly kind: "summary";
  readonly constraint: Constraint;
  /** The cgroup whose limit was hit; `null` for the node's memory or when the line is cut. */
  readonly limitCgroup: string | null;
  readonly victimCgroup: string | null;
  readonly comm: string | null;
  /** Thread group id (with oom_kill_allocating_task: thread id); `null` when the line is cut. */
  readonly pid: number | null;
  readonly uid: number | null;
}

export interface TaskInLine {
  readonly kind: "task-in";
  readonly victimCgroup: string;
  readonly limitCgroup: string;
}

export interface GroupLine {
  readonly kind: "group";
  readonly cgroup: string;
}

const SUMMARY_START = "oom-kill:constraint=";
/** 5.0-rc printed the uid with its sign. */
const TAIL = /,pid=(\d{1,10}),uid=(-?\d{1,10})\s*$/;
const TASK_KEY = ",task=";
const VICTIM_KEY = ",task_memcg=";
const LIMIT_KEY = ",oom_memcg=";
const MAX_COMM_CHARACTERS = 15;
/** Readings tried of one hostile line. */
const MAX_READINGS = 8;

/** By the word behind `CONSTRAINT_`. */
export const CONSTRAINTS: Readonly<Record<string, Constraint>> = {
  NONE: "none",
  CPUSET: "cpuset",
  MEMORY_POLICY: "memory_policy",
  MEMCG: "memcg",
};

export function parseSummary(text: string): SummaryLine | null {
  if (!text.startsWith(SUMMARY_START)) return null;
  const name = /^oom-kill:constraint=CONSTRAINT_([A-Z_]{1,20})/.exec(text)?.[1] ?? "";
  const constraint = CONSTRAINTS[name] ?? null;
  const tail = TAIL.exec(text);
  if (tail === null) return { ...UNKNOWN, constraint };
  const body = text.slice(0, tail.index);
  const taskAt = findTask(body);
  if (taskAt < 0) return { ...UNKNOWN, constraint };
  return {
    kind: "summary",
    constraint,
    ...readCgroups(body.slice(0, taskAt)),
    comm: body.slice(taskAt + TASK_KEY.length),
    pid: Number(tail[1]),
    uid: Number(tail[2]) >>> 0,
  };
}

const UNKNOWN: SummaryLine = {
  kind: "summary",
  constraint: null,
  limitCgroup: null,
  victimCgroup: null,
  comm: null,
  pid: null,
  uid: null,
};

/** The leftmost `,task=` that leaves a name of at most 15 characters: the name itself may hold the key. */
function findTask(body: string): number {
  const earliest = Math.max(0, body.length - TASK_KEY.length - MAX_COMM_CHARACTERS);
  const within = body.indexOf(TASK_KEY, earliest);
  return within >= 0 ? within : body.lastIndexOf(TASK_KEY);
}

type Cgroups = Pick<SummaryLine, "limitCgroup" | "victimCgroup">;

function readCgroups(text: string): Cgroups {
  const global = text.indexOf(`,global_oom${VICTIM_KEY}`);
  const limit = text.indexOf(`${LIMIT_KEY}/`);
  if (global >= 0 && (limit < 0 || global < limit)) {
    return {
      limitCgroup: null,
      victimCgroup: asPath(text.slice(global + 11 + VICTIM_KEY.length)),
    };
  }
  if (limit >= 0) return splitPaths(text.slice(limit + LIMIT_KEY.length), VICTIM_KEY);
  const victim = text.indexOf(VICTIM_KEY);
  return {
    limitCgroup: null,
    victimCgroup: victim < 0 ? null : asPath(text.slice(victim + VICTIM_KEY.length)),
  };
}

/** `LIMIT key VICTIM`, with the key perhaps inside one of the paths. */
function splitPaths(text: string, key: string): Cgroups {
  let first: Cgroups | null = null;
  let at = text.indexOf(key);
  for (let reading = 0; at >= 0 && reading < MAX_READINGS; reading++) {
    const limitCgroup = asPath(text.slice(0, at));
    const victimCgroup = asPath(text.slice(at + key.length));
    if (limitCgroup !== null && isWithin(victimCgroup, limitCgroup)) {
      return { limitCgroup, victimCgroup };
    }
    first ??= { limitCgroup, victimCgroup };
    at = text.indexOf(key, at + 1);
  }
  return first ?? { limitCgroup: null, victimCgroup: null };
}

function isWithin(inner: string | null, outer: string): boolean {
  if (inner === null) return false;
  return outer === "/" || inner === outer || inner.startsWith(`${outer}/`);
}

function asPath(text: string): string | null {
  return text.startsWith("/") ? text : null;
}

const TASK_IN = "Task in ";
const RESULT = " killed as a result of limit of ";

export function parseTaskIn(text: string): TaskInLine | null {
  if (!text.startsWith(TASK_IN) || !text.includes(RESULT)) return null;
  const body = text.slice(TASK_IN.length).trimEnd();
  let chosen: TaskInLine | null = null;
  let at = body.indexOf(RESULT);
  for (let reading = 0; at >= 0 && reading < MAX_READINGS; reading++) {
    const victimCgroup = asPath(body.slice(0, at));
    const limitCgroup = asPath(body.slice(at + RESULT.length));
    if (victimCgroup !== null && limitCgroup !== null) {
      const line: TaskInLine = { kind: "task-in", victimCgroup, limitCgroup };
      if (isWithin(victimCgroup, limitCgroup)) return line;
      chosen ??= line;
    }
    at = body.indexOf(RESULT, at + 1);
  }
  return chosen;
}

const GROUP = /^Tasks in (\/[\s\S]*) are going to be killed due to memory\.oom\.group set\s*$/;

export function parseGroup(text: string): GroupLine | null {
  if (!text.startsWith("Tasks in /")) return null;
  const cgroup = GROUP.exec(text)?.[1];
  return cgroup === undefined ? null : { kind: "group", cgroup };
}
