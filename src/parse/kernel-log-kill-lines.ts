/**
 * The lines of mm/oom_kill.c that name a victim (facts 1.1), one sample a format:
 *
 *     Killed process 3462 (perl) vsz:1972392kB, anon-rss:1953348kB, file-rss:0kB                           2.6.33
 *     Killed process 10212, UID 0, (java) total-vm:13098572kB, anon-rss:5027928kB, file-rss:208kB          2.6.32 (el6)
 *     Killed process 13536 (memorymonster) total-vm:33558652kB, anon-rss:920kB, file-rss:452kB             3.4
 *     Killed process 9163 (mysqld), UID 27, total-vm:…                                                     3.10 (el7)
 *     Out of memory: Killed process 348 (polkitd) total-vm:…, shmem-rss:0kB                                5.1
 *     Memory cgroup out of memory: Killed process 105 (tool) total-vm:21572kB, anon-rss:20268kB, \
 *       file-rss:4kB, shmem-rss:712kB, UID:0 pgtables:76kB oom_score_adj:0                                 5.4 … 7.2
 *     Memory cgroup out of memory: Kill process 3897 (stress) score 1001 or sacrifice child                ≤ 5.0
 *     Kill process 3898 (stress) sharing same memory                                                       ≤ 4.5
 *     Memory cgroup out of memory: OOM victim 12 (x) is already exiting. Skip killing the task             5.7 …
 *
 * Who types a line from a screen may put a blank behind a colon or before a unit. The name in parentheses is whatever the process calls itself, 15 bytes of anything: it is read from the right.
 */

/** What ran out, by the words in front of the colon. */
export type KillScope = "memcg" | "global" | "allocating-task";

export interface KilledLine {
  readonly kind: "killed";
  /** `null` before 5.1, where the line begins with `Killed process`. */
  readonly scope: KillScope | null;
  readonly tid: number;
  /** `null` when the line is cut before the name's end. */
  readonly comm: string | null;
  readonly uid: number | null;
  readonly oomScoreAdj: number | null;
  readonly totalVmBytes: number | null;
  readonly anonRssBytes: number | null;
  readonly fileRssBytes: number | null;
  readonly shmemRssBytes: number | null;
  readonly pageTableBytes: number | null;
}

/** ≤ 5.0: the process chosen; the one killed may be a child of it. */
export interface SelectionLine {
  readonly kind: "selection";
  readonly scope: KillScope;
  readonly pid: number;
  readonly comm: string;
}

export interface SharingLine {
  readonly kind: "sharing";
  readonly pid: number;
  readonly comm: string;
}

export interface SkipLine {
  readonly kind: "skip";
  readonly tid: number;
  readonly comm: string;
}

export type KillLine = KilledLine | SelectionLine | SharingLine | SkipLine;

const START =
  /^(?:(Memory cgroup out of memory|Out of [Mm]emory)( \(oom_kill_allocating_task\))?: )?(Killed process|[Kk]ill process|OOM victim) (\d{1,10})(?!\d)/;
const WITH_MEMORY =
  /^(?:, UID (\d+),)? \(([\s\S]*)\)(?:, UID (\d+),)? ((?:total-vm|vsz|anon-rss):[\s\S]*)$/;
const WITHOUT_MEMORY = /^(?:, UID (\d+),)? \(([\s\S]*)\)/;
const SELECTION = /^ \(([\s\S]*)\) score \d+ (?:or sacrifice child|or a child)/;
const SHARING = /^ \(([\s\S]*)\) sharing same memory/;
const SKIP = /^ \(([\s\S]*)\) is already exiting\. Skip killing the task/;

/** Longer than any name a kernel has printed; a longer one is not a kernel's line. */
const MAX_COMM_CHARACTERS = 64;
const MAX_KILL_LINE_CHARACTERS = 1024;

export function parseKillLine(text: string): KillLine | null {
  if (text.length > MAX_KILL_LINE_CHARACTERS) return null;
  const start = START.exec(text);
  if (start === null) return null;
  const scope = scopeOf(start[1], start[2]);
  const pid = Number(start[4]);
  const rest = text.slice(start[0].length);
  if (start[3] === "Killed process") return killed(scope, pid, rest);
  if (start[3] === "OOM victim") return named("skip", SKIP, rest, pid);
  const sharing = named("sharing", SHARING, rest, pid);
  if (sharing !== null) return scope === null ? sharing : null;
  const comm = SELECTION.exec(rest)?.[1];
  if (scope === null || comm === undefined || comm.length > MAX_COMM_CHARACTERS) return null;
  return { kind: "selection", scope, pid, comm };
}

function scopeOf(prefix: string | undefined, suffix: string | undefined): KillScope | null {
  if (prefix === undefined) return null;
  if (prefix.startsWith("Memory cgroup")) return "memcg";
  return suffix === undefined ? "global" : "allocating-task";
}

function named(kind: "sharing", form: RegExp, rest: string, pid: number): SharingLine | null;
function named(kind: "skip", form: RegExp, rest: string, pid: number): SkipLine | null;
function named(
  kind: "sharing" | "skip",
  form: RegExp,
  rest: string,
  pid: number,
): SharingLine | SkipLine | null {
  const comm = form.exec(rest)?.[1];
  if (comm === undefined || comm.length > MAX_COMM_CHARACTERS) return null;
  return kind === "sharing" ? { kind, pid, comm } : { kind, tid: pid, comm };
}

function killed(scope: KillScope | null, tid: number, rest: string): KilledLine | null {
  const full = WITH_MEMORY.exec(rest) ?? WITHOUT_MEMORY.exec(rest);
  if (full === null && !/^(?:, UID|$| $| \()/.test(rest)) return null;
  const comm = full?.[2] ?? null;
  if (comm !== null && comm.length > MAX_COMM_CHARACTERS) return null;
  const memory = full?.[4] ?? "";
  return {
    kind: "killed",
    scope,
    tid,
    comm,
    uid: wholeNumber(full?.[1] ?? full?.[3] ?? /UID: ?(\d+)/.exec(memory)?.[1]),
    oomScoreAdj: wholeNumber(/oom_score_adj: ?(-?\d+)/.exec(memory)?.[1]),
    totalVmBytes: kilobytes(/(?:total-vm|vsz): ?(\d+) ?kB/.exec(memory)?.[1]),
    anonRssBytes: kilobytes(/anon-rss: ?(\d+) ?kB/.exec(memory)?.[1]),
    fileRssBytes: kilobytes(/file-rss: ?(\d+) ?kB/.exec(memory)?.[1]),
    shmemRssBytes: kilobytes(/shmem-rss: ?(\d+) ?kB/.exec(memory)?.[1]),
    pageTableBytes: kilobytes(/pgtables: ?(\d+) ?kB/.exec(memory)?.[1]),
  };
}

function wholeNumber(digits: string | undefined): number | null {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : null;
}

/** kB of the kernel's are KiB. */
function kilobytes(digits: string | undefined): number | null {
  return wholeNumber(digits === undefined ? undefined : String(Number(digits) * 1024));
}
