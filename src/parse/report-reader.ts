import type { ReportEvent } from "../model/report.ts";
import { LineDecoder, MAX_RAW_CHARACTERS } from "./report-decode.ts";
import { INTERESTING } from "./report-known.ts";
import { Machines } from "./report-machines.ts";
import { LineOrder, type Run, type TextLine } from "./report-order.ts";
import { type LogClock, NO_CLOCK } from "./report-stamp.ts";

/** Lines before an interesting one that may be the first half of it. */
const LINES_BEFORE = 2;

/**
 * Any text, line by line, to what it tells about memory running out, also where its newest line comes first. Memory is
 * bounded whatever the text; a line costs time linear in its length, one outside a report a few hundred nanoseconds. Never
 * throws.
 */
export class ReportReader {
  readonly #forward: ForwardReader;
  readonly #order: LineOrder;
  #number = 0;
  #backwards = false;
  /** The last lines that were passed over. */
  #before: TextLine[] = [];

  /** What is known of the clock of the log: times without a year or a zone need it. */
  constructor(clock: LogClock = NO_CLOCK) {
    this.#forward = new ForwardReader(clock);
    this.#order = new LineOrder(clock);
  }

  /** Nothing is open: lines without `INTERESTING` in or two lines after them may be left out, if counted by `skip`. */
  get idle(): boolean {
    return this.#forward.idle && !this.#order.holding;
  }

  /** What was told last was written before what had been told already. */
  get backwards(): boolean {
    return this.#backwards;
  }

  /** So many lines were left out. */
  skip(lines: number): void {
    this.#number += lines;
    this.#before = [];
  }

  /** One line without its newline. */
  push(text: string): readonly ReportEvent[] {
    this.#number += 1;
    const line = { text, number: this.#number };
    if (this.#order.holding) return this.#run(this.#order.push(line));
    if (!this.#forward.idle) return this.#forward.push(line);
    this.#before.push(line);
    if (INTERESTING.test(text)) {
      const lines = this.#before;
      this.#before = [];
      return this.#run(this.#order.begin(lines));
    }
    if (this.#before.length > LINES_BEFORE) this.#before.shift();
    return NONE;
  }

  end(): readonly ReportEvent[] {
    const events = this.#run(this.#order.end());
    return [...events, ...this.#forward.end()];
  }

  #run(runs: readonly Run[]): readonly ReportEvent[] {
    return runs.length === 0 ? NONE : runs.flatMap((run) => this.#tell(run));
  }

  #tell({ lines, backwards, ends }: Run): readonly ReportEvent[] {
    this.#backwards = backwards;
    const events = lines.flatMap((line) => this.#forward.push(line));
    return ends ? [...events, ...this.#forward.end()] : events;
  }
}

/** Lines in the order in which they were written. */
class ForwardReader {
  readonly #decoder: LineDecoder;
  readonly #machines = new Machines();
  #before: TextLine[] = [];

  constructor(clock: LogClock) {
    this.#decoder = new LineDecoder(clock);
  }

  get idle(): boolean {
    return !(this.#machines.busy || this.#decoder.waiting);
  }

  push(line: TextLine): readonly ReportEvent[] {
    if (this.idle && !INTERESTING.test(line.text)) {
      this.#before.push(line);
      if (this.#before.length > LINES_BEFORE) this.#before.shift();
      return NONE;
    }
    if (this.#before.length === 0) return this.#read(line);
    const before = this.#before.filter(
      ({ number }) => Math.abs(line.number - number) <= LINES_BEFORE,
    );
    this.#before = [];
    return [...before, line].flatMap((each) => this.#read(each));
  }

  end(): readonly ReportEvent[] {
    this.#before = [];
    const lines = this.#decoder.end();
    const events = lines.flatMap((line) => this.#machines.push(line));
    return [...events, ...this.#machines.end()];
  }

  #read({ text, number }: TextLine): readonly ReportEvent[] {
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
