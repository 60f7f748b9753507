/**
 * Lines that mail programs and terminals broke, and pieces that other processors printed between:
 *
 *     [   36.125003] Out of memory: Killed process 348 (polkitd)
 *     total-vm:78084kB, anon-rss:2980kB, file-rss:8148kB, shmem-rss:0kB,
 *     UID:998 pgtables:64kB oom_score_adj:0
 *
 * Two lines become one only where their sum says more of the kernel's own grammar than the first alone.
 */
import { parseKillLine } from "./kernel-log-kill-lines.ts";
import { parseGroup, parseTaskIn } from "./kernel-log-summary.ts";
import { parseDetailLine, releaseOf } from "./report-detail.ts";
import { parseReportHeader } from "./report-line.ts";
import {
  hasKnownColumns,
  isAligned,
  isTableHeader,
  isTableRow,
  isWholeRow,
  parseTableHeader,
  type TableHeader,
} from "./report-table.ts";

/** What a line that may go on is; `null`: it is whole, or nobody's. */
export type OpenKind =
  | "summary"
  | "kill"
  | "header"
  | "task-in"
  | "group"
  | "table-header"
  | "row"
  | "zone"
  | "buddy"
  | "stats"
  | "usage"
  | "stack"
  | "fragment";

/** Two cgroup paths of 4 KiB fit. */
const MAX_JOINED_CHARACTERS = 10_000;

/** Whether a line can go on in the next one, and as what. */
export function openKind(text: string, table: TableHeader | null): OpenKind | null {
  switch (text.charAt(0)) {
    case "o":
      if (text.startsWith("oom-kill:con")) return /,uid=\d+\s*$/.test(text) ? null : "summary";
      return isFragment(text) ? "fragment" : null;
    case "[":
      if (isTableHeader(text))
        return parseTableHeader(text) === null || !text.trimEnd().endsWith(" name")
          ? "table-header"
          : null;
      return isTableRow(text) && table !== null && !isWholeRow(text, table) ? "row" : null;
    case "T":
      if (text.startsWith("Tasks in /")) return parseGroup(text) === null ? "group" : null;
      if (text.startsWith("Task in /")) return "task-in";
      break;
    case "M":
      if (text.startsWith("Memory cgroup stats for")) return "stats";
      break;
    default:
      break;
  }
  return otherKind(text);
}

function otherKind(text: string): OpenKind | null {
  if (/(?:Killed|[Kk]ill) process \d|OOM victim \d/.test(text))
    return isKillStart(text) ? "kill" : null;
  if (/^[^\n]{1,45} invoked(?: oom-killer:|$)|^oom-killer: gfp/.test(text)) {
    return /oom_score_adj=-?\d+\s*$/.test(text) ? null : "header";
  }
  if (/^(?:memory(?:\+swap)?|kmem|swap): usage/.test(text))
    return /failcnt \d+$/.test(text) ? null : "usage";
  if (/^(?:CPU: \d+ |Pid: \d)/.test(text)) return releaseOf(text) === null ? "stack" : null;
  if (ZONE.test(text)) return "zone";
  if (/^(?:Node \d+ )?[A-Z]\w{2,8}: \d+\*\d+kB/.test(text))
    return / = \d+kB/.test(text) ? null : "buddy";
  return isFragment(text) ? "fragment" : null;
}

const ZONE = /^(?:Node \d+ )?(?:active_anon:\d+kB|[A-Z]\w{2,8} free:\d+kB)/;
/** How lines that decide begin: of a part of it the rest stands on the next line. */
const BEGINNINGS: readonly string[] = [
  "Memory cgroup out of memory: Killed process ",
  "Memory cgroup out of memory: Kill process ",
  "Memory cgroup out of memory: OOM victim ",
  "Memory cgroup out of memory and no killable processes...",
  "Out of memory: Killed process ",
  "Out of memory: Kill process ",
  "Out of memory: kill process ",
  "Out of memory: OOM victim ",
  "Out of memory and no killable processes...",
  "Out of Memory: Killed process ",
  "Out of memory (oom_kill_allocating_task): Killed process ",
  "Out of memory (oom_kill_allocating_task): Kill process ",
  "No available memory (MPOL_BIND): kill process ",
  "Killed process ",
  "Kill process ",
  "oom-kill:constraint=CONSTRAINT_",
  "oom_reaper: reaped process ",
  "Task in /",
  "Tasks in /",
  "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
  "Kernel panic - not syncing: System is deadlocked on memory",
];
const HEADER_BEGINNING =
  /^[^\n]{1,45} (?:inv[a-z]*|invoked oom[-a-z]*:?(?: g[a-z_]*=?(?:0x?)?)?)\s*$/;

