/**
 * Lines of any text to lines of a log: what mail, JSON, web pages and log shippers wrapped around them is taken off here.
 *
 *     > >     [ 1341.112388] oom-kill:constraint=3DCONSTRAINT_MEMCG,nodemask=3D(n=     quoted mail, quoted-printable
 *     kernel: Mem-Info:#012active_anon:14016 inactive_anon:14053                       rsyslog's newline
 *     [   12.3] Memory cgroup stats for /x:\x0aanon 534147072\x0afile 212992           the kernel's own
 *     >>>     Out of memory: Killed process 57 (virtual_address)                       wrapped: report-wrap.ts
 */
import { splitRecords } from "./report-flat.ts";
import { readJson } from "./report-json.ts";
import { beginsReportLine } from "./report-known.ts";
import {
  type CriRecord,
  peelLayer,
  peelLength,
  peelObject,
  readCri,
  shapeOf,
} from "./report-layers.ts";
import { type PrefixedText, readPrefix } from "./report-prefix.ts";

import type { LogClock } from "./report-stamp.ts";

/** A line of a log without its prefix. */
export interface LogLine extends PrefixedText {
  /** Line of the text, from 1. */
  readonly number: number;
}

/** A longer line is cut: no line of a kernel is a tenth of it. */
export const MAX_RAW_CHARACTERS = 262_144;
/** JSON in JSON in CRI: each layer is one. */
const MAX_DEPTH = 4;
const MAX_PARTIAL_CHARACTERS = 65_536;
/** Lines that one record of a text holds: a cgroup's statistics have under 100, a whole log in one record thousands. */
const MAX_PARTS = 5_000;

export class LineDecoder {
  readonly #clock: LogClock;
  /** A quoted-printable line whose end `=` says that it goes on, as it was before. */
  #soft: string | null = null;
  #softNumber = 0;
  /** Texts of container records that go on, by stream. */
  readonly #partial = new Map<string, { readonly text: string; readonly number: number }>();
  /** A prefix that no program is known to write, as the last report's line had it. */
  #shape: RegExp | null = null;
  #shapeOf = "";
  /** The line before said that a text with its length follows. */
  #lengthFollows = false;
  /** "time": of pretty-printed dmesg --json, for the member that follows. */
  #uptime: number | null = null;

  constructor(clock: LogClock) {
    this.#clock = clock;
  }

  /** A line waits for its other half. */
  get waiting(): boolean {
    return this.#soft !== null || this.#partial.size > 0;
  }

