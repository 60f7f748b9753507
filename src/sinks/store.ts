import { createFiles } from "../host/files.ts";
import { HostError } from "../host/host.ts";
import { isCorrupt, moveSqliteAside, syncWal } from "../host/sqlite.ts";
import { missingRanges } from "../std/ranges.ts";
import { jsonLine } from "./json-line.ts";
import type { KillStory, Sink, StreamRecord } from "./sink.ts";
import { isSmall, type OpenStore, openForWriting, passes, setWaiting } from "./store-file.ts";
import { Jobs } from "./store-jobs.ts";
import type { StoreOptions } from "./store-options.ts";
import { WaitingRecords } from "./store-queue.ts";
import type { RecordLog, StoredEvent } from "./store-read.ts";
import { Refused } from "./store-refused.ts";
import { goOnBehind, rescue, rescueOpen } from "./store-rescue.ts";
import { DEFAULT_RETENTION } from "./store-retention.ts";
import { Upkeep } from "./store-upkeep.ts";
import { createBatchWriter } from "./store-write.ts";

/** Name of the database below the state directory. */
export const STORE_FILE = "oomwitness.db";

/** Records on disk. Never throws and never blocks on a broken disk: records wait, bounded, and the rest is counted. */
export interface Store extends Sink, RecordLog {
  /** Why nothing is being written, as a sentence; `null` while all is well. */
  problem(): string | null;
  /** Records that were told and are not in the file yet, oldest first. */
  waiting(): readonly StreamRecord[];
  /** Records dropped because too many waited, or refused. */
  dropped(): number;
  /** Writes what waits, now; stops at the first failure, then false. The end of this process takes nothing of it away. */
  flush(): boolean;
  lastSequence(): number;
}

const QUEUE_LIMIT = 50_000;
/** Explanations that may wait, of about 4 KB. */
const STORY_LIMIT = 5_000;
/** Records that are written without waiting for more. */
const FULL_BATCH = 500;
/** Records in one transaction. It blocks the agent for about 2 ms; a kill must not wait longer to be told. */
const TRANSACTION = 100;
const FLUSH_AFTER_MILLISECONDS = 100;
const RETRY_FIRST_MILLISECONDS = 1_000;
const RETRY_LAST_MILLISECONDS = 30_000;

export function createStore(options: StoreOptions): Store {
  return new SqliteStore(options);
}