function isFragment(text: string): boolean {
  const start = text.trimEnd();
  // Prose begins with "Out" and "Task", too; it does no harm, only the next line can make it a line of a report.
  if (start.length < 3) return false;
  return (
    BEGINNINGS.some((whole) => whole.startsWith(start) && whole.trimEnd() !== start.concat(".")) ||
    HEADER_BEGINNING.test(text) ||
    /^Out of memory in UB \d{1,10}: OOM(?: killed(?: process)?)?\s*$/.test(text)
  );
}

function isKillStart(text: string): boolean {
  const line = parseKillLine(text);
  if (line?.kind === "killed") return line.oomScoreAdj === null;
  return line === null && /^(?:Memory cgroup out of memory|Out of [Mm]emory|Kill)/.test(text);
}

/** The two as one line, or `null` when the second is none of the first. `own`: it has a prefix of its own. */
export function joinLines(
  kind: OpenKind,
  open: string,
  piece: string,
  own: boolean,
  table: TableHeader | null,
): string | null {
  if (open.length + piece.length > MAX_JOINED_CHARACTERS || piece === "") return null;
  const tried = JOINS[kind](open, piece, own, table);
  return tried;
}

type Join = (open: string, piece: string, own: boolean, table: TableHeader | null) => string | null;

const JOINS: Readonly<Record<OpenKind, Join>> = {
  summary: joinSummary,
  kill: (open, piece, own) => (own ? null : best(open, piece, killScore)),
  header: joinHeader,
  "task-in": joinTaskIn,
  group: (open, piece) => best(open, piece, (text) => (parseGroup(text) === null ? 0 : 1)),
  "table-header": (open, piece, own) => (own ? null : joinTableHeader(open, piece)),
  row: joinRow,
  zone: (open, piece, own) => (!own && VALUES.test(piece) ? `${open.trimEnd()} ${piece}` : null),
  buddy: (open, piece, own) =>
    !own && /^(?:\d+\*\d+kB|\([A-Z]+\)|= \d)/.test(piece) ? `${open.trimEnd()} ${piece}` : null,
  stats: joinStats,
  usage: (open, piece, own) =>
    own
      ? null
      : best(open, piece, (text) =>
          parseDetailLine(text)?.kind === "usage" ? (/failcnt \d/.test(text) ? 2 : 1) : 0,
        ),
  stack: (open, piece, own) =>
    own
      ? null
      : best(
          open,
          piece,
          (text) => (/tainted/.test(text) ? 1 : 0) + (releaseOf(text) === null ? 0 : 1),
        ),
  fragment: (open, piece, own) => (own ? null : best(open, piece, lineScore)),
};

const VALUES = /^(?:[a-z_]+(?:\([a-z]+\))?: ?\d+[kK]B|all_unreclaimable\?)/;

/** Together without or with a blank, whichever says more; `null` when neither says more than the first line alone. */
function best(open: string, piece: string, score: (text: string) => number): string | null {
  const glued = open + piece;
  const spaced = `${open.trimEnd()} ${piece}`;
  const [alone, one, other] = [score(open), score(glued), score(spaced)];
  if (Math.max(one, other) <= alone) return null;
  return one >= other ? glued : spaced;
}

