/** Lines for a terminal, made without looking at one: width and styles are told. Every text here takes one column a character. */

/**
 * How a kind of text is marked: functions, so that colour or nothing are the same to the renderer. Not for HTML: text
 * between the marks is not escaped. A page shows the plain text as text, or makes its own of the explanation.
 */
export interface StyleTable {
  readonly title: (text: string) => string;
  readonly heading: (text: string) => string;
  readonly victim: (text: string) => string;
  readonly advice: (text: string) => string;
  readonly faint: (text: string) => string;
}

const same = (text: string) => text;
/** No marks at all: a pipe, a file, NO_COLOR. */
export const PLAIN: StyleTable = {
  title: same,
  heading: same,
  victim: same,
  advice: same,
  faint: same,
};

function sgr(on: number, off: number): (text: string) => string {
  return (text) => (text.trim() === "" ? text : `\x1b[${on}m${text}\x1b[${off}m`);
}
/** SGR sequences of every terminal since the VT100. */
export const ANSI: StyleTable = {
  title: sgr(1, 22),
  heading: sgr(36, 39),
  victim: sgr(31, 39),
  advice: sgr(32, 39),
  faint: sgr(2, 22),
};

export interface LayoutOptions {
  /** Columns; lines are never longer. */
  readonly width: number;
  readonly styles: StyleTable;
  /** Evidence below each finding, and a story for every kind of kill. */
  readonly details: boolean;
}

export const DEFAULT_LAYOUT: LayoutOptions = { width: 80, styles: PLAIN, details: false };

/** Text broken at spaces; the first line begins with `first`, the others are indented as far. */
export function wrapped(text: string, first: string, width: number): string[] {
  const indent = " ".repeat(first.length);
  const room = Math.max(8, width - first.length);
  const lines: string[] = [];
  let line = "";
  for (const word of words(text, room)) {
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines.map((content, index) => (index === 0 ? first : indent) + content);
}

/** Words; one longer than a line is cut into pieces. */
function words(text: string, room: number): string[] {
  return text.split(" ").flatMap((word) => {
    if (word.length <= room) return word === "" ? [] : [word];
    const pieces: string[] = [];
    for (let at = 0; at < word.length; at += room) pieces.push(word.slice(at, at + room));
    return pieces;
  });
}

/** Cut at the end: `a long na…`. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 1 ? text.slice(0, Math.max(0, width)) : `${text.slice(0, width - 1)}…`;
}

/** A bar of `share` (0 … 1) in `columns`; never empty for something. */
export function bar(share: number, columns: number): string {
  const full = Math.max(share > 0 ? 1 : 0, Math.round(Math.min(1, share) * columns));
  return "#".repeat(Math.min(columns, full));
}
