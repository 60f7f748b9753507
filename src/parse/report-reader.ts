import type { ReportEvent } from "../model/report.ts";
import { LineDecoder, MAX_RAW_CHARACTERS } from "./report-decode.ts";
import { INTERESTING } from "./report-known.ts";
import { Machines } from "./report-machines.ts";
import { type LogClock, NO_CLOCK } from "./report-stamp.ts";

/** Lines before an interesting one that may be the first half of it. */
const LINES_BEFORE = 2;

/**
 * Any text, line by line, to what it tells about memory running out. Memory is bounded whatever the text; a line costs time
 * linear in its length, one outside a report a few hundred nanoseconds. Never throws.
 */
export class ReportReader {
  readonly #decoder: LineDecoder;
  readonly #machines = new Machines();
  #number = 0;
  /** The last lines that were passed over. */
  #before: string[] = [];

  /** What is known of the clock of the log: times without a year or a zone need it. */
  constructor(clock: LogClock = NO_CLOCK) {
    this.#decoder = new LineDecoder(clock);
  }

  /** Nothing is open: lines without `INTERESTING` in or two lines after them may be left out, if counted by `skip`. */
  get idle(): boolean {
    return !(this.#machines.busy || this.#decoder.waiting);
  }

  /** So many lines were left out. */
  skip(lines: number): void {
    this.#number += lines;
    this.#before = [];
  }

  /** One line without its newline. */
  push(line: string): readonly ReportEvent[] {
    this.#number += 1;
    if (this.idle && !INTERESTING.test(line)) {
      this.#before.push(line);
      if (this.#before.length > LINES_BEFORE) this.#before.shift();
      return NONE;
    }
    const before = this.#before;
    this.#before = [];
    const first = this.#number - before.length;
    const events = before.flatMap((text, index) => this.#read(text, first + index));
    return [...events, ...this.#read(line, this.#number)];
  }

  end(): readonly ReportEvent[] {
    const lines = this.#decoder.end();
    const events = lines.flatMap((line) => this.#machines.push(line));
    return [...events, ...this.#machines.end()];
  }

  #read(text: string, number: number): readonly ReportEvent[] {
    if (text.length > MAX_RAW_CHARACTERS && INTERESTING.test(text)) {
      this.#machines.problem(
        number,
        `longer than ${MAX_RAW_CHARACTERS} characters: its end is not read.`,
      );
    }
    const lines = this.#decoder.push(text, number);
    return lines.length === 0 ? NONE : lines.flatMap((line) => this.#machines.push(line));
  }
}

const NONE: readonly ReportEvent[] = [];
