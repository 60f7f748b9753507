/**
 * Records to lines. The `oom-kill:`, `Task(s) in` and some other lines are printed in up to ten pieces; when another
 * processor prints in between, the rest arrives as records of its own, flag `c`, level 4, foreign records between
 * (facts 1.6; two CPUs and a noisy writer, 6 of 10 lines were cut):
 *
 *     6,4711,90100200,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=
 *     4,4712,90100110,-;usb 1-1: new high-speed USB device
 *     4,4713,90100200,c;/,mems_allowed=0,oom_memcg=/x,task_memcg=/x,task=tool,pid=104,uid=0
 *     4,4714,90100200,c;
 *
 * Nothing in a record says whether its line is complete, so the last line that may grow is kept open until a line that
 * the OOM killer prints after it arrives. Lines that name a victim come in one piece and are never held.
 */
import { type KernelLogLine, parseKernelLogLine } from "./kernel-log-lines.ts";
import { parseGroup, parseSummary, parseTaskIn } from "./kernel-log-summary.ts";
import type { KmsgRecord } from "./kmsg-record.ts";

/** What the open line is. `other`: any line, kept because a continuation could follow. */
type OpenKind = "summary" | "task-in" | "group" | "other";

/** Two cgroup paths of 4 KiB fit; more is no line of the kernel. */
const MAX_OPEN_CHARACTERS = 10_000;
/** `other` lines are looked at again when they grow, while they are short. */
const MAX_REPARSED_CHARACTERS = 256;

export class LineJoiner {
  #kind: OpenKind = "other";
  #text: string | null = null;
  #caller: string | null = null;
  /** Another line of the kernel began since the open line last grew: the next piece may be that line's. */
  #foreign = false;

  /** Forgets the open line: the log has a gap. */
  reset(): void {
    this.#kind = "other";
    this.#text = null;
    this.#foreign = false;
  }

  /** The lines that this record completes, in order; most records complete none that matter. */
  push(record: KmsgRecord): readonly KernelLogLine[] {
    return isContinuation(record) ? this.#grow(record) : this.#begin(record);
  }

  #begin(record: KmsgRecord): readonly KernelLogLine[] {
    const kind = growingKind(record.text);
    if (kind !== null) {
      const before = this.#settle();
      return [...before, ...this.#open(kind, record)];
    }
    const line = parseKernelLogLine(record.text);
    if (line === null) {
      if (this.#kind === "other") this.#open("other", record);
      else this.#foreign = true;
      return NONE;
    }
    if (!endsOpenLine(line)) return [line];
    return [...this.#settle(), line];
  }

  #open(kind: OpenKind, record: KmsgRecord): readonly KernelLogLine[] {
    this.#kind = kind;
    this.#text = record.text;
    this.#caller = record.caller;
    this.#foreign = false;
    return kind === "group" ? this.#completeGroup() : NONE;
  }

  #grow(record: KmsgRecord): readonly KernelLogLine[] {
    const text = this.#text;
    const head = growingKind(record.text);
    if (text === null) return this.#orphan(record, head);
    // Linux 3.5 … 4.9 flags the first piece of a line too.
    if (head !== null && this.#kind !== "summary") return this.#begin(record);
    if (this.#isForeign(record, text)) return NONE;
    if (text.length + record.text.length > MAX_OPEN_CHARACTERS) return NONE;
    this.#text = text + record.text;
    this.#foreign = false;
    if (this.#kind === "other") return this.#reparse(record);
    return this.#kind === "group" ? this.#completeGroup() : NONE;
  }

  /**
   * A piece of nothing we hold. It may begin with a name that somebody chose, so it can never be a line that names a
   * victim; a header or the head of a line (Linux 3.5 … 4.9) does no harm.
   */
  #orphan(record: KmsgRecord, head: OpenKind | null): readonly KernelLogLine[] {
    const line = head === null ? parseKernelLogLine(record.text) : null;
    return head !== null || line?.kind === "header" ? this.#begin(record) : NONE;
  }

  #isForeign(record: KmsgRecord, text: string): boolean {
    if (record.caller !== null && this.#caller !== null) return record.caller !== this.#caller;
    return this.#foreign && !continues(this.#kind, text, record.text);
  }

  /** A line cut before it could be recognized. */
  #reparse(record: KmsgRecord): readonly KernelLogLine[] {
    const text = this.#text ?? "";
    if (text.length > MAX_REPARSED_CHARACTERS) return NONE;
    const kind = growingKind(text);
    const line = kind === null ? parseKernelLogLine(text) : null;
    if (kind === null && line === null) return NONE;
    return this.#begin({ ...record, text });
  }

  /** The group line has an end to know it by: its news need not wait. */
  #completeGroup(): readonly KernelLogLine[] {
    const line = parseGroup(this.#text ?? "");
    if (line === null) return NONE;
    this.reset();
    return [line];
  }

  #settle(): readonly KernelLogLine[] {
    const text = this.#text ?? "";
    const kind = this.#kind;
    this.reset();
    const line =
      kind === "summary" ? parseSummary(text) : kind === "task-in" ? parseTaskIn(text) : null;
    return line === null ? NONE : [line];
  }
}

