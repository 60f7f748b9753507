/**
 * The task table, read by the names of its columns: their set changed in 3.8, 4.0, 4.14, 4.15 and 6.8 (facts 1.2).
 *
 *     [ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name                                   2.6.36 … 3.7
 *     [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name                      4.0 … 4.14
 *     [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
 *     [ 177372]     0 177372      571        0        0        0         0    51200       96             0 test_zswap
 */

export interface TableHeader {
  /** Names after `[ pid ]`, the last is `name`. */
  readonly columns: readonly string[];
  /** Where `name` stands in the line; `null` when it is cut off. */
  readonly nameAt: number | null;
}

/** A row as printed: memory in pages, but for `pgtables_bytes`. */
export interface TableRow {
  readonly tid: number;
  readonly comm: string;
  readonly values: readonly number[];
}

const HEADER = /^\[ *pid *\]((?: +[a-z_]{2,20}){3,20})\s*$/;

/** `null` also when the end, with `name`, is cut off. */
export function parseTableHeader(text: string): TableHeader | null {
  const words = HEADER.exec(text)?.[1];
  if (words === undefined) return null;
  const columns = words.trim().split(/ +/);
  if (columns[0] !== "uid" || columns[1] !== "tgid") return null;
  const nameAt = text.indexOf(" name");
  return { columns, nameAt: nameAt < 0 ? null : nameAt + 1 };
}

/** All there have been; nr_puds for a short time in 4.13 (facts 1.2). */
const COLUMNS: ReadonlySet<string> = new Set([
  "uid",
  "tgid",
  "total_vm",
  "rss",
  "rss_anon",
  "rss_file",
  "rss_shmem",
  "cpu",
  "nr_ptes",
  "nr_pmds",
  "nr_puds",
  "pgtables_bytes",
  "swapents",
  "oom_adj",
  "oom_score_adj",
  "name",
]);

/** Whether every word of a header, or of its beginning, is a column. */
export function hasKnownColumns(text: string): boolean {
  const words = text.slice(text.indexOf("]") + 1).trim();
  return words.split(/ +/).every((word) => COLUMNS.has(word));
}

/** Whether the name of a row stands where the header has it. */
export function isAligned(text: string, header: TableHeader): boolean {
  const row = parseTableRow(text, header);
  return (
    row !== null &&
    header.nameAt !== null &&
    text.trimEnd().length - row.comm.length === header.nameAt
  );
}

export function isTableHeader(text: string): boolean {
  return /^\[ *pid *\] +uid +tgid /.test(text);
}

const ROW_START = /^\[ *(\d{1,10})\] +\d/;

export function isTableRow(text: string): boolean {
  return ROW_START.test(text);
}

/** A row of a table with these columns; `null` when it has fewer numbers, or something else in their place. */
export function parseTableRow(text: string, header: TableHeader): TableRow | null {
  const start = /^\[ *(\d{1,10})\]/.exec(text);
  if (start === null) return null;
  const values: number[] = [];
  const number = / +(-?\d{1,20})(?= |$)/y;
  number.lastIndex = start[0].length;
  const wanted = header.columns.length - (header.columns.at(-1) === "name" ? 1 : 0);
  for (let column = 0; column < wanted; column++) {
    const match = number.exec(text);
    if (match === null) return null;
    values.push(Number(match[1]));
  }
  // After the numbers one blank; whatever follows is the name, blanks and all.
  const comm = text.slice(number.lastIndex === 0 ? text.length : number.lastIndex).slice(1);
  return { tid: Number(start[1]), comm: comm.trimEnd(), values };
}

/** Whether the name stands there, too. */
export function isWholeRow(text: string, header: TableHeader): boolean {
  return (parseTableRow(text, header)?.comm ?? "") !== "";
}
