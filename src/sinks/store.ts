import type { Clock } from "../host/host.ts";
import { HostError } from "../host/host.ts";
import {
  isCorrupt,
  moveSqliteAside,
  openSqlite,
  type SqliteDatabase,
  syncWal,
} from "../host/sqlite.ts";
import { jsonLine } from "./json-line.ts";
import type { KillStory, Sink, StreamRecord } from "./sink.ts";
import { createStoryWriter } from "./store-explanation.ts";
import { createQueries, type RecordLog, type StoredEvent } from "./store-read.ts";
import { DEFAULT_RETENTION, pruneStep, type Retention } from "./store-retention.ts";
import { prepareForWriting } from "./store-schema.ts";
import { type BatchWriter, createBatchWriter, type Pending } from "./store-write.ts";

/** Name of the database below the state directory. */
export const STORE_FILE = "oomwitness.db";

export interface StoreOptions {
  /** The database file; its directory must exist. */
  readonly path: string;
  readonly clock: Clock;
  readonly retention?: Retention;
  /** Records that may wait for the disk; more are dropped and counted. */
  readonly queueLimit?: number;
  /** Something an operator should read: a damaged file was moved aside, the disk is full, it works again. */
  report(sentence: string): void;
}

/** Records on disk. Never throws and never blocks on a broken disk: records wait, bounded, and the rest is counted. */
export interface Store extends Sink, RecordLog {
  /** Why nothing is being written, as a sentence; `null` while all is well. */
  problem(): string | null;
  /** Records dropped because too many waited. */
  dropped(): number;
  /** Writes what waits, now, and waits for the disk; stops at the first failure, then false. */
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
const PRUNE_EVERY_MILLISECONDS = 60_000;
const PRUNE_AGAIN_MILLISECONDS = 200;

export function createStore(options: StoreOptions): Store {
  return new SqliteStore(options);
}

interface OpenStore {
  readonly database: SqliteDatabase;
  readonly write: BatchWriter;
  readonly writeStories: (stories: readonly KillStory[]) => void;
  readonly queries: RecordLog;
}

class SqliteStore implements Store {
  readonly name = "store";
  readonly #options: StoreOptions;
  readonly #queueLimit: number;
  #open: OpenStore | null = null;
  /** Waiting records, oldest first, from `#head` on; the front is cut off now and then, not one by one. */
  #queue: Pending[] = [];
  #head = 0;
  /** By id, for kills that are written or wait in the queue. */
  #stories = new Map<string, KillStory>();
  #dropped = 0;
  /** Something was written that a power cut would take away. */
  #unsynced = false;
  #lastSequence = 0;
  #problem: string | null = null;
  #retryMilliseconds = RETRY_FIRST_MILLISECONDS;
  #cancelFlush: (() => void) | null = null;
  #cancelPrune: () => void = () => undefined;
  #flushSoon = false;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#queueLimit = options.queueLimit ?? QUEUE_LIMIT;
    this.#attempt(() => undefined);
    this.#schedulePrune(PRUNE_AGAIN_MILLISECONDS);
  }

