import { countsText, totalOf } from "../explain/counts.ts";
import { ANSI, type LayoutOptions, PLAIN, wrapped } from "../explain/layout.ts";
import { foldsMarkdown } from "../explain/markdown.ts";
import { renderFolds, renderKill } from "../explain/text.ts";
import type { ExplainedKill } from "../model/explanation.ts";
import type { UserspaceKillRecord } from "../model/record.ts";
import { type LineOptions, paint } from "../sinks/terminal-style.ts";
import { safeText } from "../sinks/terminal-text.ts";
import { bytesText, compactPath } from "../sinks/terminal-words.ts";
import type { KillShelf } from "./explain-shelf.ts";
import { formatTable, type TableColumn } from "./table.ts";

export interface PageOptions {
  readonly lines: LineOptions;
  /** Every kind with its evidence. */
  readonly all: boolean;
  /** One line for each kill, no stories. */
  readonly list: boolean;
}

/** Longer lines are hard to read, however wide the terminal. */
const WIDEST = 100;
const USERSPACE_SHOWN = 20;

/** What `explain` prints for people. */
export function explainPage(shelf: KillShelf, options: PageOptions): string {
  const parts = [
    killsPart(shelf, options),
    userspacePart(shelf, options),
    hint(shelf, options),
  ].filter((part) => part !== "");
  return parts.join("\n");
}

function killsPart(shelf: KillShelf, options: PageOptions): string {
  if (totalOf(shelf.folds.counts) === 0) return "";
  if (options.list) return `${killTable(shelf.list, options.lines).join("\n")}\n`;
  return ascii(renderFolds(shelf.folds, layoutOf(options)), options);
}

/** The story of one kill. */
export function killStory(kill: ExplainedKill, lines: LineOptions): string {
  const options: PageOptions = { lines, all: false, list: false };
  return ascii(renderKill(kill, layoutOf(options)), options);
}

function layoutOf({ lines, all }: PageOptions): LayoutOptions {
  const width = Math.max(40, Math.min(WIDEST, lines.width ?? 80));
  return { width, styles: lines.colour ? ANSI : PLAIN, details: all };
}

/** Stand-ins of the same width where the locale is not UTF-8; names were made safe before. */
function ascii(text: string, { lines }: PageOptions): string {
  if (lines.unicode) return text;
  return text.replaceAll("…", "~").replace(/[^\n -~\x1b]/g, "?");
}

/** One line a kill, numbered as `--kill` takes them. */
function killTable(kills: readonly ExplainedKill[], options: LineOptions): readonly string[] {
  const columns: TableColumn[] = [
    { heading: "#", right: true },
    { heading: "TIME" },
    { heading: "PROCESS", limit: 24 },
    { heading: "MEMORY", right: true },
    { heading: "LIMIT", right: true },
    { heading: "OUTCOME" },
    { heading: "CGROUP" },
  ];
  const rows = kills.map((kill, index) => [
    String(index + 1),
    momentText(kill.at),
    victimText(kill),
    bytesText(kill.victim.anonRssBytes),
    bytesText(kill.limit.bytes),
    kill.outcome,
    placeText(kill, options),
  ]);
  return formatTable(columns, rows, options);
}

/** As the log has it, without its year and zone. */
function momentText(at: string | null): string {
  return at === null ? "?" : at.slice(5, 19).replace("T", " ");
}

/** Of a report without a victim who asked for memory is all that is known. */
function victimText({ victim, trigger }: ExplainedKill): string {
  if (victim.comm !== null || victim.pid !== null) return processText(victim.comm, victim.pid);
  return trigger === null ? "?" : `(${processText(trigger.comm, trigger.pid)} asked)`;
}

function processText(comm: string | null, pid: number | null): string {
  return `${comm ?? "?"}${pid === null ? "" : `[${pid}]`}`;
}

function placeText(kill: ExplainedKill, options: LineOptions): string {
  const path = kill.cgroup.path ?? kill.limit.cgroup;
  if (path === null) return kill.limit.constraint === "none" ? "(the machine)" : "?";
  return options.width === null ? path : compactPath(path);
}

function userspacePart(shelf: KillShelf, { lines, all, list }: PageOptions): string {
  const { userspaceKills, userspaceLeftOut } = shelf;
  if (userspaceKills.length === 0) return "";
  const shown = all || list ? userspaceKills : userspaceKills.slice(0, USERSPACE_SHOWN);
  const rest = userspaceKills.length - shown.length + userspaceLeftOut;
  const title = "KILLED BY PROGRAMS THAT WATCH MEMORY, NOT BY THE KERNEL";
  const more = rest > 0 ? [`and ${rest} more${all ? "" : " (--all)"}`] : [];
  const table = formatTable(USERSPACE_COLUMNS, shown.map(userspaceRow), lines);
  return `${[paint("bold", title, lines), ...table, ...more].join("\n")}\n`;
}

const USERSPACE_COLUMNS: readonly TableColumn[] = [
  { heading: "TIME" },
  { heading: "BY" },
  { heading: "PROCESS", limit: 24 },
  { heading: "WHAT AND WHY" },
];

function userspaceRow(kill: UserspaceKillRecord): readonly string[] {
  const why = [kill.cgroup, kill.reason].filter((part) => part !== null).join(": ");
  const process = kill.comm === null && kill.pid === null ? "-" : processText(kill.comm, kill.pid);
  return [momentText(kill.at), kill.tool, process, why === "" ? "-" : why];
}

/** How to see what was not shown. */
function hint(shelf: KillShelf, options: PageOptions): string {
  const { lines, all, list } = options;
  const { counts } = shelf.folds;
  if (totalOf(counts) < 2) return "";
  const words = [
    ...(list ? [] : ["--list: one line for each"]),
    "--kill N: the story of one",
    ...(all ? [] : ["--all: every kind, with its evidence"]),
  ];
  const left = list ? shelf.listLeftOut : shelf.folds.leftOut;
  const beyond = left === 0 ? "" : ` ${left} of them are counted only: --json has them all.`;
  const text = `${countsText(counts)}. ${words.join("; ")}.${beyond}`;
  const broken = wrapped(text, "", layoutOf(options).width);
  return `${broken.map((line) => paint("dim", line, lines)).join("\n")}\n`;
}

/** For a ticket. */
export function explainMarkdown(shelf: KillShelf): string {
  const { folds, userspaceKills } = shelf;
  const head = totalOf(folds.counts) === 0 ? "" : foldsMarkdown(folds);
  const rows = userspaceKills.map((kill) => {
    const cells = userspaceRow(kill).map((cell) => markdownCell(cell));
    return `| ${cells.join(" | ")} |`;
  });
  if (rows.length === 0) return head;
  const title = "**Killed by programs that watch memory, not by the kernel**";
  const table = ["| Time | By | Process | What and why |", "|---|---|---|---|", ...rows].join("\n");
  return `${head === "" ? "" : `${head}\n`}${title}\n\n${table}\n`;
}

/** Plain text in a cell: nothing in it is markup, a link or a mention. */
function markdownCell(text: string): string {
  const safe = safeText(text, { unicode: true }).replaceAll("`", "'").replaceAll("|", "\\|");
  return `\`${safe}\``;
}
