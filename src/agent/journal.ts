import type { AppendFile, Files } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import type { ContainersState } from "../identify/containers.ts";
import type { Kill, LedgerState } from "../ledger/ledger.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { OutputRecord } from "../model/record.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import { seal } from "../std/seal.ts";
import { Damage, type JournalLine, parseCheckpoint, readJournal } from "./journal-read.ts";
import type { MetricsState } from "./metrics.ts";

/** Raised when the meaning of the files changes; an older or newer one begins new books, which is said. */
const VERSION = 1;

/** What one process leaves for the next. */
export interface Checkpoint {
  readonly version: typeof VERSION;
  readonly bootId: string;
  /** Last sequence of the stream contained in this state. */
  readonly sequence: number;
  /** Lines of the journal with this number or a greater one came after it; earlier versions did not say. */
  readonly generation?: number;
  readonly ledger: LedgerState | null;
  readonly cursors: Readonly<Record<string, string>>;
  readonly metrics: MetricsState;
  /** Kills whose cgroup may still become known; earlier versions did not say. */
  readonly unsettled?: readonly string[];
  /** Containers, and the kills and ends in them; earlier versions knew of none. */
  readonly containers?: ContainersState;
}

/** What the pipeline knows of a checkpoint. */
export type Books = Omit<Checkpoint, "version" | "generation">;

/** One line of the journal: a record and the ledger's knowledge behind it, written before anybody is told. */
export interface JournalEntry {
  readonly sequence: number;
  readonly record: OutputRecord;
  readonly kill: Kill | null;
}

/** One line of the journal: what a runtime said. An end is told seconds later, when its kills have been. */
export interface Heard {
  readonly heard: RuntimeObservation;
}

export interface Recovered {
  readonly checkpoint: Checkpoint | null;
  /** What runtimes said since the checkpoint. */
  readonly heard: readonly RuntimeObservation[];
  /** Entries newer than the checkpoint, oldest first. */
  readonly entries: readonly JournalEntry[];
  /** What is still known of records that the checkpoint holds, for sinks that have lost them; oldest first. */
  readonly earlier: readonly StreamRecord[];
  /** What was wrong with the files and what is lost by it, for the operator; empty when nothing was. */
  readonly problems: readonly string[];
}

export type Done = (error: HostError | null) => void;

/**
 * The agent's memory on disk: a checkpoint every few seconds and, in between, a journal with one write(2) for each batch of
 * records before it is published. A process killed at any moment has told nobody anything that is not in here. Each line and
 * each checkpoint is sealed with a checksum, and of both the generation before is kept: damage of one file loses nothing, or
 * what it loses is said.
 */
export class Journal {
  readonly #files: Files;
  readonly #directory: string;
  readonly #checkpointPath: string;
  readonly #journalPath: string;
  #file: AppendFile | null = null;
  /** The file may end in the middle of a line: the next entry must not become its other half. */
  #cut = false;
  #length = 0;
  #generation = 0;
  /** The last checkpoint is whole, and no longer needs the journal before this one. */
  #mayRotate = true;

  constructor(files: Files, stateDirectory: string) {
    this.#files = files;
    this.#directory = stateDirectory;
    this.#checkpointPath = `${stateDirectory}/checkpoint.json`;
    this.#journalPath = `${stateDirectory}/journal.jsonl`;
  }

  /** Characters that a successor will have to read. */
  get length(): number {
    return this.#length;
  }

