import { SOURCE_NAMES } from "../model/observation.ts";
import type { KillRecord, LedgerRecord, SourceRecord } from "../model/record.ts";
import {
  padEnd,
  padStart,
  safeText,
  shortenEnd,
  shortenMiddle,
  type TextOptions,
  textColumns,
  wrapText,
} from "./terminal-text.ts";

/** How lines are made. Pure: the same record and options give the same line. */
export interface LineOptions extends TextOptions {
  /** SGR sequences may be used. */
  readonly colour: boolean;
  /** Columns of the terminal; `null` on a pipe, where nothing is shortened. */
  readonly width: number | null;
  /** Minutes east of UTC of local time at a moment (ms since 1970). */
  offsetMinutes(wallMilliseconds: number): number;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow";
const SGR: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Text in a style, plain where colour is off. */
export function paint(style: Style | null, text: string, options: { colour: boolean }): string {
  if (style === null || !options.colour || text.trim() === "") return text;
  const [on, off] = SGR[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** A painted line without its SGR sequences. */
export function unpainted(line: string): string {
  return line.replace(/\x1b\[[0-9;]*m/g, "");
}

/** Signs with a stand-in where the locale is not UTF-8. */
export function sign(name: keyof typeof SIGNS, options: TextOptions): string {
  return SIGNS[name][options.unicode ? 0 : 1];
}
const SIGNS = {
  up: ["✓", "ok"],
  down: ["✗", "x"],
  away: ["–", "-"],
  waiting: ["…", ".."],
  dot: ["·", "|"],
  unseen: ["·", "-"],
  first: ["┌", ","],
  middle: ["├", "|"],
  last: ["└", "`"],
} as const;

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

/** The last word on the width: a line that still does not fit is cut. */
function fitted(line: string, options: LineOptions): string {
  return options.width === null ? line : shortenEnd(line, options.width, options);
}

function jointText(joint: Joint, options: TextOptions): string {
  return joint === "alone" ? " " : sign(joint, options);
}

/** `comm[pid]`; the name gives way before the pid. */
function processText(record: KillRecord, width: number, options: LineOptions): string {
  const { comm, pid, tid } = record.victim;
  const number = pid ?? tid;
  const digits = number === null ? "" : `[${number}]`;
  if (comm === null && number === null) return "?";
  return shortenEnd(comm ?? "?", Math.max(1, width - digits.length), options) + digits;
}

/** Whose it was, in the best words known: pod, container, unit, cgroup. */
function ownerText(record: KillRecord, room: number, options: LineOptions): string {
  const owner = ownerOf(record);
  const text = record.cgroup.path === owner ? compactPath(owner) : owner;
  if (room === Number.POSITIVE_INFINITY) return safeText(owner, options);
  return room < 4 ? "" : shortenMiddle(text, room, options);
}

/** The owner of a kill in full: `namespace/pod/container`, container name, unit or cgroup path; `?` when unknown. */
export function ownerOf(record: KillRecord): string {
  const { pod, container, unit, cgroup } = record;
  if (pod !== null && pod.name !== null) {
    return [pod.namespace, pod.name, pod.container].filter((part) => part !== null).join("/");
  }
  return container?.name ?? unit ?? cgroup.path ?? "?";
}

/** A cgroup path with its machine-made parts shortened: container ids to the usual 12 digits, scope wrappers dropped. */
export function compactPath(path: string): string {
  return path
    .replace(/(?:cri-containerd|docker|crio|libpod)-([0-9a-f]{64})\.scope/g, "$1")
    .replace(/[0-9a-f]{64}/g, (id) => id.slice(0, 12));
}

/** Which limit: `memcg`, `ancestor`, `pod`, `node`, `cpuset`, `policy`; `?` when unknown. */
export function whyText(record: KillRecord): string {
  if (record.outcome !== "killed" && record.outcome !== "unknown") return record.outcome;
  switch (record.limit.scope) {
    case "ancestor":
    case "pod":
    case "node":
    case "cpuset":
      return record.limit.scope;
    case "mempolicy":
      return "policy";
    case "container":
    case "cgroup":
      return "memcg";
    case null:
      return constraintText(record);
  }
}

function constraintText(record: KillRecord): string {
  switch (record.limit.constraint) {
    case "memcg":
    case "cpuset":
      return record.limit.constraint;
    case "none":
      return "node";
    case "memory_policy":
      return "policy";
    case null:
      return "?";
  }
}

/** Witnesses as initials in fixed places and how the cgroup was found: `KT-CV=`. */
export function seenText(record: KillRecord, options: TextOptions): string {
  const letters = SOURCE_NAMES.map((name) =>
    record.witnesses.includes(name) ? name.charAt(0).toUpperCase() : sign("unseen", options),
  );
  return letters.join("") + attributionMark(record);
}

function attributionMark(record: KillRecord): string {
  switch (record.attribution) {
    case "exact":
      return "=";
    case "inferred":
      return "~";
    case "none":
      return "?";
  }
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** Bytes in at most 7 columns: `15 MiB`, `1.5 GiB`; `?` when unknown. */
export function bytesText(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes) || bytes < 0) return "?";
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 9.95 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? "B"}`;
}

/** Local time of day `HH:MM:SS.mmm` of an RFC 3339 moment; the text itself when it is none. */
export function clockText(at: string, options: LineOptions): string {
  return localText(at, options)?.slice(11, 23) ?? at;
}

/** Local `YYYY-MM-DD HH:MM:SS.mmm`, or `null` when `at` is not a moment. */
export function localText(at: string, options: LineOptions): string | null {
  const wall = Date.parse(at);
  if (!Number.isFinite(wall)) return null;
  const local = new Date(wall + options.offsetMinutes(wall) * 60_000);
  return Number.isFinite(local.getTime())
    ? local.toISOString().slice(0, 23).replace("T", " ")
    : null;
}

/** A source with the clause it says of itself, or "". */
export interface HeaderSource {
  readonly record: SourceRecord;
  readonly note: string;
}

/** What stands above the kills: the program, the node, the kernel, every source with its state, and what is missing. */
export function formatHeader(
  about: { readonly version: string; readonly node: string; readonly kernel: string },
  sources: readonly HeaderSource[],
  options: LineOptions,
): readonly string[] {
  const dot = ` ${sign("dot", options)} `;
  const title = `oomwitness ${about.version}${dot}${about.node}${dot}Linux ${about.kernel}`;
  const notes = sources.flatMap(({ record }) => formatSourceNote(record, options));
  return [
    paint("bold", fitted(safeText(title, options), options), options),
    ...packed(sources, options),
    ...notes,
  ];
}

/** Sources side by side, as many a line as fit. */
function packed(sources: readonly HeaderSource[], options: LineOptions): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const source of sources) {
    const item = stateText(source, options);
    const longer = line === "" ? item : `${line}   ${item}`;
    if (line !== "" && textColumns(longer, options) > (options.width ?? 80)) {
      lines.push(line);
      line = item;
    } else {
      line = longer;
    }
  }
  const all = line === "" ? lines : [...lines, line];
  return all.map((text) => paintSigns(fitted(text, options), options));
}

/** `cgroup ✓ v1`: of the note only the version has room here. */
function stateText({ record, note }: HeaderSource, options: TextOptions): string {
  const version = /^v[12]\b/.exec(note)?.[0] ?? "";
  return `${record.source} ${stateSign(record, options)} ${version}`.trimEnd();
}

function stateSign(source: SourceRecord, options: TextOptions): string {
  switch (source.state) {
    case "up":
      return sign("up", options);
    case "down":
      return sign(source.reason === null ? "waiting" : "down", options);
    case "unavailable":
      return sign("away", options);
  }
}

function paintSigns(line: string, options: LineOptions): string {
  return line
    .replaceAll("✓", paint("green", "✓", options))
    .replaceAll("✗", paint("red", "✗", options))
    .replaceAll("–", paint("yellow", "–", options));
}

/** Why a source does not see, and what would enable it; nothing for one that does. */
export function formatSourceNote(source: SourceRecord, options: LineOptions): readonly string[] {
  if (source.state === "up" || source.reason === null) return [];
  const width = Math.min(options.width ?? 80, 80);
  const text = `${source.source}: ${safeText(source.reason, options)}`;
  return wrapText(text, width, 2, options).map((line) => paint("dim", line, options));
}

/** A source that changed while we watched. */
export function formatSourceChange(source: SourceRecord, at: string, options: LineOptions): string {
  const reason = source.reason === null ? "" : `: ${source.reason}`;
  const line = `${clockText(at, options)}  ${source.source} ${source.state}${reason}`;
  const fittedLine = fitted(safeText(line, options), options);
  return paint(source.state === "up" ? "dim" : "yellow", fittedLine, options);
}

/** `kernel 312 · recorded 312 · unaccounted 0 · unattributed 0`, coloured only where it is not 0. */
export function formatLedger(ledger: LedgerRecord, lost: number, options: LineOptions): string {
  const parts: readonly (readonly [string, number | null, Style | null])[] = [
    ["kernel", ledger.kernel, null],
    ["recorded", ledger.recorded, null],
    ["unaccounted", ledger.unaccounted, "red"],
    ["unattributed", ledger.unattributed, "yellow"],
    ...(lost > 0 ? [["lost", lost, "yellow"] as const] : []),
  ];
  const dot = ` ${sign("dot", options)} `;
  const words = parts.map(([name, value]) => `${name} ${value ?? "unknown"}`);
  const plain = words.join(dot);
  if (options.width !== null && textColumns(plain, options) > options.width) {
    return fitted(plain, options);
  }
  return parts
    .map(([, value, style], index) =>
      paint(value === 0 ? null : style, words[index] ?? "", options),
    )
    .join(dot);
}

/** What stands in the place of kills before the first. */
export function formatEmpty(sinceAt: string, options: LineOptions): readonly string[] {
  const since = clockText(sinceAt, options).slice(0, 5);
  return [
    `Watching since ${since}. No kill yet.`,
    "To see one, run in another terminal: oomwitness selftest",
  ].map((line) => paint("dim", fitted(line, options), options));
}