const KILL_PARTS: readonly RegExp[] = [
  /(?:(?:Memory cgroup out of memory|Out of [Mm]emory)(?: \(oom_kill_allocating_task\))?: )?(?:Killed|[Kk]ill) process \d{1,10}(?:, UID \d+,)?/y,
  / \([^\n]{0,64}?\)(?:, UID \d+,)?(?= |\.|$)/y,
  / (?:total-vm: ?\d+ ?kB|score \d+)/y,
  /(?:, anon-rss: ?\d+ ?kB| or sacrifice child| or a child)/y,
  /, file-rss: ?\d+ ?kB/y,
  /, shmem-rss: ?\d+ ?kB/y,
  /, UID: ?\d+/y,
  / pgtables: ?\d+ ?kB/y,
  / oom_score_adj: ?-?\d+/y,
];

/** How many parts of a kill line stand there, in their order. */
function killScore(text: string): number {
  let at = 0;
  let score = 0;
  for (const part of KILL_PARTS) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) break;
    at = part.lastIndex;
    score += 1;
  }
  return score;
}

/** Kinds that may be broken into more pieces than two, anywhere: what is missing comes until the line is whole. */
const GROWING: ReadonlySet<OpenKind> = new Set([
  "summary",
  "kill",
  "header",
  "task-in",
  "group",
  "fragment",
]);

export function mayGrow(kind: OpenKind): boolean {
  return GROWING.has(kind);
}

/** More joints than these are all broken in the same way. */
const MAX_JOINTS = 5;

/**
 * The pieces as one line that is whole, or `null`. A terminal breaks anywhere, a mail program at blanks, and a blank at
 * the edge is lost: of all ways to join the one with the fewest blanks that makes a line of the kernel's.
 */
export function wholeLine(open: string, pieces: readonly string[]): string | null {
  const length = pieces.reduce((sum, piece) => sum + piece.length + 1, open.length);
  if (length > MAX_JOINED_CHARACTERS) return null;
  const ways = pieces.length > MAX_JOINTS ? [0, -1] : WAYS.slice(0, 2 ** pieces.length);
  const texts = ways
    .toSorted((a, b) => blanks(a) - blanks(b))
    .map((way) => joined(open, pieces, way));
  return texts.find(isWhole) ?? null;
}

const WAYS = Array.from({ length: 2 ** MAX_JOINTS }, (_none, way) => way);

function blanks(way: number): number {
  return way === 0 ? 0 : 1 + blanks(way & (way - 1));
}

/** Bit by bit of `way`: whether a blank stands at the joint. */
function joined(open: string, pieces: readonly string[], way: number): string {
  return pieces.reduce(
    (text, piece, joint) => ((way >> joint) & 1 ? `${text.trimEnd()} ${piece}` : text + piece),
    open,
  );
}

function isWhole(text: string): boolean {
  if (text.startsWith("oom-kill:con")) return /,uid=\d+\s*$/.test(text);
  if (text.startsWith("Tasks in /")) return parseGroup(text) !== null;
  if (text.startsWith("Task in /")) return parseTaskIn(text) !== null;
  if (/ and no killable processes\.\.\.$/.test(text)) return true;
  if (/^(?:Memory cgroup out|Out) of |^Killed process/.test(text))
    return /oom_score_adj: ?-?\d+$|or sacrifice child$|or a child$|Skip killing the task$/.test(
      text,
    );
  return (
    /, oom_score_adj=-?\d+$/.test(text) ||
    /^oom_reaper: reaped process .*shmem-rss:\d+kB$/.test(text) ||
    /panic_on_oom is enabled$|deadlocked on memory$/.test(text)
  );
}

function lineScore(text: string): number {
  if (killScore(text) > 0 || parseReportHeader(text) !== null) return 1;
  return /^(?:oom-kill:constraint=CONSTRAINT_|Tasks? in \/|Out of memory in UB \d+: OOM killed process \d)/.test(
    text,
  )
    ? 1
    : 0;
}

const SUMMARY_KEY =
  /^,?(?:nodemask|cpuset|mems_allowed|oom_memcg|global_oom|task_memcg|task|pid|uid)(?:=|,)/;