  push(raw: string, number: number): readonly LogLine[] {
    const piece = clean(this.#lengthFollows ? peelLength(raw) : raw);
    // The length itself may hold a newline.
    this.#lengthFollows = piece === "MESSAGE" || (this.#lengthFollows && piece === "");
    let line = piece;
    let first = number;
    const goesOn = this.#soft !== null;
    if (this.#soft !== null) {
      const soft = this.#soft;
      this.#soft = null;
      first = this.#softNumber;
      if (!OWN_PREFIX.test(line) && soft.length < MAX_RAW_CHARACTERS) line = soft + line;
      else return [...this.#decode(`${soft}=`, first), ...this.#decode(line, number)];
    }
    if (SOFT_BREAK.test(piece) && (goesOn ? piece.length <= 78 : softens(piece))) {
      this.#soft = line.slice(0, -1);
      this.#softNumber = first;
      return NONE;
    }
    return this.#decode(line, first);
  }

  end(): readonly LogLine[] {
    const soft = this.#soft;
    this.#soft = null;
    const lines = soft === null ? [] : [...this.#decode(soft, this.#softNumber)];
    // What goes on may hold another record that goes on.
    for (let depth = 1; depth <= MAX_DEPTH && this.#partial.size > 0; depth++) {
      const partial = [...this.#partial.values()];
      this.#partial.clear();
      for (const { text, number } of partial) lines.push(...this.#unwrap(text, number, depth));
    }
    this.#partial.clear();
    return lines;
  }

  #decode(line: string, number: number): readonly LogLine[] {
    let text = line;
    if (text.includes("=3D") || text.includes("=0A")) text = unquote(text);
    if (text.includes("&") && ENTITY.test(text)) text = unescapeEntities(text);
    const parts = text.includes("<br") ? text.split(/<br ?\/?>/i) : [text];
    return parts.slice(0, MAX_PARTS).flatMap((part) => this.#unwrap(peelLayer(part), number, 0));
  }

  #unwrap(text: string, number: number, depth: number): readonly LogLine[] {
    const cri = depth < MAX_DEPTH ? readCri(text) : null;
    if (cri !== null) return this.#container(cri, number, depth);
    const inside = depth < MAX_DEPTH ? this.#fromJson(text, number, depth) : null;
    return inside ?? this.#prefixed(text, number, depth);
  }

  #prefixed(text: string, number: number, depth: number): readonly LogLine[] {
    const records = splitRecords(text);
    if (records.length === 1) return this.#record(text, number, depth);
    return records.slice(0, MAX_PARTS).flatMap((record) => this.#record(record, number, depth));
  }

  #record(text: string, number: number, depth: number): readonly LogLine[] {
    const prefixed = this.#readPrefix(text);
    const nested = depth < MAX_DEPTH && prefixed.prefixed && prefixed.text.startsWith("{");
    const inside = nested ? this.#fromJson(prefixed.text, number, depth) : null;
    if (inside !== null) return inside.map((line) => withTime(line, prefixed.wallMicroseconds));
    return splitEscaped({ ...prefixed, number });
  }

  /** A prefix of unknown form is known by its form once a line of a report stood behind it. */
  #readPrefix(text: string): PrefixedText {
    const prefixed = readPrefix(text, this.#clock);
    if (prefixed.origin === "user") return prefixed;
    if (prefixed.dug) {
      const prefix = text.slice(0, text.length - prefixed.text.length);
      if (prefix !== this.#shapeOf) this.#shape = shapeOf(prefix);
      this.#shapeOf = prefix;
      return prefixed;
    }
    if (this.#shape === null || beginsReportLine(prefixed.text)) return prefixed;
    const match = this.#shape.exec(text);
    if (match === null) return prefixed;
    const stamp = /\[ *(\d{1,10}\.\d{6})\]/.exec(match[0])?.[1];
    const uptimeSeconds = prefixed.uptimeSeconds ?? (stamp === undefined ? null : Number(stamp));
    return {
      ...prefixed,
      text: text.slice(match[0].length).trimStart(),
      uptimeSeconds,
      prefixed: true,
    };
  }

  /** Container runtimes cut long lines; the prefix inside may be cut, too. */
  #container(record: CriRecord, number: number, depth: number): readonly LogLine[] {
    const before = this.#partial.get(record.stream) ?? null;
    this.#partial.delete(record.stream);
    const text = (before?.text ?? "") + record.text;
    if (record.partial && text.length <= MAX_PARTIAL_CHARACTERS) {
      this.#partial.set(record.stream, { text, number: before?.number ?? number });
      return NONE;
    }
    const inside = this.#unwrap(text, before?.number ?? number, depth + 1);
    return inside.map((line) => withTime(line, record.wallMicroseconds));
  }

  #fromJson(text: string, number: number, depth: number): readonly LogLine[] | null {
    const trimmed = peelObject(text.trimStart());
    const time = /^"time": *(\d{1,10}\.\d{1,6}),?\s*$/.exec(trimmed)?.[1];
    if (time !== undefined) this.#uptime = Number(time);
    const json = JSON_START.test(trimmed) ? readJson(trimmed) : null;
    if (json === null) return null;
    const uptime = json.uptimeSeconds ?? this.#uptime;
    this.#uptime = null;
    if (json.origin === "user") {
      return [{ ...NOTHING, ...json, uptimeSeconds: uptime, prefixed: true, number }];
    }
    const message = json.text.replace(/\n$/, "");
    const whole = beginsReportLine(message) || !message.includes("\n");
    const parts = whole ? [message] : message.split("\n").slice(0, MAX_PARTS);
    return parts
      .flatMap((part) => this.#unwrap(part, number, depth + 1))
      .map((line) => ({
        ...line,
        wallMicroseconds: line.wallMicroseconds ?? json.wallMicroseconds,
        uptimeSeconds: line.uptimeSeconds ?? uptime,
        origin: line.origin ?? json.origin,
        host: line.host ?? json.host,
        // Docker's record is a line of a log, but a wrapped one stays wrapped inside it.
        prefixed: line.prefixed || json.origin === "kernel",
      }));
  }
}

function withTime(line: LogLine, wallMicroseconds: number | null): LogLine {
  return { ...line, wallMicroseconds: line.wallMicroseconds ?? wallMicroseconds };
}

const NONE: readonly LogLine[] = [];
const NOTHING = { piece: false, dug: false, quoted: false } as const;
const JSON_START = /^(?:\{|"(?:msg|MESSAGE|message|log)" *:|MESSAGE=)/;
const OWN_PREFIX =
  /^[> ]*(?:\[ *\d{1,10}\.\d{6}\]|\d{1,5},\d+,\d+,[-c+]|\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:|<\d{1,3}>)/;
const SOFT_BREAK = /[^=]=$|=3D=$|=20=$/;
const TERMINAL = /\u001b\[[0-9;]*[A-Za-z]|\u0000/g;
const ENTITY = /&(?:gt|lt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});/;

function clean(raw: string): string {
  const bounded = raw.length > MAX_RAW_CHARACTERS ? raw.slice(0, MAX_RAW_CHARACTERS) : raw;
  const text = bounded.includes("\u00a0") ? bounded.replace(PADDING, blanks) : bounded;
  const line = text.slice(0, endOf(text));
  const code = line.includes("\u001b") || line.includes("\u0000");
  return code ? line.replace(TERMINAL, "") : line;
}

/** Mail programs and web pages keep several blanks by making every other one a no-break space; a single one is a name's. */
const PADDING = /(?:\u00a0[ \u00a0]| \u00a0)[ \u00a0]*/g;

function blanks(run: string): string {
  return " ".repeat(run.length);
}

/** Without the returns of consoles and the blanks that fill a table; a piece of a line may end in one blank that counts. */
function endOf(line: string): number {
  let end = line.length;
  while (end > 0 && /[\r\t ]/.test(line.charAt(end - 1))) end -= 1;
  return line.charAt(end) === " " ? end + 1 : end;
}

/** Quoted-printable breaks lines at 76 characters; a piece of the kernel's that ends in `=` is rarely that long. */
function softens(line: string): boolean {
  return (
    (line.length <= 78 &&
      (line.length >= 70 || line.includes("=3D")) &&
      !/[ms]=$/.test(line.slice(-6))) ||
    line.length === 76
  );
}

function unquote(text: string): string {
  return text.replace(/(?:=[0-9A-F]{2})+/g, (run) => {
    const bytes = run
      .slice(1)
      .split("=")
      .map((pair) => Number.parseInt(pair, 16));
    return UTF8.decode(Uint8Array.from(bytes));
  });
}
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

const NAMED: Readonly<Record<string, string>> = {
  gt: ">",
  lt: "<",
  amp: "&",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

function unescapeEntities(text: string): string {
  return text.replace(
    /&(?:([a-z]{2,4})|#(\d{1,5})|#x([0-9a-fA-F]{1,4}));/g,
    (all, name, decimal, hex) => {
      if (typeof name === "string") return NAMED[name] ?? all;
      const code = typeof decimal === "string" ? Number(decimal) : Number.parseInt(String(hex), 16);
      return code >= 32 && code < 65_536 ? String.fromCharCode(code) : " ";
    },
  );
}

/** Events of Kubernetes write the newline as two characters, and a name may hold these two. */
const ESCAPED_NEWLINE =
  /#012|\\x0a|\n|(?<=or sacrifice child),? (?=Killed process \d)|\\n(?=Killed process|Memory cgroup|Out of [Mm]em|Tasks? in \/|oom-kill:|memory: usage|Call Trace:)/;

/** One record of several lines. A name may hold a newline too: a line that is known as a whole stays whole. */
function splitEscaped(line: LogLine): readonly LogLine[] {
  if (line.text === "" || !ESCAPED_NEWLINE.test(line.text)) return [line];
  const parts = line.text.split(ESCAPED_NEWLINE).slice(0, MAX_PARTS);
  const first = parts[0] ?? "";
  if (isNameWithNewline(line.text, first)) return [line];
  return parts
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const { text, uptimeSeconds } = readPrefix(part);
      return { ...line, text, uptimeSeconds: uptimeSeconds ?? line.uptimeSeconds };
    });
}

/** The newline stands inside a name: the first line alone says less than the whole. */
function isNameWithNewline(whole: string, first: string): boolean {
  if (
    /^(?:Memory cgroup out of|Out of [Mm]emory|Killed process|[Kk]ill process|oom_reaper:)/.test(
      whole,
    )
  ) {
    return !/kB|score \d|killable/.test(first);
  }
  if (whole.startsWith("oom-kill:")) return !/,uid=\d+$/.test(first);
  return (
    !first.includes(" invoked oom-killer") && /^[\s\S]{1,45} invoked oom-killer: gfp/.test(whole)
  );
}
