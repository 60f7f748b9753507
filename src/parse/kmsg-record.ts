/**
 * /dev/kmsg (Documentation/ABI/testing/dev-kmsg, facts 1.6). Linux 6.12:
 *
 *     3,448,2931512,-;Memory cgroup out of memory: Killed process 142 (tool) total-vm:21576kB, …
 *     4,9021,88231004,c;/,mems_allowed=0,oom_memcg=/x
 *     6,339,5140900,-,caller=T66;NET: Registered protocol family 10
 *      SUBSYSTEM=acpi
 *
 * `priority,sequence,microseconds,flags[,caller=…];text`, then `KEY=value` lines that begin with a space. Bytes below
 * 0x20, from 0x7f on and the backslash are written `\xNN`, so a newline in the text never ends the line.
 */
export interface KmsgRecord {
  /** facility · 8 + level. */
  readonly priority: number;
  /** 0 is the kernel itself: user space cannot write records of facility 0. */
  readonly facility: number;
  readonly level: number;
  /** Contiguous from boot: a gap is the exact number of lost records. */
  readonly sequence: number;
  /** The kernel's local_clock, µs since boot; not CLOCK_MONOTONIC and not ascending with `sequence`. */
  readonly timestampMicroseconds: number;
  /** `-`, or `c` (and `+`, Linux 3.5–4.x) for a piece of a line. */
  readonly flags: string;
  /** `T123` (thread) or `C1` (processor) with CONFIG_PRINTK_CALLER, else `null`. */
  readonly caller: string | null;
  /** Unescaped; bytes that are not UTF-8 become U+FFFD. */
  readonly text: string;
}

/** The kernel never writes more than 8 KiB for one record (CONSOLE_EXT_LOG_MAX); longer lines are not its own. */
export const MAX_LINE_CHARACTERS = 16_384;

const SEMICOLON = 59;
const COMMA = 44;
const SPACE = 32;
const ESCAPED_BYTES = /(?:\\x[0-9a-fA-F]{2})+/g;
/** Stateless as used here. `ignoreBOM` keeps U+FEFF, which TextDecoder would otherwise swallow. */
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** One line without its newline, or `null` when it is a dictionary line or no record at all. */
export function parseKmsgLine(line: string): KmsgRecord | null {
  const textStart = line.indexOf(";");
  if (textStart < 0 || line.charCodeAt(0) === SPACE) return null;
  const priority = readNumber(line, 0, COMMA);
  const sequenceStart = line.indexOf(",") + 1;
  const sequence = readNumber(line, sequenceStart, COMMA);
  const timeStart = line.indexOf(",", sequenceStart) + 1;
  const timestampMicroseconds = readNumber(line, timeStart, COMMA);
  if (priority < 0 || sequence < 0 || timestampMicroseconds < 0) return null;
  const flagsStart = line.indexOf(",", timeStart) + 1;
  if (flagsStart > textStart) return null;
  const head = line.slice(flagsStart, textStart);
  return {
    priority,
    facility: Math.floor(priority / 8),
    level: priority % 8,
    sequence,
    timestampMicroseconds,
    flags: head.length === 1 ? head : (head.split(",", 1)[0] ?? ""),
    caller: head.length === 1 ? null : readCaller(head),
    text: unescapeText(line.slice(textStart + 1)),
  };
}

function readCaller(head: string): string | null {
  const start = head.indexOf(",caller=");
  return start < 0 ? null : (head.slice(start + 8).split(",", 1)[0] ?? null);
}

/** The decimal number from `start` to the byte `end`, or -1. */
function readNumber(line: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < line.length; index++) {
    const code = line.charCodeAt(index);
    if (code === end) return index === start || !Number.isSafeInteger(value) ? -1 : value;
    if (code < 48 || code > 57 || code === SEMICOLON) return -1;
    value = value * 10 + (code - 48);
  }
  return -1;
}

/** `\xNN` runs back to text. A multi-byte character is always one run: the kernel escapes each of its bytes. */
function unescapeText(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(ESCAPED_BYTES, (run) => {
    const bytes = new Uint8Array(run.length / 4);
    for (let index = 0; index < bytes.length; index++) {
      bytes[index] = Number.parseInt(run.slice(index * 4 + 2, index * 4 + 4), 16);
    }
    return UTF8.decode(bytes);
  });
}

/** Bytes of /dev/kmsg, cut anywhere, to records. Holds at most one unfinished line. */
export class KmsgDecoder {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #rest = "";
  /** Inside a line that is too long: everything up to its end is thrown away. */
  #skipping = false;
  #dropped = 0;

  /** Lines that were too long or no records, since the decoder was made. */
  get dropped(): number {
    return this.#dropped;
  }

  push(chunk: Uint8Array): KmsgRecord[] {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const records: KmsgRecord[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#line(text, start, end, records);
      start = end + 1;
    }
    this.#keep(text, start);
    return records;
  }

  #line(text: string, start: number, end: number, records: KmsgRecord[]): void {
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (end === start || text.charCodeAt(start) === SPACE) return;
    const record = end - start > MAX_LINE_CHARACTERS ? null : parseKmsgLine(text.slice(start, end));
    if (record === null) this.#dropped += 1;
    else records.push(record);
  }

  /** The unfinished line waits for the next chunk, unless it is too long already. */
  #keep(text: string, start: number): void {
    this.#rest = this.#skipping ? "" : text.slice(start);
    if (this.#rest.length <= MAX_LINE_CHARACTERS) return;
    this.#rest = "";
    this.#skipping = true;
    this.#dropped += 1;
  }
}
