/**
 * What stands around whole lines, before any prefix is looked for:
 *
 *     | [  100.000101] Mem-Info: |                                             a table of a wiki
 *     "[  100.000101] Mem-Info:",                                              a list of JSON strings (Ansible's stdout_lines)
 *     "2026-11-20T23:10:05Z","worker-3","kernel: Mem-Info:"                    CSV
 *     level=info msg="Mem-Info:"    - 'Mem-Info:'                             logfmt, a list in YAML
 *     data: {"MESSAGE":…}    \x1e{"MESSAGE":…}    ,{"MESSAGE":…}               streams and arrays of JSON
 *     2024-06-03T08:12:41.100000000Z stdout P half a li                        CRI
 */
import { parseWallTime } from "./report-stamp.ts";

/** A line without what stands around it; the line itself when nothing does. */
export function peelLayer(line: string): string {
  const first = line.trimStart().charAt(0);
  if (first === "|") return wikiCell(line);
  if (first === '"') return quoted(line);
  if (first === "-") return yamlString(line);
  return LOGFMT.test(line) ? logfmtMessage(line) : line;
}

/** A list in YAML: `- '[  100.000101] Mem-Info:'`. */
function yamlString(line: string): string {
  const text = line.trim();
  if (!/^- +'/.test(text) || !text.endsWith("'")) return line;
  return text.slice(text.indexOf("'") + 1, -1).replaceAll("''", "'");
}

const LOGFMT = /^(?:time|ts|level)=/;

/** `time="2026-11-20T23:10:05Z" level=info msg="Mem-Info:"`, where nothing says which program wrote it. */
function logfmtMessage(line: string): string {
  const text = / msg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  if (text === undefined) return line;
  const time = /^(?:time|ts)="?([\dT:.Z+-]{10,40})"? /.exec(line)?.[1];
  return `${time === undefined ? "" : `${time} `}${unquoted(text) ?? ""}`;
}

/** The text of a JSON string; `null` when it is none. */
function unquoted(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

function wikiCell(line: string): string {
  const cell = line.trim();
  if (cell.length < 3 || !cell.endsWith("|")) return line;
  let [from, to] = [0, cell.length];
  while (cell.charAt(from) === "|") from += 1;
  while (to > from && cell.charAt(to - 1) === "|") to -= 1;
  return cell.slice(from, to).trim();
}

const JSON_STRING = /^\s*("(?:[^"\\]|\\.)*"),?\s*$/;

function quoted(line: string): string {
  const text = JSON_STRING.exec(line)?.[1];
  if (text === undefined) return line.includes('","') ? csvCell(line) : line;
  return unquoted(text) ?? line;
}

/** The last cell: exports of log systems put the message there; its time, when the first one is a time, stays before it. */
function csvCell(line: string): string {
  const cells = line
    .trim()
    .replace(/^"|",?$/g, "")
    .split('","');
  const message = (cells.at(-1) ?? "").replaceAll('""', '"');
  const [first = ""] = cells;
  const time = cells.length > 1 && parseWallTime(first) !== null ? `${first} ` : "";
  return /^\S{0,80} ?kernel: |^\[ *\d/.test(message) ? time + message : message;
}

/** What streams and arrays put before each object. */
export function peelObject(text: string): string {
  return text.replace(/^\s*(?:\u001e|data: ?|[[,]\s*){1,4}(?=\{)/, "");
}

/** A record of a container's log, as CRI keeps it. */
export interface CriRecord {
  readonly wallMicroseconds: number | null;
  readonly stream: string;
  /** The line goes on in the next record of the stream. */
  readonly partial: boolean;
  readonly text: string;
}

const CRI = /^(\d{4}-\d\d-\d\dT[\d:.]{8,24}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])\S{0,20} /;

export function readCri(line: string): CriRecord | null {
  const match = CRI.exec(line);
  if (match === null) return null;
  return {
    wallMicroseconds: parseWallTime(match[1] ?? ""),
    stream: match[2] ?? "",
    partial: match[3] === "P",
    text: line.slice(match[0].length),
  };
}

/** `MESSAGE` alone on a line of journalctl -o export: the length in eight bytes, then the text. */
export function peelLength(line: string): string {
  return line.replace(/^[\s\S]{0,3}?\u0000{5,8}/, "");
}

/** A prefix of unknown form, as a form: the same words, with other numbers and letters. */
export function shapeOf(prefix: string): RegExp | null {
  if (prefix.length === 0 || prefix.length > 200 || !/\S/.test(prefix)) return null;
  const lettersVary = /[^A-Za-z\s]/.test(prefix);
  const form = prefix.replace(/\d+|\s+|[A-Za-z]+|[^\dA-Za-z\s]/g, (run) => {
    if (/^\d/.test(run)) return "\\d+";
    if (/^\s/.test(run)) return "\\s+";
    if (/^[A-Za-z]/.test(run)) return lettersVary ? "[A-Za-z]+" : run;
    return `\\${run}`;
  });
  // Of the last blanks one belongs to the prefix: what follows may be indented.
  return new RegExp(`^${form.replace(/\\s\+$/, "\\s")}`);
}
