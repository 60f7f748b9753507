import type { Files } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import { isOutputRecord } from "../sinks/store-record.ts";
import { parsedJson } from "../sinks/stored-shape.ts";
import { missingRanges } from "../std/ranges.ts";
import { isSealed, unseal } from "../std/seal.ts";
import type { Checkpoint, Heard, JournalEntry } from "./journal.ts";
import { isCheckpoint, isKill, isRuntimeObservation } from "./state-check.ts";

/** Damaged files of one name that are kept; the last is overwritten. */
const KEPT_ASIDE = 9;

export interface JournalLine {
  readonly generation: number;
  readonly entry: JournalEntry | Heard;
}

export interface JournalText {
  readonly lines: readonly JournalLine[];
  readonly length: number;
  /** Ends in the middle of a line. */
  readonly cut: boolean;
  readonly broken: readonly BrokenLine[];
}

interface BrokenLine {
  readonly bytes: Uint8Array;
  /** From 1 on. */
  readonly number: number;
}

/** What is wrong with the files on disk: sets it aside and says so. Never throws. */
export class Damage {
  readonly #files: Files;
  readonly sentences: string[] = [];

  constructor(files: Files) {
    this.#files = files;
  }

  get found(): boolean {
    return this.sentences.length > 0;
  }

  /** The bytes; `null` when there is no such file. What cannot be read at all is set aside. */
  read(path: string): Uint8Array | null {
    try {
      return this.#files.readBytes(path);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (error.code !== "ENOENT") this.setAside(path, `cannot be read (${error.code})`);
      return null;
    }
  }

  /** Moves the file to `PATH.damaged-N`. */
  setAside(path: string, what: string): void {
    const aside = this.#freeName(path);
    try {
      this.#files.rename(path, aside);
      this.sentences.push(`${path} ${what}; kept as ${aside}`);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.sentences.push(`${path} ${what}; it could not be kept (${error.code})`);
    }
  }

  /** Copies lines of a file that is used otherwise to `PATH.damaged-N`. */
  setLinesAside(path: string, lines: readonly BrokenLine[]): void {
    if (lines.length === 0) return;
    const aside = this.#freeName(path);
    const many = lines.length > 1;
    const numbers = lines.map(({ number }) => number);
    const what = `line${many ? "s" : ""} ${numbers.slice(0, 20).join(", ")}${numbers.length > 20 ? ", …" : ""}`;
    const said = `${numbers.length} damaged line${many ? "s" : ""} in ${path} (${what}): the others are used`;
    try {
      const ends = lines.flatMap(({ bytes }) => [bytes, Buffer.of(10)]);
      this.#files.replace(aside, Buffer.concat(ends));
      this.sentences.push(`${said}; kept as ${aside}`);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.sentences.push(`${said}; they could not be kept (${error.code})`);
    }
  }

  /** Records of the stream that must have been between those that are left. */
  missing(told: number | null, entries: readonly JournalEntry[]): void {
    const last = entries.at(-1)?.sequence;
    if (last === undefined) return;
    const lost = missingRanges(
      told === null ? (entries[0]?.sequence ?? last) : told + 1,
      last,
      entries.map(({ sequence }) => sequence),
    );
    if (lost === null) return;
    this.sentences.push(
      `the journal has lost the records ${lost} of the stream: they are kept only if the store has them`,
    );
  }

  #freeName(path: string): string {
    for (let number = 1; number < KEPT_ASIDE; number += 1) {
      const name = `${path}.damaged-${number}`;
      if (!this.#files.exists(name)) return name;
    }
    return `${path}.damaged-${KEPT_ASIDE}`;
  }
}

type ParsedCheckpoint =
  | { readonly kind: "none" | "damaged" }
  | { readonly kind: "whole"; readonly checkpoint: Checkpoint };

export function parseCheckpoint(bytes: Uint8Array | null): ParsedCheckpoint {
  if (bytes === null) return { kind: "none" };
  const value = parsedJson(bodyOf(Buffer.from(bytes).toString("utf8").trimEnd()));
  return isCheckpoint(value) ? { kind: "whole", checkpoint: value } : { kind: "damaged" };
}

export function readJournal(content: Uint8Array | null): JournalText {
  const bytes = Buffer.from(content ?? []);
  const lines: JournalLine[] = [];
  const broken: BrokenLine[] = [];
  let number = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.subarray(start, end);
    start = end + 1;
    number += 1;
    if (line.length === 0) continue;
    const parsed = parseLine(line.toString("utf8"));
    if (parsed !== null) lines.push(parsed);
    else broken.push({ bytes: line, number });
  }
  return { lines, length: bytes.length, cut: bytes.length > 0 && bytes.at(-1) !== 10, broken };
}

function parseLine(text: string): JournalLine | null {
  const value = parsedJson(bodyOf(text));
  if (typeof value !== "object" || value === null) return null;
  const generation = "generation" in value ? value.generation : 0;
  if (!isWhole(generation)) return null;
  if ("heard" in value) {
    const { heard } = value;
    return isRuntimeObservation(heard) ? { generation, entry: { heard } } : null;
  }
  if (!("sequence" in value && "record" in value && "kill" in value)) return null;
  const { sequence, record, kill } = value;
  if (!isWhole(sequence) || !isOutputRecord(record)) return null;
  if (kill !== null && !isKill(kill)) return null;
  return { generation, entry: { sequence, record, kill } };
}

/** Earlier versions wrote without a checksum. */
function bodyOf(text: string): string | null {
  return isSealed(text) || !text.startsWith('{"') ? unseal(text) : text;
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