class SqliteStore implements Store {
  readonly name = "store";
  readonly #options: StoreOptions;
  #open: OpenStore | null = null;
  /** Its file was removed; what it holds can still be read until a new file has it. */
  #removed: OpenStore | null = null;
  /** A damaged file that was moved aside, whose records are to be brought into the new one. */
  #damagedPath: string | null = null;
  readonly #queue: WaitingRecords;
  readonly #refused: Refused;
  readonly #jobs: Jobs;
  /** By id, for kills that are written or wait in the queue. */
  #stories = new Map<string, KillStory>();
  #dropped = 0;
  /** Something was written that a power cut would take away. */
  #unsynced = false;
  #lastSequence = 0;
  #problem: string | null = null;
  #retryMilliseconds = RETRY_FIRST_MILLISECONDS;
  #cancelFlush: (() => void) | null = null;
  readonly #upkeep: Upkeep;
  #flushSoon = false;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#queue = new WaitingRecords(options.queueLimit ?? QUEUE_LIMIT);
    this.#refused = new Refused(options.path, options.report);
    this.#jobs = new Jobs(options.clock);
    this.#attempt(() => undefined);
    this.#upkeep = new Upkeep({
      path: options.path,
      clock: options.clock,
      retention: options.retention ?? DEFAULT_RETENTION,
      jobs: this.#jobs,
      attempt: (work) => {
        if (this.#problem === null) this.#attempt(work);
      },
      current: () => (this.#problem === null && !this.#closed ? this.#open : null),
      damaged: (error) => void this.#failed(error),
    });
  }

  accept(records: readonly StreamRecord[]): void {
    if (this.#closed) {
      this.#dropped += records.length;
      return;
    }
    const at = this.#options.clock.wallMicroseconds();
    this.#lastSequence = Math.max(this.#lastSequence, records.at(-1)?.sequence ?? 0);
    for (const entry of records) if (!this.#queue.put({ entry, at })) this.#dropped += 1;
    if (this.#problem === null) this.#scheduleFlush(this.#queue.size >= FULL_BATCH);
  }

  explain(stories: readonly KillStory[]): void {
    if (this.#closed) return;
    for (const story of stories) {
      const known = this.#stories.has(story.record.id);
      if (known || this.#stories.size < STORY_LIMIT) this.#stories.set(story.record.id, story);
      else this.#dropped += 1;
    }
    if (this.#problem === null) this.#scheduleFlush(false);
  }

  restore(known: readonly StreamRecord[], last: number): string | null {
    const before = this.#lastSequence;
    const at = this.#options.clock.wallMicroseconds();
    const lost = known.map((entry) => ({ entry, at }));
    this.#attempt(({ database }) =>
      this.#refused.writeEach(lost, createBatchWriter(database, "keep")),
    );
    this.#lastSequence = Math.max(before, last);
    const there = known.map(({ sequence }) => sequence).filter((sequence) => sequence > before);
    const missing = missingRanges(before + 1, last, there);
    return missing === null ? null : `the store has lost the records ${missing} of the stream`;
  }

  isStored(): boolean {
    return this.#problem === null;
  }

  waiting(): readonly StreamRecord[] {
    return this.#queue.first(this.#queue.size).map(({ entry }) => entry);
  }

  problem(): string | null {
    return this.#problem;
  }

  dropped(): number {
    return this.#dropped + this.#refused.count;
  }

  flush(): boolean {
    if (this.#open?.isThere() === false) this.#attempt(() => undefined);
    while (this.#unwritten() && this.#writeBatch());
    return this.#queue.size === 0;
  }

  async sync(): Promise<boolean> {
    if (!this.#unsynced) return true;
    this.#unsynced = false;
    try {
      await syncWal(this.#options.path);
    } catch {
      this.#unsynced = true;
    }
    return !this.#unsynced;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#cancelFlush?.();
    this.#jobs.stop();
    this.#dropped += this.#queue.size;
    this.#queue.clear();
    this.#stories.clear();
    const upkeep = this.#upkeep.stop();
    await this.sync();
    await upkeep;
    this.#closeFile();
  }

  kills: RecordLog["kills"] = (query) => {
    this.#writeSome();
    return this.#ask(({ queries }) => queries.kills(query));
  };

  kill: RecordLog["kill"] = (idOrPrefix) => {
    this.#writeSome();
    return this.#ask(({ queries }) => queries.kill(idOrPrefix));
  };

  exits: RecordLog["exits"] = (query) => {
    this.#writeSome();
    return this.#ask(({ queries }) => queries.exits(query));
  };

  killTexts: RecordLog["killTexts"] = (query) => {
    this.#writeSome();
    return this.#ask(({ queries }) => queries.killTexts(query));
  };

  exitTexts: RecordLog["exitTexts"] = (query) => {
    this.#writeSome();
    return this.#ask(({ queries }) => queries.exitTexts(query));
  };

  explanation: RecordLog["explanation"] = (id) => {
    const waiting = this.#stories.get(id);
    if (waiting !== undefined) return waiting.explanation;
    return this.#ask(({ queries }) => queries.explanation(id));
  };

  /** The file's events, then those that still wait: nothing is missing in between. */
  eventsAfter(sequence: number, limit: number): readonly StoredEvent[] {
    const written =
      this.#open === null ? [] : this.#ask((open) => open.queries.eventsAfter(sequence, limit));
    const reached = written.at(-1)?.sequence ?? sequence;
    if (written.length >= limit) return written;
    const waiting = this.#queue.after(reached, limit - written.length);
    return [...written, ...waiting.map(({ entry }) => eventOf(entry))];
  }

  /** Never throws; 0 also when the file could not be opened yet. */
  lastSequence(): number {
    return this.#lastSequence;
  }

  #unwritten(): boolean {
    return this.#queue.size > 0 || this.#stories.size > 0;
  }

  /** Before a question: what waits is written, up to a full batch, so that the answer lags by little. */
  #writeSome(): void {
    if (this.#problem !== null || this.#closed) return;
    const transactions = FULL_BATCH / TRANSACTION;
    for (let turn = 0; turn < transactions && this.#queue.size > 0; turn += 1) this.#writeBatch();
  }

  #ask<T>(question: (open: OpenStore) => T): T {
    // A damaged file was moved away by the question before: the new one is opened now.
    if (this.#open === null && this.#problem === null && !this.#closed) this.#writeBatch();
    const open = this.#open ?? this.#removed;
    if (open === null) throw new HostError("STORE_UNAVAILABLE", this.#options.path, this.#whyNot());
    try {
      return question(open);
    } catch (error) {
      if (isCorrupt(error)) this.#failed(error);
      throw error;
    }
  }

  #whyNot(): string {
    return this.#problem ?? "the store is closed";
  }

  /** A full batch is written in the next turns, a smaller one when its oldest record has waited long enough. */
  #scheduleFlush(soon: boolean): void {
    if (this.#cancelFlush !== null && (this.#flushSoon || !soon)) return;
    this.#cancelFlush?.();
    this.#flushSoon = soon;
    this.#cancelFlush = this.#options.clock.after(soon ? 0 : FLUSH_AFTER_MILLISECONDS, () => {
      this.#cancelFlush = null;
      if (this.#writeBatch() && this.#unwritten()) this.#scheduleFlush(true);
    });
  }

  #writeBatch(): boolean {
    const batch = this.#queue.first(TRANSACTION);
    if (batch.length === 0) return this.#writeStories();
    const written = this.#attempt(({ write }) => this.#refused.writeEach(batch, write));
    if (written) this.#queue.drop(batch.length);
    if (written) this.#unsynced = true;
    return written;
  }

  /** When their kills are written. */
  #writeStories(): boolean {
    const stories = [...this.#stories.values()].slice(0, TRANSACTION);
    const written = this.#attempt(({ writeStories }) =>
      this.#refused.writeEach(stories, writeStories),
    );
    if (!written) return false;
    for (const { record } of stories) this.#stories.delete(record.id);
    if (stories.length > 0) this.#unsynced = true;
    return true;
  }

  /** Opens the file if need be and does `work`; a damaged file is replaced once and the work tried again. */
  #attempt(work: (open: OpenStore) => void): boolean {
    for (let tries = 0; tries < 2; tries += 1) {
      try {
        work(this.#opened());
        this.#recovered();
        return true;
      } catch (error) {
        if (!this.#failed(error)) return false;
      }
    }
    return false;
  }

  #opened(): OpenStore {
    if (this.#open?.isThere()) return this.#open;
    if (this.#open !== null) this.#fileIsGone(this.#open);
    const { path } = this.#options;
    const directory = path.slice(0, path.lastIndexOf("/"));
    if (this.#removed !== null) createFiles().makeDirectory(directory, true);
    this.#open = openForWriting(path);
    this.#bringBack(this.#open);
    this.#lastSequence = Math.max(this.#lastSequence, this.#open.queries.lastSequence());
    return this.#open;
  }

  #fileIsGone(open: OpenStore): void {
    this.#removed ??= open;
    if (this.#removed !== open) open.database.close();
    this.#open = null;
    this.#options.report(`${this.#options.path} was removed: it is made again with what it held`);
  }

  /** What the file before had: at once when it is little, in turns between other work when it is much. */
  #bringBack({ database }: OpenStore): void {
    const { path } = this.#options;
    const damagedPath = this.#damagedPath;
    const removed = this.#removed;
    this.#damagedPath = null;
    this.#removed = null;
    if (removed !== null) this.#run(path, rescueOpen(removed.database, database), isSmall(path));
    if (damagedPath !== null) {
      goOnBehind(damagedPath, database);
      this.#run(damagedPath, rescue(damagedPath, database), isSmall(damagedPath));
    }
  }

  #run(path: string, job: Generator<void, string>, now: boolean): void {
    const { report } = this.#options;
    this.#jobs.run(
      job,
      now,
      (saved) => report(`${path}: ${saved}`),
      (error) => report(`${path}: what it held could not all be brought back: ${textOf(error)}`),
    );
  }

  #recovered(): void {
    if (this.#problem === null) return;
    this.#options.report(`the store works again: ${this.#options.path}`);
    this.#problem = null;
    this.#retryMilliseconds = RETRY_FIRST_MILLISECONDS;
    this.#cancelFlush?.();
    this.#cancelFlush = null;
  }

  /** True when a damaged file was moved out of the way, so that trying again makes sense. */
  #failed(error: unknown): boolean {
    const sentence = textOf(error);
    if (isCorrupt(error) && this.#moveAside(sentence)) return true;
    if (this.#problem === null) this.#options.report(`records are not being stored: ${sentence}`);
    this.#problem = sentence;
    if (!passes(error)) this.#closeFile();
    this.#retryLater();
    return false;
  }

  #moveAside(sentence: string): boolean {
    this.#closeFile();
    try {
      const aside = moveSqliteAside(this.#options.path);
      this.#damagedPath = aside;
      this.#options.report(
        `the store is damaged (${sentence}): moved to ${aside}, a new one begins`,
      );
      return true;
    } catch {
      return false;
    }
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#cancelFlush?.();
    this.#cancelFlush = this.#options.clock.after(this.#retryMilliseconds, () => {
      this.#cancelFlush = null;
      if (this.#writeBatch() && this.#unwritten()) this.#scheduleFlush(true);
    });
    this.#retryMilliseconds = Math.min(2 * this.#retryMilliseconds, RETRY_LAST_MILLISECONDS);
  }

  #closeFile(): void {
    const open = this.#open;
    this.#open = null;
    try {
      // The last to close the file brings the log into it.
      if (open !== null) setWaiting(open.database, true);
      open?.database.close();
    } catch {}
  }
}

function eventOf({ sequence, record }: StreamRecord): StoredEvent {
  return { sequence, type: record.type, json: jsonLine(record) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
