import type { ExitRecord, KillRecord, UserspaceKillRecord } from "../model/record.ts";
import { clockText, fitted, type LineOptions, paint, type Style, sign } from "./terminal-style.ts";
import { padEnd, padStart, safeText, shortenEnd, type TextOptions } from "./terminal-text.ts";
import {
  bytesText,
  exitOwnerOf,
  exitText,
  ownerKind,
  ownerOf,
  ownerText,
  processText,
  seenText,
  verdictText,
  victimText,
  whyText,
} from "./terminal-words.ts";

/** Where a kill stands among its neighbours of the same incident. */
export type Joint = "alone" | "first" | "middle" | "last";

interface Column {
  readonly heading: string;
  readonly width: number;
  /** Narrower terminals go without this column. */
  readonly fromWidth: number;
  readonly right: boolean;
  cell(record: KillRecord, options: LineOptions): string;
  style(record: KillRecord): Style | null;
}

const plainly = () => null;
/** From here on there is room for milliseconds, whole process names and the witnesses. */
const WIDE_FROM = 100;
const TIME: Column = {
  heading: "TIME",
  width: 8,
  fromWidth: 0,
  right: false,
  cell: (record, options) => timeText(record.at, 8, options),
  style: () => "dim",
};
const WIDE_TIME: Column = {
  ...TIME,
  width: 12,
  cell: (record, options) => timeText(record.at, 12, options),
};
const PROCESS: Column = {
  heading: "PROCESS",
  width: 16,
  fromWidth: 0,
  right: false,
  cell: (record, line) => processText(record, 16, line),
  style: plainly,
};
/** comm is at most 15 bytes, a pid at most 7 digits. */
const WIDE_PROCESS: Column = {
  ...PROCESS,
  width: 24,
  cell: (record, line) => processText(record, 24, line),
};
const VICTIM: Column = {
  heading: "VICTIM",
  width: 9,
  fromWidth: 40,
  right: false,
  cell: (record) => victimText(record),
  style: (record) => (record.visibility === "invisible" ? "yellow" : null),
};
const MEMORY: Column = {
  heading: "MEMORY",
  width: 7,
  fromWidth: 56,
  right: true,
  cell: (record) => bytesText(record.victim.anonRssBytes),
  style: plainly,
};
const LIMIT: Column = {
  heading: "LIMIT",
  width: 7,
  fromWidth: 64,
  right: true,
  cell: (record) => bytesText(record.limit.bytes),
  style: plainly,
};
const WHY: Column = {
  heading: "WHY",
  width: 8,
  fromWidth: 72,
  right: false,
  cell: (record) => whyText(record),
  style: plainly,
};
const SEEN: Column = {
  heading: "SEEN",
  width: 6,
  fromWidth: WIDE_FROM,
  right: false,
  cell: (record, options) => seenText(record, options),
  style: (record) => (record.attribution === "none" ? "yellow" : "dim"),
};
/** Time, process, and what lies between them and the owner. */
interface Columns {
  readonly time: Column;
  readonly process: Column;
  readonly rest: readonly Column[];
}

function columnsFor(options: LineOptions): Columns {
  const width = options.width ?? Number.POSITIVE_INFINITY;
  const wide = width >= WIDE_FROM;
  return {
    time: wide ? WIDE_TIME : TIME,
    process: wide ? WIDE_PROCESS : PROCESS,
    rest: [VICTIM, MEMORY, LIMIT, WHY, SEEN].filter((column) => column.fromWidth <= width),
  };
}

function allOf({ time, process, rest }: Columns): readonly Column[] {
  return [time, process, ...rest];
}

/** The heading above kill lines, as wide as they are. */
export function formatHeading(options: LineOptions): string {
  const titles = allOf(columnsFor(options)).map((column) => fill(column, column.heading, options));
  const line = titles.map((title, index) => (index === 1 ? ` ${title}` : title)).join(" ");
  return paint("bold", fitted(`${line} WHOSE`, options), options);
}

/**
 * One kill on one line, never wider than `options.width`:
 * `23:10:05 ┌hog[4219]        child      19 MiB  15 MiB memcg    shop/cart-0/api`.
 * A recovered kill is dimmed.
 */
export function formatKill(record: KillRecord, joint: Joint, options: LineOptions): string {
  const columns = allOf(columnsFor(options));
  const room = roomForOwner(columns, options);
  const owner = ownerText(ownerOf(record), room, options);
  const cells = columns.map((column) => fill(column, column.cell(record, options), options));
  const plain = fitted(joined(cells, joint, owner, options), options);
  if (record.recovered) return paint("dim", plain, options);
  if (room === 0) return plain;
  const painted = cells.map((cell, index) =>
    paint(columns[index]?.style(record) ?? null, cell, options),
  );
  return joined(painted, joint, owner, options);
}

/**
 * The end of a container below its kills:
 * `23:10:05  exit 137         oom-killed, 2 kills                shop/cart-0/api`.
 */
export function formatExit(record: ExitRecord, options: LineOptions): string {
  const { time, process, rest } = columnsFor(options);
  const room = roomForOwner([time, process, ...rest], options);
  const between = rest.reduce((sum, column) => sum + column.width + 1, -1);
  const words = between > 0 ? filled(verdictText(record), between, options) : "";
  const cells = [
    filled(timeText(record.at, time.width, options), time.width, options),
    filled(exitText(record), process.width, options),
    ...(words === "" ? [] : [words]),
  ];
  const owner = ownerText(exitOwnerOf(record), room, options);
  return paint("dim", fitted(joined(cells, "alone", owner, options), options), options);
}