const SUMMARY_REST =
  /,(?:cpuset|mems_allowed|oom_memcg|global_oom|task_memcg|task|pid|uid)[=,]|^[\w.-]*,?[pu]id=\d/;

/** A log in the comment of a program's source. */
const COMMENT = /^(?:#+|\/\/|\*) +(?=[a-z_]{3,12}=)/;

function joinSummary(open: string, line: string, own: boolean): string | null {
  const piece = line.replace(COMMENT, "");
  if (SUMMARY_KEY.test(piece)) return `${open.trimEnd().replace(/(?<=,\.\.\.)$/, ",")}${piece}`;
  if (own) {
    const starts =
      /(?:memcg=|cpuset=)$/.test(open) && (piece.startsWith("/") || SUMMARY_REST.test(piece));
    return starts ? open + piece : null;
  }
  // Broken at the width of a terminal: anywhere, also inside a name.
  if (/^\S+\s*$/.test(piece) && !/^(?:\[|total|Out|Memory)/.test(piece))
    return open.trimEnd() + piece.trimEnd();
  return SUMMARY_REST.test(piece) ? open + piece : null;
}

const HEADER_KEY = /^(?:gfp_mask|nodemask|order|oom_score_adj|oom_adj|oomkilladj)=/;

function joinHeader(open: string, piece: string, own: boolean): string | null {
  if (own) return null;
  if (HEADER_KEY.test(piece)) return `${open.trimEnd()} ${piece}`;
  if (/ invoked\s*$/.test(open))
    return piece.startsWith("oom-killer:") ? `${open.trimEnd()} ${piece}` : null;
  return best(open, piece, headerScore);
}

function headerScore(text: string): number {
  const header = parseReportHeader(text);
  if (header === null) return 0;
  const { gfpMask, order, oomScoreAdj } = header;
  return [gfpMask, order, oomScoreAdj].reduce<number>(
    (sum, value) => sum + (value === null ? 0 : 1),
    1,
  );
}

function joinTaskIn(open: string, piece: string, own: boolean): string | null {
  const before = parseTaskIn(open);
  if (before === null)
    return (
      best(open, piece, (text) => (parseTaskIn(text) === null ? 0 : 1)) ?? growTaskIn(open, piece)
    );
  if (own) return null;
  const limit = before.limitCgroup + piece.trim();
  const within = before.victimCgroup === limit || before.victimCgroup.startsWith(`${limit}/`);
  return within ? open.trimEnd() + piece.trim() : null;
}

/** Pieces of `Task in ` + `/l/c` + ` killed as a result of limit of ` + `/l`. */
function growTaskIn(open: string, piece: string): string | null {
  if (/^(?:Task in |.* limit of )$/.test(open)) return piece.startsWith("/") ? open + piece : null;
  return piece.includes("killed as a result of limit of")
    ? `${open} ${piece.trimStart()}`.replace("  ", " ")
    : null;
}

/** A terminal breaks inside the names of columns, mail between them. */
function joinTableHeader(open: string, piece: string): string | null {
  if (!/^[a-z_]+(?: +[a-z_]+)*\s*$/.test(piece)) return null;
  const ways = [open + piece, `${open.trimEnd()} ${piece}`];
  return ways.find(hasKnownColumns) ?? null;
}

function joinRow(
  open: string,
  piece: string,
  own: boolean,
  table: TableHeader | null,
): string | null {
  if (own || table === null || isTableRow(piece)) return null;
  const ways = [open + piece, `${open.trimEnd()} ${piece}`].filter((way) => isWholeRow(way, table));
  // The kernel pads its columns: a name stands below `name`, but for numbers that are too long for theirs.
  return ways.find((way) => isAligned(way, table)) ?? ways.at(-1) ?? null;
}

function joinStats(open: string, piece: string, own: boolean): string | null {
  if (/^Memory cgroup stats for\s*$/.test(open))
    return piece.startsWith("/") ? `${open.trimEnd()} ${piece}` : null;
  if (own || !/\d+KB\s*$/.test(open)) return null;
  return /^[a-z_]+:\d+KB/.test(piece) ? `${open.trimEnd()} ${piece}` : null;
}
