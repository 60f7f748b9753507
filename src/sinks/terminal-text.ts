/**
 * Text from outside made safe to print: no control, format or bidirectional character reaches the terminal, and the
 * width of what does is known. What is not surely printable is shown escaped (`\x1b`, `\u202e`), never swallowed.
 */

/** One unit that is never split: its text and how many columns it takes. */
interface Cell {
  readonly text: string;
  readonly columns: number;
}

export interface TextOptions {
  /** False where the locale is not UTF-8: only printable ASCII leaves. */
  readonly unicode: boolean;
}

/** A name longer than this is cut before it is measured: no outside text costs more than this. */
const INPUT_LIMIT = 8_192;
/** Marks kept on one base character; more would climb over the lines above. */
const MARKS_PER_BASE = 2;

const PRINTABLE = /^[\p{L}\p{N}\p{P}\p{S}\p{Mc} ]$/u;
const MARK = /^[\p{Mn}\p{Me}]$/u;
/** Regional indicators, skin tones, Hangul medial and final letters, fillers: width differs between terminals. */
const UNSTEADY =
  /^[\u{1f1e6}-\u{1f1ff}\u{1f3fb}-\u{1f3ff}\u1160-\u11ff\ud7b0-\ud7ff\u115f\u3164\uffa0\u2800]$/u;
const VARIATION_SELECTOR = /^\p{Variation_Selector}$/u;
/** Unicode 16 EastAsianWidth W and F, runs joined over unassigned gaps; emoji come from the property. */
const WIDE =
  /^[\u1100-\u115e\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d376}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/** Outside text as it may be printed. */
export function safeText(text: string, options: TextOptions): string {
  return joinCells(cellsOf(text, options));
}

/** Columns that `safeText` of this text takes. */
export function textColumns(text: string, options: TextOptions): number {
  return countColumns(cellsOf(text, options));
}

/** Safe text in at most `limit` columns: the middle goes, the tail, which tells more, keeps two thirds. */
export function shortenMiddle(text: string, limit: number, options: TextOptions): string {
  const cells = cellsOf(text, options);
  if (countColumns(cells) <= limit) return joinCells(cells);
  const mark = ellipsis(options);
  const room = limit - mark.length;
  if (room < 2) return joinCells(takeFirst(cells, limit));
  const head = Math.floor(room / 3);
  return joinCells(takeFirst(cells, head)) + mark + joinCells(takeLast(cells, room - head));
}

/** Safe text in at most `limit` columns, the end cut. */
export function shortenEnd(text: string, limit: number, options: TextOptions): string {
  const cells = cellsOf(text, options);
  if (countColumns(cells) <= limit) return joinCells(cells);
  const mark = ellipsis(options);
  const room = limit - mark.length;
  return room < 1 ? joinCells(takeFirst(cells, limit)) : joinCells(takeFirst(cells, room)) + mark;
}

/** Safe text filled up with spaces to `width` columns; never cut. */
export function padEnd(text: string, width: number, options: TextOptions): string {
  return text + " ".repeat(Math.max(0, width - textColumns(text, options)));
}

/** Safe text moved to the right edge of `width` columns; never cut. */
export function padStart(text: string, width: number, options: TextOptions): string {
  return " ".repeat(Math.max(0, width - textColumns(text, options))) + text;
}

/** Safe text broken at spaces into lines of at most `width` columns, the second and later ones behind `indent` spaces. */
export function wrapText(
  text: string,
  width: number,
  indent: number,
  options: TextOptions,
): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of wordsOf(text, Math.max(8, width - indent), options)) {
    const joined = line.trim() === "" ? line + word : `${line} ${word}`;
    if (textColumns(joined, options) <= width || line.trim() === "") {
      line = joined;
    } else {
      lines.push(line);
      line = " ".repeat(indent) + word;
    }
  }
  return line.trim() === "" && lines.length > 0 ? lines : [...lines, line];
}

/** Words, those longer than a line cut into pieces that fit. */
function wordsOf(text: string, limit: number, options: TextOptions): string[] {
  return text.split(" ").flatMap((word) => {
    const pieces: string[] = [];
    let rest = cellsOf(word, options);
    while (rest.length > 0) {
      const taken = takeFirst(rest, limit);
      if (taken.length === 0) break;
      pieces.push(joinCells(taken));
      rest = rest.slice(taken.length);
    }
    return pieces;
  });
}

function ellipsis(options: TextOptions): string {
  return options.unicode ? "…" : "..";
}

function cellsOf(text: string, options: TextOptions): Cell[] {
  const cells: Cell[] = [];
  let marks = MARKS_PER_BASE;
  for (const character of text.slice(0, INPUT_LIMIT)) {
    const base = cells.at(-1);
    if (options.unicode && base !== undefined && marks < MARKS_PER_BASE && isMark(character)) {
      cells[cells.length - 1] = { text: base.text + character, columns: base.columns };
      marks += 1;
      continue;
    }
    const cell = cellOf(character, options);
    cells.push(cell);
    marks = cell.text === character && /^[\p{L}\p{N}]$/u.test(character) ? 0 : MARKS_PER_BASE;
  }
  return cells;
}

function isMark(character: string): boolean {
  return MARK.test(character) && !VARIATION_SELECTOR.test(character);
}

function cellOf(character: string, options: TextOptions): Cell {
  if (character >= " " && character <= "~") return { text: character, columns: 1 };
  if (!options.unicode || UNSTEADY.test(character) || !PRINTABLE.test(character)) {
    return escaped(character);
  }
  return { text: character, columns: WIDE.test(character) ? 2 : 1 };
}

/** `\x1b`, `\u202e`, `\u{1f1e6}`. */
function escaped(character: string): Cell {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  const text =
    code <= 0xff
      ? `\\x${hex.padStart(2, "0")}`
      : code <= 0xffff
        ? `\\u${hex.padStart(4, "0")}`
        : `\\u{${hex}}`;
  return { text, columns: text.length };
}

function countColumns(cells: readonly Cell[]): number {
  let columns = 0;
  for (const cell of cells) columns += cell.columns;
  return columns;
}

function joinCells(cells: readonly Cell[]): string {
  return cells.map((cell) => cell.text).join("");
}

function takeFirst(cells: readonly Cell[], limit: number): Cell[] {
  const taken: Cell[] = [];
  let columns = 0;
  for (const cell of cells) {
    columns += cell.columns;
    if (columns > limit) break;
    taken.push(cell);
  }
  return taken;
}

function takeLast(cells: readonly Cell[], limit: number): Cell[] {
  return takeFirst(cells.toReversed(), limit).toReversed();
}