const NONE: readonly KernelLogLine[] = [];
const INVOKED = " invoked oom-killer: gfp_mask=";

function isContinuation(record: KmsgRecord): boolean {
  return record.flags !== "-" && /[c+]/.test(record.flags);
}

function growingKind(text: string): OpenKind | null {
  switch (text.charCodeAt(0)) {
    case 0x6f: // o
      return text.startsWith("oom-kill:constraint=") ? "summary" : null;
    case 0x54: // T
      if (text.includes(INVOKED)) return null;
      if (text.startsWith("Tasks in ") && isPathStart(text, 9)) return "group";
      return text.startsWith("Task in ") && isPathStart(text, 8) ? "task-in" : null;
    default:
      return null;
  }
}

function isPathStart(text: string, index: number): boolean {
  return text.length === index || text.charCodeAt(index) === 0x2f;
}

/** Lines that the OOM killer prints after the summary and the `Task in` line, or that begin another report. */
function endsOpenLine(line: KernelLogLine): boolean {
  switch (line.kind) {
    case "killed":
    case "selection":
    case "sharing":
    case "skip":
    case "header":
    case "usage":
    case "hierarchy":
    case "table-header":
    case "none-killable":
    case "group":
    case "summary":
    case "task-in":
      return true;
    // These can come from another processor or thread at any moment.
    case "stack":
    case "table-row":
    case "suppressed":
    case "panic":
    case "sysrq":
    case "reaped":
      return false;
  }
}

const SUMMARY_KEYS =
  /^$|,(?:cpuset=|mems_allowed=|oom_memcg=\/|global_oom(?:,|$)|task_memcg=\/|task=|pid=\d|uid=\d)|^(?:,oom_memcg=|,task_memcg=)$/;
/** Else the open text ends inside a token: whatever comes next belongs to it. */
const SUMMARY_BOUNDARY =
  /(?:=CONSTRAINT_[A-Z_]+,nodemask=[^,]+|,cpuset=[^,]+|,mems_allowed=[\d,-]*|memcg=\/[^,]*|,global_oom|,uid=\d+)$/;

/** Whether `piece` can follow `text`, by the words the kernel cuts at; asked only when it could be another line's. */
function continues(kind: OpenKind, text: string, piece: string): boolean {
  switch (kind) {
    case "summary":
      if (/memcg=$/.test(text)) return piece.startsWith("/");
      return !SUMMARY_BOUNDARY.test(text) || SUMMARY_KEYS.test(piece);
    case "task-in":
      if (/(?:^Task in |limit of )$/.test(text)) return piece.startsWith("/");
      return piece === "" || piece.includes(" killed as a result of limit of ");
    case "group":
      if (text === "Tasks in ") return piece.startsWith("/");
      return piece.includes(" going to be killed due to memory.oom.group set");
    case "other":
      return true;
  }
}
