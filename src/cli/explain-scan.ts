import { INTERESTING } from "../parse/report-known.ts";

/** Who is told the lines: a reader that lets lines be left out while nothing is open (`ReportReader`, `TextExplainer`). */
export interface LineReader<Event> {
  readonly idle: boolean;
  skip(lines: number): void;
  push(line: string): readonly Event[];
  end(): readonly Event[];
}

/** Lines before an interesting one that may be its first half, as `ReportReader` keeps them. */
const LINES_BEFORE = 2;
/** What is longer is no line of a log: its beginning is told, its rest passed over. */
const LONGEST_LINE_BYTES = 1 << 20;
const TOLD_BYTES = 270_000;
const NEWLINE = 0x0a;

export class TextScanner<Event> {
  readonly #reader: LineReader<Event>;
  readonly #interesting = new RegExp(INTERESTING.source, "g");
  /** What is not told yet stands at its beginning: the start of a line, or a part of a long one. */
  #buffer = Buffer.allocUnsafe(2 * LONGEST_LINE_BYTES);
  #held = 0;
  #inLongLine = false;
  #decoder: InstanceType<typeof TextDecoder> | null = null;
  #begun = false;
  #lines = 0;

  constructor(reader: LineReader<Event>) {
    this.#reader = reader;
  }

  /** Lines seen so far. */
  get lines(): number {
    return this.#lines;
  }

  push(piece: Uint8Array): readonly Event[] {
    const events: Event[] = [];
    const bytes = this.#decoded(piece);
    for (let at = 0; at < bytes.length; ) {
      const room = this.#buffer.length - this.#held;
      const part = bytes.subarray(at, at + room);
      this.#buffer.set(part, this.#held);
      at += part.length;
      this.#take(this.#held + part.length, events);
    }
    return events;
  }

  end(): readonly Event[] {
    const events: Event[] = [];
    if (this.#held > 0 && !this.#inLongLine) {
      this.#buffer[this.#held] = NEWLINE;
      this.#take(this.#held + 1, events);
    }
    this.#held = 0;
    return [...events, ...this.#reader.end()];
  }

  /** Tells what is whole and moves the rest to the beginning: at most one line, so there is room for the next piece. */
  #take(length: number, events: Event[]): void {
    const bytes = this.#buffer.subarray(0, length);
    const rest = this.#scan(bytes, events);
    this.#buffer.copyWithin(0, rest, length);
    this.#held = length - rest;
  }

  /** What Windows writes is UTF-16. */
  #decoded(bytes: Uint8Array): Uint8Array {
    if (!this.#begun) {
      this.#begun = true;
      if (bytes[0] === 0xff && bytes[1] === 0xfe) this.#decoder = new TextDecoder("utf-16le");
      if (bytes[0] === 0xfe && bytes[1] === 0xff) this.#decoder = new TextDecoder("utf-16be");
    }
    return this.#decoder === null
      ? bytes
      : Buffer.from(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Tells the lines of `bytes` from its start; gives where the part begins that must wait for more. */
  #scan(bytes: Buffer, events: Event[]): number {
    const text = bytes.toString("latin1");
    const last = bytes.lastIndexOf(NEWLINE) + 1;
    let at = 0;
    while (at < bytes.length) {
      if (this.#inLongLine) at = this.#leaveLongLine(bytes, at);
      else if (this.#reader.idle) at = this.#pass(bytes, text, at, last);
      if (at >= last) break;
      at = this.#line(bytes, at, events);
    }
    return this.#keep(bytes, at, events);
  }

  /** Passes over what says nothing; where reading goes on: at a line, or at the last lines when nothing is left. */
  #pass(bytes: Buffer, text: string, at: number, last: number): number {
    this.#interesting.lastIndex = at;
    const found = this.#interesting.exec(text)?.index ?? bytes.length;
    const start = found >= last ? last : lineStart(bytes, found);
    let to = start;
    for (let line = 0; line < LINES_BEFORE && to > at; line++) to = lineStart(bytes, to - 1);
    if (to > at) this.#skip(bytes, at, to);
    return Math.max(at, to);
  }

  #skip(bytes: Buffer, from: number, to: number): void {
    let lines = 0;
    for (let at = bytes.indexOf(NEWLINE, from); at >= 0 && at < to; lines++) {
      at = bytes.indexOf(NEWLINE, at + 1);
    }
    this.#lines += lines;
    this.#reader.skip(lines);
  }

  #line(bytes: Buffer, at: number, events: Event[]): number {
    const end = bytes.indexOf(NEWLINE, at);
    this.#tell(bytes.subarray(at, end), events);
    return end + 1;
  }

  #tell(line: Buffer, events: Event[]): void {
    this.#lines += 1;
    const told = this.#reader.push(line.toString("utf8", 0, TOLD_BYTES));
    for (const event of told) events.push(event);
  }

  /** The unfinished line waits; one that has no end is told as far as it goes. */
  #keep(bytes: Buffer, at: number, events: Event[]): number {
    if (this.#inLongLine || bytes.length - at <= LONGEST_LINE_BYTES) return at;
    if (bytes.indexOf(NEWLINE, at) >= 0) return at;
    this.#tell(bytes.subarray(at), events);
    this.#inLongLine = true;
    return bytes.length;
  }

  #leaveLongLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(NEWLINE, at);
    if (end < 0) return bytes.length;
    this.#inLongLine = false;
    return end + 1;
  }
}

/** Where the line begins in which byte `at` is. */
function lineStart(bytes: Buffer, at: number): number {
  return at <= 0 ? 0 : bytes.lastIndexOf(NEWLINE, at - 1) + 1;
}