  accept(records: readonly StreamRecord[]): void {
    if (this.#closed) {
      this.#dropped += records.length;
      return;
    }
    const at = this.#options.clock.wallMicroseconds();
    this.#lastSequence = Math.max(this.#lastSequence, records.at(-1)?.sequence ?? 0);
    for (const entry of records) {
      if (this.#waiting() < this.#queueLimit) this.#queue.push({ entry, at });
      else this.#dropped += 1;
    }
    if (this.#problem === null) this.#scheduleFlush(this.#waiting() >= FULL_BATCH);
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

  problem(): string | null {
    return this.#problem;
  }

  dropped(): number {
    return this.#dropped;
  }

  flush(): boolean {
    while (this.#unwritten() && this.#writeBatch());
    if (this.#unsynced) this.#unsynced = !this.#attempt(() => syncWal(this.#options.path));
    return this.#waiting() === 0 && !this.#unsynced;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#cancelFlush?.();
    this.#cancelPrune();
    this.#dropped += this.#waiting();
    this.#queue = [];
    this.#stories.clear();
    this.#head = 0;
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
    return [...written, ...this.#waitingAfter(reached, limit - written.length)];
  }

  /** Never throws; 0 also when the file could not be opened yet. */
  lastSequence(): number {
    return this.#lastSequence;
  }

  #waitingAfter(sequence: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (let index = this.#head; index < this.#queue.length && events.length < limit; index += 1) {
      const entry = this.#queue[index]?.entry;
      if (entry === undefined || entry.sequence <= sequence) continue;
      const { type } = entry.record;
      events.push({ sequence: entry.sequence, type, json: jsonLine(entry.record) });
    }
    return events;
  }

  #waiting(): number {
    return this.#queue.length - this.#head;
  }

  #unwritten(): boolean {
    return this.#waiting() > 0 || this.#stories.size > 0;
  }

  /** Before a question: what waits is written, up to a full batch, so that the answer lags by little. */
  #writeSome(): void {
    if (this.#problem !== null || this.#closed) return;
    const transactions = FULL_BATCH / TRANSACTION;
    for (let turn = 0; turn < transactions && this.#waiting() > 0; turn += 1) this.#writeBatch();
  }

  #ask<T>(question: (open: OpenStore) => T): T {
    // A damaged file was moved away by the question before: the new one is opened now.
    if (this.#open === null && this.#problem === null && !this.#closed) this.#writeBatch();
    const open = this.#open;
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
    const batch = this.#queue.slice(this.#head, this.#head + TRANSACTION);
    if (batch.length === 0) return this.#writeStories();
    const written = this.#attempt(({ write }) => write(batch));
    if (written) this.#advance(batch.length);
    if (written) this.#unsynced = true;
    return written;
  }

  /** When their kills are written. */
  #writeStories(): boolean {
    const stories = [...this.#stories.values()].slice(0, TRANSACTION);
    const written = this.#attempt(({ writeStories }) => writeStories(stories));
    if (!written) return false;
    for (const { record } of stories) this.#stories.delete(record.id);
    if (stories.length > 0) this.#unsynced = true;
    return true;
  }

  #advance(count: number): void {
    this.#head += count;
    if (this.#head < this.#queue.length && this.#head < 10 * FULL_BATCH) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
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
    if (this.#open !== null) return this.#open;
    this.#open = openForWriting(this.#options.path);
    this.#lastSequence = Math.max(this.#lastSequence, this.#open.queries.lastSequence());
    return this.#open;
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
    const sentence = error instanceof Error ? error.message : String(error);
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

  #schedulePrune(milliseconds: number): void {
    this.#cancelPrune = this.#options.clock.after(milliseconds, () => {
      this.#schedulePrune(this.#prune() ? PRUNE_AGAIN_MILLISECONDS : PRUNE_EVERY_MILLISECONDS);
    });
  }

  #prune(): boolean {
    if (this.#problem !== null) return false;
    let more = false;
    const now = this.#options.clock.wallMicroseconds();
    this.#attempt(({ database }) => {
      more = pruneStep(database, now, this.#options.retention ?? DEFAULT_RETENTION);
      // Never in the middle of a storm: this one waits for the disk.
      if (this.#waiting() === 0) database.exec("PRAGMA wal_checkpoint(PASSIVE)");
    });
    return more;
  }

  #closeFile(): void {
    const open = this.#open;
    this.#open = null;
    try {
      open?.database.close();
    } catch {}
  }
}

/** A full disk or another process's lock: the open file is still good for reading. */
function passes(error: unknown): boolean {
  return (
    error instanceof HostError && (error.code === "SQLITE_FULL" || error.code === "SQLITE_BUSY")
  );
}

function openForWriting(path: string): OpenStore {
  const database = openSqlite(path, "write");
  try {
    prepareForWriting(database);
    return {
      database,
      write: createBatchWriter(database),
      writeStories: createStoryWriter(database),
      queries: createQueries(database),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
