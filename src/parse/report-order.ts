/**
 * Texts whose newest line comes first, as `journalctl -r` and the exports of log stores have them:
 *
 *     12:00:03 host kernel: oom_reaper: reaped process 17 (java), now anon-rss:0kB, …
 *     12:00:03 host kernel: Out of memory: Killed process 17 (java) total-vm:…
 *     12:00:03 host kernel: oom-kill:constraint=CONSTRAINT_NONE,…,task=java,pid=17,uid=0
 *     12:00:02 host kernel: java invoked oom-killer: gfp_mask=…
 *
 * The lines around a report are held back until they show which way they run, in a text that runs forward two as a rule.
 */

import { MAX_FOREIGN_UNDECIDED } from "./report-assembler.ts";
import type { LogLine } from "./report-decode.ts";
import { parseDetailLine } from "./report-detail.ts";
import { MAX_REPORT_SECONDS } from "./report-kinship.ts";
import { beginsReportLine } from "./report-known.ts";
import { parseReportHeader } from "./report-line.ts";
import { OrderEvidence, secondsBetween } from "./report-order-evidence.ts";
import type { LogClock } from "./report-stamp.ts";
import { isTableRow } from "./report-table.ts";

export interface TextLine {
  readonly text: string;
  /** Line of the text, from 1. */
  readonly number: number;
}

/** Lines in the order in which they were written. */
export interface Run {
  readonly lines: readonly TextLine[];
  /** It ran backwards. */
  readonly backwards: boolean;
  /** What comes after it in the text is not its continuation. */
  readonly ends: boolean;
}

/** Before its header stands what the kernel left out before it. */
const LINES_BEFORE_HEADER = 3;
/** A report whose direction shows only after this many lines has none. */
const MAX_UNDECIDED_LINES = 4_000;
/** A table of all processes of a large machine. */
const MAX_LINES = 50_000;
const MAX_CHARACTERS = 16_000_000;

interface HeldLine extends TextLine {
  /** Begins a line of the log: what follows may be its continuation. */
  readonly begins: boolean;
  readonly prefixed: boolean;
}

export class LineOrder {
  readonly #clock: LogClock;
  #episode: Episode | null = null;

  constructor(clock: LogClock) {
    this.#clock = clock;
  }

  /** Lines are held back: none may be left out. */
  get holding(): boolean {
    return this.#episode !== null;
  }

  /** A line that may begin a report, and those right before it. */
  begin(lines: readonly TextLine[]): readonly Run[] {
    const episode = new Episode(this.#clock);
    for (const line of lines) episode.take(line, episode.decode(line));
    if (!episode.concerned) return [{ lines, backwards: false, ends: false }];
    this.#episode = episode;
    return NONE;
  }

  push(line: TextLine): readonly Run[] {
    const episode = this.#episode;
    if (episode === null) return this.begin([line]);
    const decoded = episode.decode(line);
    if (!episode.endsBefore(decoded)) {
      episode.take(line, decoded);
      if (!episode.decidedForward && !episode.full) return NONE;
      return this.end();
    }
    return [...this.end(), ...this.begin([line])];
  }

  end(): readonly Run[] {
    const episode = this.#episode;
    this.#episode = null;
    return episode === null ? NONE : [episode.finish()];
  }
}

const NONE: readonly Run[] = [];

/** The lines around one report, or around a few that follow each other closely. */
class Episode {
  readonly #evidence: OrderEvidence;
  readonly #lines: HeldLine[] = [];
  #characters = 0;
  #foreign = 0;
  #host = "";
  /** The last line of a report. */
  #last: LogLine | null = null;
  /** Machines of whose report the header has not come yet. */
  readonly #open = new Set<string>();
  /** Lines since the header of the last open one. */
  #sinceHeader: number | null = null;
  #gap = false;

  constructor(clock: LogClock) {
    this.#evidence = new OrderEvidence(clock);
  }

  /** A line of a report is among them. */
  get concerned(): boolean {
    return this.#last !== null;
  }

  get decidedForward(): boolean {
    return this.#evidence.order === "oldest-first";
  }

  get full(): boolean {
    const most = this.#isBackward ? MAX_LINES : MAX_UNDECIDED_LINES;
    return this.#lines.length >= most || this.#characters >= MAX_CHARACTERS;
  }

  get #isBackward(): boolean {
    return this.#evidence.order === "newest-first";
  }

  decode({ text, number }: TextLine): readonly LogLine[] {
    return this.#evidence.decode(text, number);
  }

  take({ text, number }: TextLine, lines: readonly LogLine[]): void {
    for (const line of lines) this.#evidence.take(line);
    const prefixed = lines.some((line) => line.prefixed);
    const begins = prefixed || lines.some((line) => beginsReportLine(line.text));
    this.#lines.push({ text, number, begins, prefixed });
    this.#characters += text.length;
    this.#foreign += 1;
    if (this.#sinceHeader !== null) this.#sinceHeader += 1;
    for (const line of lines) this.#look(line);
  }

  #look(line: LogLine): void {
    this.#host = line.host ?? this.#host;
    if (line.origin === "user" || !isOfReport(line.text)) return;
    this.#foreign = 0;
    this.#last = line;
    if (parseReportHeader(line.text) !== null) {
      this.#open.delete(this.#host);
      if (this.#open.size === 0) this.#sinceHeader = 0;
    } else if (isVictims(line.text)) {
      this.#open.add(this.#host);
      this.#sinceHeader = null;
    }
  }

  /** The line is of an earlier report, or of none. */
  endsBefore(lines: readonly LogLine[]): boolean {
    // As a report that waits for its kill: its stack and memory are no known lines.
    if (this.#foreign > MAX_FOREIGN_UNDECIDED) return true;
    const last = this.#last;
    const [next] = lines;
    if (last === null || next === undefined) return false;
    this.#gap = next.host === last.host && secondsBetween(last, next) < -MAX_REPORT_SECONDS;
    if (this.#gap) return true;
    if (this.#sinceHeader === null || !this.#isBackward) return false;
    if (this.#sinceHeader >= LINES_BEFORE_HEADER) return true;
    return next.origin !== "user" && isVictims(next.text);
  }

  finish(): Run {
    this.#evidence.end();
    const backwards = this.#isBackward;
    const lines = backwards ? reversed(this.#lines) : this.#lines;
    return { lines, backwards, ends: backwards || this.#gap };
  }
}

function isOfReport(text: string): boolean {
  return beginsReportLine(text) || isTableRow(text) || parseDetailLine(text) !== null;
}

/** Lines that come after the header of their report. */
function isVictims(text: string): boolean {
  return /^(?:oom-kill:|oom_reaper: |Memory cgroup out of|Out of [Mm]em|Killed process|Tasks in)/.test(
    text,
  );
}

/** Backwards, but what a line goes on in stays behind it. */
function reversed(lines: readonly HeldLine[]): readonly TextLine[] {
  const joins = lines.some((line) => line.prefixed);
  const entries: HeldLine[][] = [];
  for (const line of lines) {
    const entry = entries.at(-1);
    if (entry === undefined || line.begins || !joins) entries.push([line]);
    else entry.push(line);
  }
  return entries.toReversed().flat();
}
