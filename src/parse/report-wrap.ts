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
      return FRAGMENT.test(text) ? "fragment" : null;
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
  return FRAGMENT.test(text) ? "fragment" : null;
}

const ZONE = /^(?:Node \d+ )?(?:active_anon:\d+kB|[A-Z]\w{2,8} free:\d+kB)/;
/** The head of a line that decides, cut before it can be known. */
const FRAGMENT =
  /^(?:Memory cgroup(?: o.{0,20})?|Memory|Out(?: of?)?|Out of [Mm][a-z]*:?(?: [Kk]ill[a-z]*(?: pr[a-z]*)?)?|Memory cgroup out of.{0,30}|Kill(?:ed?)?|Killed p[a-z]*|oom-k[a-z]*|Task(?:s? in)?|Kernel panic.{0,30})\s*$|(?: inv[a-z]*| invoked oom[-a-z]*)\s*$/;

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
  "table-header": (open, piece, own) =>
    !own && /^[a-z_]+(?: +[a-z_]+)*\s*$/.test(piece) ? `${open.trimEnd()} ${piece}` : null,
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
  / (?:total-vm:\d+kB|score \d+)/y,
  /(?:, anon-rss:\d+kB| or sacrifice child| or a child)/y,
  /, file-rss:\d+kB/y,
  /, shmem-rss:\d+kB/y,
  /, UID:\d+/y,
  / pgtables:\d+kB/y,
  / oom_score_adj:-?\d+/y,
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

function lineScore(text: string): number {
  if (killScore(text) > 0 || parseReportHeader(text) !== null) return 1;
  return /^(?:oom-kill:constraint=CONSTRAINT_|Tasks? in \/)/.test(text) ? 1 : 0;
}

const SUMMARY_KEY =
  /^,?(?:nodemask|cpuset|mems_allowed|oom_memcg|global_oom|task_memcg|task|pid|uid)(?:=|,)/;
const SUMMARY_REST =
  /,(?:cpuset|mems_allowed|oom_memcg|global_oom|task_memcg|task|pid|uid)[=,]|^[\w.-]*,?[pu]id=\d/;

function joinSummary(open: string, piece: string, own: boolean): string | null {
  if (SUMMARY_KEY.test(piece)) return open.trimEnd() + piece;
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
    return piece.startsWith("oom-killer: ") ? `${open.trimEnd()} ${piece}` : null;
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

function joinRow(
  open: string,
  piece: string,
  own: boolean,
  table: TableHeader | null,
): string | null {
  if (own || table === null || isTableRow(piece)) return null;
  const spaced = `${open.trimEnd()} ${piece}`;
  return isWholeRow(spaced, table) ? spaced : null;
}

function joinStats(open: string, piece: string, own: boolean): string | null {
  if (/^Memory cgroup stats for\s*$/.test(open))
    return piece.startsWith("/") ? `${open.trimEnd()} ${piece}` : null;
  if (own || !/\d+KB\s*$/.test(open)) return null;
  return /^[a-z_]+:\d+KB/.test(piece) ? `${open.trimEnd()} ${piece}` : null;
}
