import { shortenEnd, type TextOptions } from "./terminal-text.ts";

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
  blind: ["⊘", "blind"],
  waiting: ["…", ".."],
  dot: ["·", "|"],
  unseen: ["·", "-"],
  first: ["┌", ","],
  middle: ["├", "|"],
  last: ["└", "`"],
} as const;

/** The last word on the width: a line that still does not fit is cut. */
export function fitted(line: string, options: LineOptions): string {
  return options.width === null ? line : shortenEnd(line, options.width, options);
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