  /** What an earlier process left. Damaged files and lines are set aside under another name, never silently overwritten. */
  recover(): Recovered {
    const damage = new Damage(this.#files);
    const checkpoint = this.#readCheckpoint(damage);
    const since = checkpoint?.generation ?? 0;
    const before = readJournal(damage.read(beforeOf(this.#journalPath)));
    const now = readJournal(damage.read(this.#journalPath));
    this.#length = now.length;
    this.#cut = now.cut;
    const isNewer = ({ generation }: JournalLine) => generation >= since;
    // What is older than the checkpoint may be damaged: nobody needs it.
    const needed = damage.found || before.lines.some(isNewer);
    if (needed) {
      damage.setLinesAside(beforeOf(this.#journalPath), before.broken);
    }
    damage.setLinesAside(this.#journalPath, now.broken);
    const all = [...before.lines, ...now.lines];
    const lines = all.filter(isNewer);
    this.#generation = lines.reduce((last, { generation }) => Math.max(last, generation), since);
    // A crash before the next checkpoint is there leaves all to be read again.
    this.#mayRotate = !needed;
    const told = checkpoint?.sequence ?? 0;
    const entries = lines.flatMap(({ entry }) =>
      "heard" in entry || entry.sequence <= told ? [] : [entry],
    );
    const heard = lines.flatMap(({ entry }) => ("heard" in entry ? [entry.heard] : []));
    damage.missing(checkpoint?.sequence ?? null, entries);
    const earlier = all.flatMap(({ entry }) =>
      "heard" in entry || entry.sequence > told ? [] : [entry],
    );
    return { checkpoint, heard, entries, earlier, problems: damage.sentences };
  }

  /** The checkpoint is whole but cannot be restored: it is kept under another name. Returns a sentence. */
  refuse(error: unknown): string {
    const damage = new Damage(this.#files);
    const why = error instanceof Error ? error.message : String(error);
    damage.setAside(this.#checkpointPath, `cannot be restored (${why}): new books begin`);
    return damage.sentences.join("; ");
  }

  /** Throws `HostError` when the disk does not take it: then the entries are not in the journal. */
  append(records: readonly StreamRecord[], kill: (id: string) => Kill | undefined): boolean {
    return this.#write(
      records.map(({ sequence, record }) => ({
        sequence,
        record,
        kill: record.type === "kill" ? (kill(record.id) ?? null) : null,
      })),
    );
  }

  /** What runtimes said, for the next process to hear. Throws `HostError` like `append`. */
  hear(observations: readonly RuntimeObservation[]): boolean {
    return this.#write(observations.map((heard) => ({ heard })));
  }

  /** False when the file is no longer where it was: its directory was removed, and with it all that it held. */
  isThere(): boolean {
    return this.#file === null || this.#file.isThere();
  }

  /** Makes the directory and the file again. */
  reopen(): void {
    this.close();
    this.#length = 0;
    this.#mayRotate = true;
    this.#opened();
  }

  /** False when the file was gone and begun anew: all but these lines is lost until the next checkpoint. */
  #write(entries: readonly (JournalEntry | Heard)[]): boolean {
    const generation = this.#generation;
    const lines = entries.map((entry) => `${seal(JSON.stringify({ generation, ...entry }))}\n`);
    this.#append(lines.join(""));
    if (this.isThere()) return true;
    this.reopen();
    this.#append(lines.join(""));
    return false;
  }

  #append(lines: string): void {
    const file = this.#opened();
    const text = (this.#cut ? "\n" : "") + lines;
    this.#cut = true;
    file.append(text);
    this.#cut = false;
    this.#length += text.length;
  }

  /**
   * Replaces the checkpoint durably while the caller goes on, and begins a new journal; a crash at any moment finds a
   * checkpoint and all lines since. When it fails, the last one and the journals since still stand.
   */
  checkpoint(state: Books, done: Done): void {
    const text = this.#begin(state);
    const before = beforeOf(this.#checkpointPath);
    this.#files.replaceBehind(this.#checkpointPath, text, before, (error) => {
      this.#mayRotate = error === null;
      done(error);
    });
  }

  /** The same at once: safe from the end of this process, not from that of the machine. */
  checkpointNow(state: Books): void {
    const text = this.#begin(state);
    this.#files.replaceNow(this.#checkpointPath, text, beforeOf(this.#checkpointPath));
    this.#mayRotate = true;
  }

  #begin(state: Books): string {
    this.#generation += 1;
    const generation = this.#generation;
    const text = seal(JSON.stringify({ version: VERSION, generation, ...state }));
    if (this.#mayRotate) this.#rotate();
    this.#mayRotate = false;
    return `${text}\n`;
  }

  #rotate(): void {
    this.close();
    if (this.#files.exists(this.#journalPath)) {
      this.#files.rename(this.#journalPath, beforeOf(this.#journalPath));
    }
    this.#cut = false;
    this.#length = 0;
    this.#opened();
  }

  #opened(): AppendFile {
    this.#file ??= this.#open();
    return this.#file;
  }

  #open(): AppendFile {
    try {
      return this.#files.openAppend(this.#journalPath);
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== "ENOENT") throw error;
    }
    this.#files.makeDirectory(this.#directory, true);
    this.#cut = false;
    return this.#files.openAppend(this.#journalPath);
  }

  close(): void {
    const file = this.#file;
    this.#file = null;
    file?.close();
  }

  #readCheckpoint(damage: Damage): Checkpoint | null {
    const newest = parseCheckpoint(damage.read(this.#checkpointPath));
    if (newest.kind === "whole") return newest.checkpoint;
    const before = parseCheckpoint(damage.read(beforeOf(this.#checkpointPath)));
    const usable = before.kind === "whole" ? before.checkpoint : null;
    if (newest.kind === "damaged") {
      const then =
        usable === null
          ? "new books begin, totals begin at 0 and recent kills may be recorded again"
          : "the one before it and the journal say the same";
      damage.setAside(this.#checkpointPath, `is damaged: ${then}`);
    }
    if (before.kind === "damaged") {
      damage.setAside(beforeOf(this.#checkpointPath), "is damaged: new books begin");
    }
    return usable;
  }
}

/** The generation before: `journal.before.jsonl`, `checkpoint.before.json`. */
function beforeOf(path: string): string {
  return path.replace(/(\.jsonl?)$/, ".before$1");
}
