import type { AppendFile, Files } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import type { ContainersState } from "../identify/containers.ts";
import type { Kill, LedgerState } from "../ledger/ledger.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { OutputRecord } from "../model/record.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import type { MetricsState } from "./metrics.ts";

/** Raised when the meaning of the files changes; an older or newer one begins new books, which is said. */
const VERSION = 1;

/** What one process leaves for the next. */
export interface Checkpoint {
  readonly version: typeof VERSION;
  readonly bootId: string;
  /** Last sequence of the stream contained in this state. */
  readonly sequence: number;
  readonly ledger: LedgerState | null;
  readonly cursors: Readonly<Record<string, string>>;
  readonly metrics: MetricsState;
  /** Kills whose cgroup may still become known; earlier versions did not say. */
  readonly unsettled?: readonly string[];
  /** Containers, and the kills and ends in them; earlier versions knew of none. */
  readonly containers?: ContainersState;
}

/** One line of the journal: a record and the ledger's knowledge behind it, written before anybody is told. */
export interface JournalEntry {
  readonly sequence: number;
  readonly record: OutputRecord;
  readonly kill: Kill | null;
}

/** One line of the journal: what a runtime said. An end is told seconds later, when its kills have been. */
interface Heard {
  readonly heard: RuntimeObservation;
}

export interface Recovered {
  readonly checkpoint: Checkpoint | null;
  /** What runtimes said since the checkpoint, or a little earlier. */
  readonly heard: readonly RuntimeObservation[];
  /** Entries newer than the checkpoint, of the same boot, oldest first. */
  readonly entries: readonly JournalEntry[];
  /** What was wrong with the files, for the operator; empty when nothing was. */
  readonly problems: readonly string[];
}

/**
 * The agent's memory on disk: a checkpoint every few seconds and, in between, a journal with one write(2) for each batch of
 * records before it is published. A process killed at any moment has told nobody anything that is not in here.
 * A machine that loses power gets a new boot id and new books, so the journal needs no fsync.
 */
export class Journal {
  readonly #files: Files;
  readonly #checkpointPath: string;
  readonly #journalPath: string;
  readonly #file: AppendFile;
  /** The file may end in the middle of a line: the next entry must not become its other half. */
  #cut = false;
  #length = 0;

  constructor(files: Files, stateDirectory: string) {
    this.#files = files;
    this.#checkpointPath = `${stateDirectory}/checkpoint.json`;
    this.#journalPath = `${stateDirectory}/journal.jsonl`;
    this.#file = files.openAppend(this.#journalPath);
  }

  /** Characters that a successor will have to read. */
  get length(): number {
    return this.#length;
  }

  /** What an earlier process left. Broken files are set aside under another name, never silently overwritten. */
  recover(): Recovered {
    const problems: string[] = [];
    const checkpoint = this.#readCheckpoint(problems);
    const lines = this.#readLines(problems);
    const told = checkpoint?.sequence ?? 0;
    const entries = lines.flatMap((line) =>
      "heard" in line || line.sequence <= told ? [] : [line],
    );
    const heard = lines.flatMap((line) => ("heard" in line ? [line.heard] : []));
    return { checkpoint, heard, entries, problems };
  }

  /** Throws `HostError` when the disk does not take it: then the entries are not in the journal. */
  append(records: readonly StreamRecord[], kill: (id: string) => Kill | undefined): void {
    this.#write(
      records.map(({ sequence, record }) => ({
        sequence,
        record,
        kill: record.type === "kill" ? (kill(record.id) ?? null) : null,
      })),
    );
  }

  /** What runtimes said, for the next process to hear. Throws `HostError` like `append`. */
  hear(observations: readonly RuntimeObservation[]): void {
    this.#write(observations.map((heard) => ({ heard })));
  }

  #write(lines: readonly (JournalEntry | Heard)[]): void {
    const text =
      (this.#cut ? "\n" : "") + lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    this.#cut = true;
    this.#file.append(text);
    this.#cut = false;
    this.#length += text.length;
  }

  /**
   * Replaces the checkpoint durably, then empties the journal: a crash between the two repeats entries, which is harmless.
   * Throws `HostError`: then the last one and the journal still stand.
   */
  checkpoint(state: Omit<Checkpoint, "version">): void {
    this.#files.replace(this.#checkpointPath, JSON.stringify({ version: VERSION, ...state }));
    this.#file.truncate();
    this.#cut = false;
    this.#length = 0;
  }

  close(): void {
    this.#file.close();
  }

  #readCheckpoint(problems: string[]): Checkpoint | null {
    const text = this.#files.tryReadText(this.#checkpointPath);
    if (text === null) return null;
    const checkpoint = parseCheckpoint(text);
    if (checkpoint === null) {
      problems.push(this.#setAside(text, this.#checkpointPath));
    }
    return checkpoint;
  }

  #readLines(problems: string[]): (JournalEntry | Heard)[] {
    const text = this.#files.tryReadText(this.#journalPath) ?? "";
    this.#length = text.length;
    this.#cut = text !== "" && !text.endsWith("\n");
    const lines = text.split("\n");
    const whole = lines.flatMap((line) => parseLine(line) ?? []);
    const broken = lines.filter((line) => line !== "").length - whole.length;
    // The last line may be cut where the machine stopped; more than that is damage.
    if (broken > 1) problems.push(this.#setAside(text, this.#journalPath));
    return whole;
  }

  #setAside(text: string, path: string): string {
    const aside = `${path}.broken`;
    try {
      this.#files.replace(aside, text);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
    return `${path} could not be read: kept as ${aside}, new books begin`;
  }
}

function parseCheckpoint(text: string): Checkpoint | null {
  const value = parseJson(text);
  if (!isCheckpoint(value)) return null;
  return value;
}

function parseLine(line: string): (JournalEntry | Heard)[] | null {
  if (line === "") return null;
  const value = parseJson(line);
  return isEntry(value) || isHeard(value) ? [value] : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** These files are written by this program alone, whole lines at a time: their shape is checked, not every member. */
function isCheckpoint(value: unknown): value is Checkpoint {
  if (!isObject(value) || value["version"] !== VERSION) return false;
  const { ledger } = value;
  const ledgerFits =
    ledger === null ||
    (isObject(ledger) &&
      Array.isArray(ledger["kills"]) &&
      Array.isArray(ledger["books"]) &&
      isObject(ledger["totals"]));
  return (
    typeof value["bootId"] === "string" &&
    Number.isSafeInteger(value["sequence"]) &&
    isObject(value["cursors"]) &&
    isObject(value["metrics"]) &&
    Array.isArray(value["unsettled"] ?? []) &&
    ledgerFits
  );
}

function isEntry(value: unknown): value is JournalEntry {
  if (!isObject(value) || !Number.isSafeInteger(value["sequence"])) return false;
  const { record, kill } = value;
  if (!isObject(record) || typeof record["type"] !== "string") return false;
  return kill === null || (isObject(kill) && typeof kill["id"] === "string");
}

function isHeard(value: unknown): value is Heard {
  if (!isObject(value)) return false;
  const { heard } = value;
  return isObject(heard) && typeof heard["kind"] === "string" && isObject(heard["at"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