/** An exit that says something of memory; all others are in the store and in `--json`. */
export function isTelling({ verdict, exitCode, kills }: ExitRecord): boolean {
  if (kills.length > 0 || exitCode === 137) return true;
  return verdict !== "not-oom" && verdict !== "unknown";
}

/** A kill by a program: `23:10:05  systemd-oomd killed hog[4219]: memory pressure …`. */
export function formatUserspaceKill(
  record: UserspaceKillRecord,
  options: LineOptions,
  gap = "  ",
): string {
  const { tool, at, comm, pid, cgroup, reason } = record;
  const process = comm === null && pid === null ? null : `${comm ?? "?"}[${pid ?? "?"}]`;
  const { width } = columnsFor(options).time;
  const time = at === null ? "" : timeText(at, width, options) + gap;
  const why = reason === null ? "" : `: ${reason}`;
  return fitted(
    safeText(`${time}${tool} killed ${process ?? cgroup ?? "?"}${why}`, options),
    options,
  );
}

/** Why a kill above happened: `23:10:05      why hog[4219] killed: container a2 hit its limit of 20 MiB, …`. */
export function formatStory(record: KillRecord, headline: string, options: LineOptions): string {
  const { width } = columnsFor(options).time;
  const time = timeText(record.at, width, options);
  return paint("dim", fitted(safeText(`${time}  why ${headline}`, options), options), options);
}

/** The same for a log, with the kill's id: `23:10:05.123 why hog[4219] killed: … id 3f2a9c1d-4219-1x`. */
export function formatStorySentence(
  record: KillRecord,
  headline: string,
  options: LineOptions,
): string {
  const words = `${clockText(record.at, options)} why ${headline} id ${record.id}`;
  return fitted(safeText(words, options), options);
}

/** For readers that keep what was printed: a child died, and now it is known that nothing else will tell. */
export function formatInvisible(record: KillRecord, options: LineOptions): string {
  const process = processText(record, WIDE_PROCESS.width, options);
  const owner = ownerText(ownerOf(record), Number.POSITIVE_INFINITY, options);
  const { width } = columnsFor(options).time;
  const line = `${timeText(record.at, width, options)}  ${process} was invisible: ${owner} lives on`;
  return fitted(line, options);
}

/**
 * One kill for a log, without a heading above it:
 * `23:10:05.123 killed hog[4219] child memory 19 MiB limit 15 MiB why memcg pod shop/cart-0/api seen KT-CV= id 3f2a9c1d-4219-1x`.
 */
export function formatKillSentence(record: KillRecord, options: LineOptions): string {
  const victim = victimText(record);
  const words = [
    clockText(record.at, options),
    record.recovered ? "recovered" : record.outcome,
    processText(record, WIDE_PROCESS.width, options),
    ...(victim === "" || victim === "?" ? [] : [victim]),
    `memory ${bytesText(record.victim.anonRssBytes)}`,
    `limit ${bytesText(record.limit.bytes)}`,
    `why ${whyText(record)}`,
    `${ownerKind(record)} ${ownerText(ownerOf(record), Number.POSITIVE_INFINITY, options)}`,
    `seen ${seenText(record, options)}`,
    `id ${record.id}`,
  ];
  return fitted(words.join(" "), options);
}

/** The end of a container for a log: `23:10:05.301 exit 137 oom-killed, 1 kill container web runtime docker id df1c…`. */
export function formatExitSentence(record: ExitRecord, options: LineOptions): string {
  const { container } = record;
  const owner = ownerText(exitOwnerOf(record), Number.POSITIVE_INFINITY, options);
  const words = [
    clockText(record.at, options),
    exitText(record),
    verdictText(record),
    `container ${owner}`,
    `id ${container.runtime}://${container.id.slice(0, 12)}`,
  ];
  return fitted(safeText(words.join(" "), options), options);
}

function joined(
  cells: readonly string[],
  joint: Joint,
  owner: string,
  options: LineOptions,
): string {
  const [time = "", ...rest] = cells;
  return `${time} ${jointText(joint, options)}${[...rest, owner].join(" ")}`.trimEnd();
}

/** Columns left of the line for the owner; 0 when nothing useful is left. */
function roomForOwner(columns: readonly Column[], options: LineOptions): number {
  if (options.width === null) return Number.POSITIVE_INFINITY;
  const used = columns.reduce((sum, column) => sum + column.width + 1, 1);
  return Math.max(0, options.width - used);
}

function fill(column: Column, text: string, options: LineOptions): string {
  return filled(text, column.width, options, column.right);
}

/** Exactly so many columns. */
function filled(text: string, width: number, options: LineOptions, right = false): string {
  return (right ? padStart : padEnd)(shortenEnd(text, width, options), width, options);
}

/** Local time of day, as much of it as has room. */
function timeText(at: string, width: number, options: LineOptions): string {
  return clockText(at, options).slice(0, width);
}

function jointText(joint: Joint, options: TextOptions): string {
  return joint === "alone" ? " " : sign(joint, options);
}
