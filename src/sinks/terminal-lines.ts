import type { KillRecord } from "../model/record.ts";
import { clockText, fitted, type LineOptions, paint, type Style, sign } from "./terminal-style.ts";
import { padEnd, padStart, shortenEnd, type TextOptions } from "./terminal-text.ts";
import { bytesText, ownerText, processText, seenText, whyText } from "./terminal-words.ts";

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
const TIME: Column = {
  heading: "TIME",
  width: 12,
  fromWidth: 0,
  right: false,
  cell: (record, options) => clockText(record.at, options),
  style: () => "dim",
};
const MEMORY: Column = {
  heading: "MEMORY",
  width: 7,
  fromWidth: 48,
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
  fromWidth: 56,
  right: false,
  cell: (record, options) => seenText(record, options),
  style: (record) => (record.attribution === "none" ? "yellow" : "dim"),
};
const NARROW_PROCESS = 16;
/** comm is at most 15 bytes, a pid at most 7 digits. */
const WIDE_PROCESS = 24;
const WIDE_FROM = 96;

function columnsFor(options: LineOptions): readonly Column[] {
  const width = options.width ?? Number.POSITIVE_INFINITY;
  const processWidth = width < WIDE_FROM ? NARROW_PROCESS : WIDE_PROCESS;
  const process: Column = {
    heading: "PROCESS",
    width: processWidth,
    fromWidth: 0,
    right: false,
    cell: (record, line) => processText(record, processWidth, line),
    style: plainly,
  };
  return [TIME, process, MEMORY, LIMIT, WHY, SEEN].filter((column) => column.fromWidth <= width);
}

/** The heading above kill lines, as wide as they are. */
export function formatHeading(options: LineOptions): string {
  const titles = columnsFor(options).map((column) => fill(column, column.heading, options));
  const line = titles.map((title, index) => (index === 1 ? ` ${title}` : title)).join(" ");
  return paint("bold", fitted(`${line} CGROUP`, options), options);
}

/**
 * One kill on one line, never wider than `options.width`:
 * `23:10:05.123 ┌hog[4219]         19 MiB  15 MiB memcg    KT-CV= shop/cart-0`.
 * A recovered kill is dimmed.
 */
export function formatKill(record: KillRecord, joint: Joint, options: LineOptions): string {
  const columns = columnsFor(options);
  const room = roomForOwner(columns, options);
  const owner = ownerText(record, room, options);
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
 * One kill for a log, without a heading above it:
 * `23:10:05.123 killed hog[4219] memory 19 MiB limit 15 MiB why memcg cgroup /shop seen KT-CV= id 3f2a9c1d-4219-1x`.
 */
export function formatKillSentence(record: KillRecord, options: LineOptions): string {
  const words = [
    clockText(record.at, options),
    record.recovered ? "recovered" : record.outcome,
    processText(record, WIDE_PROCESS, options),
    `memory ${bytesText(record.victim.anonRssBytes)}`,
    `limit ${bytesText(record.limit.bytes)}`,
    `why ${whyText(record)}`,
    `cgroup ${ownerText(record, Number.POSITIVE_INFINITY, options)}`,
    `seen ${seenText(record, options)}`,
    `id ${record.id}`,
  ];
  return fitted(words.join(" "), options);
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

/** Columns left of the line for the cgroup; 0 when nothing useful is left. */
function roomForOwner(columns: readonly Column[], options: LineOptions): number {
  if (options.width === null) return Number.POSITIVE_INFINITY;
  const used = columns.reduce((sum, column) => sum + column.width + 1, 1);
  return Math.max(0, options.width - used);
}

function fill(column: Column, text: string, options: LineOptions): string {
  const short = shortenEnd(text, column.width, options);
  const pad = column.right ? padStart : padEnd;
  return pad(short, column.width, options);
}

function jointText(joint: Joint, options: TextOptions): string {
  return joint === "alone" ? " " : sign(joint, options);
}
