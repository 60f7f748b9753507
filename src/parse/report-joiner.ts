import type { LogLine } from "./report-decode.ts";
import { beginsReportLine } from "./report-known.ts";
import { isTableRow, parseTableHeader, type TableHeader } from "./report-table.ts";
import { joinLines, mayGrow, type OpenKind, openKind, wholeLine } from "./report-wrap.ts";

/** A whole line; `number` is the line of the text on which it began. */
export type WholeLine = Pick<
  LogLine,
  "text" | "number" | "wallMicroseconds" | "uptimeSeconds" | "origin" | "prefixed" | "quoted"
>;

/** Lines that others may stand between the pieces of. */
const PATIENT: ReadonlySet<OpenKind> = new Set(["summary", "task-in", "group", "stats"]);
/** Other processors print some lines between two pieces, not a log. */
const MAX_BETWEEN = 40;
/** Two cgroups of a pod on a terminal of 40 columns. */
const MAX_PIECES = 16;

/** Puts broken lines together. Holds one line back at most, until the next shows whether it goes on. */
export class LineJoiner {
  #open: LogLine | null = null;
  #kind: OpenKind | null = null;
  #between = 0;
  /** Lines after the open one that are nothing by themselves: perhaps it goes on in them. */
  #pieces: LogLine[] = [];
  /** A time that stands alone on its line: the text follows on the next. */
  #bare: LogLine | null = null;
  #table: TableHeader | null = null;

  get waiting(): boolean {
    return this.#open !== null || this.#bare !== null;
  }

  push(line: LogLine): readonly WholeLine[] {
    if (line.origin === "user") return [line];
    if (line.text === "") return this.#blank(line);
    const bare = this.#bare;
    this.#bare = null;
    const whole = bare === null || line.prefixed ? line : { ...bare, text: line.text };
    return this.#take(whole);
  }

  end(): readonly WholeLine[] {
    this.#bare = null;
    return this.#flush();
  }

  #blank(line: LogLine): readonly WholeLine[] {
    if (!line.prefixed) return NONE;
    this.#bare = line;
    return NONE;
  }

  #take(line: LogLine): readonly WholeLine[] {
    const open = this.#open;
    if (open === null || this.#kind === null) return this.#begin(line);
    const own = line.prefixed && !line.piece;
    const joined =
      this.#pieces.length > 0
        ? null
        : joinLines(this.#kind, continued(open.text, line.text), line.text, own, this.#table);
    if (joined !== null) return this.#grow({ ...open, text: joined });
    if (!own && this.#mayBePiece(line.text)) return this.#wait(line);
    const patient = PATIENT.has(this.#kind) && openKind(line.text, this.#table) === null;
    if (patient && this.#between < MAX_BETWEEN && !decides(line.text)) {
      this.#between += 1;
      return [line];
    }
    return [...this.#flush(), ...this.#begin(line)];
  }

  #mayBePiece(text: string): boolean {
    return (
      this.#kind !== null &&
      mayGrow(this.#kind) &&
      this.#pieces.length < MAX_PIECES &&
      !beginsReportLine(text) &&
      !isTableRow(text) &&
      !decides(text)
    );
  }

  #wait(line: LogLine): readonly WholeLine[] {
    this.#pieces.push(line);
    const open = this.#open;
    const texts = [open?.text ?? "", ...this.#pieces.map((piece) => piece.text)];
    const [first = "", ...rest] = texts.map((text, at) => continued(text, texts[at + 1] ?? ""));
    const whole = open === null ? null : wholeLine(first, rest);
    if (open === null || whole === null) return NONE;
    this.#pieces = [];
    return this.#grow({ ...open, text: whole });
  }

  #begin(line: LogLine): readonly WholeLine[] {
    const kind = openKind(line.text, this.#table);
    if (kind !== null) {
      this.#open = line;
      this.#kind = kind;
      this.#between = 0;
      return NONE;
    }
    return [this.#whole(line)];
  }

  #grow(line: LogLine): readonly WholeLine[] {
    this.#open = line;
    this.#between = 0;
    const kind = openKind(line.text, this.#table);
    this.#kind = kind;
    return kind === null ? this.#flush() : NONE;
  }

  #flush(): readonly WholeLine[] {
    const line = this.#open;
    const pieces = this.#pieces;
    this.#open = null;
    this.#kind = null;
    this.#pieces = [];
    return line === null ? NONE : [this.#whole(line), ...pieces];
  }

  #whole(line: LogLine): WholeLine {
    const table = line.text.startsWith("[") ? parseTableHeader(line.text) : null;
    if (table !== null) this.#table = table;
    return line;
  }
}

const NONE: readonly WholeLine[] = [];

/** Who breaks a line as in a shell ends it in a backslash; the kernel's own begins an escape, as `\x2d` in names of units. */
function continued(text: string, next: string): string {
  return next === "" || /^x[0-9a-f]{2}/.test(next) ? text : text.replace(/ ?\\\s*$/, "");
}

/** Lines that stand behind a summary, a `Task in` line or statistics: what was open does not go on after them. */
function decides(text: string): boolean {
  return /Kill(?:ed)? process \d|invoked oom-killer|^memory: usage|^oom-kill:|^Task|^[a-z_]+ \d+\s*$/.test(
    text,
  );
}
