import type { Clock } from "../host/host.ts";
import { isCorrupt, type SqliteDatabase, type SqliteRow, walSizeBytes } from "../host/sqlite.ts";
import { queryAside } from "../host/sqlite-aside.ts";
import { checkRows, INTEGRITY, integrityText } from "./store-check.ts";
import { isSmall, type OpenStore, setWaiting } from "./store-file.ts";
import type { Jobs } from "./store-jobs.ts";
import { pruneStep, type Retention } from "./store-retention.ts";
import { damaged } from "./store-schema.ts";

const PRUNE_EVERY_MILLISECONDS = 60_000;
const PRUNE_AGAIN_MILLISECONDS = 200;
/** Costs 5 ms of another thread and 10 ms of this one for each MiB. */
const CHECK_EVERY_MILLISECONDS = 3_600_000;
/** SQLite looks through a file of this size in 5 ms: for that no thread is started. */
const AT_ONCE_BYTES = 1024 * 1024;

/** A log of this size is brought into the file. */
const LOG_BYTES = 1024 * 1024;
const LOG_EVERY_MILLISECONDS = 5_000;
/** If the other thread cannot empty the log, the loop does, and stands still for it. */
const LARGEST_LOG_BYTES = 64 * 1024 * 1024;

interface Parts {
  readonly path: string;
  readonly clock: Clock;
  readonly retention: Retention;
  readonly jobs: Jobs;
  /** Does `work` on the file unless the store has a problem. */
  attempt(work: (open: OpenStore) => void): void;
  current(): OpenStore | null;
  damaged(error: unknown): void;
}

/** What a store does by itself now and then: forgets what is old, and looks for damage that nobody has met yet. */
export class Upkeep {
  readonly #parts: Parts;
  #cancelPrune: () => void = () => undefined;
  #cancelCheck: () => void = () => undefined;
  #cancelLog: () => void = () => undefined;
  #emptying = false;
  readonly #asides = new Set<Promise<unknown>>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#schedulePrune(PRUNE_AGAIN_MILLISECONDS);
    this.#scheduleLog();
    this.#scheduleCheck(parts.current()?.checked === false ? 0 : CHECK_EVERY_MILLISECONDS);
  }

  /** Resolves when no other thread has the file open. */
  async stop(): Promise<void> {
    this.#cancelPrune();
    this.#cancelCheck();
    this.#cancelLog();
    await Promise.allSettled(this.#asides);
  }

  #aside(sql: string): Promise<readonly SqliteRow[]> {
    const answer = queryAside(this.#parts.path, sql);
    this.#asides.add(answer);
    const done = () => void this.#asides.delete(answer);
    answer.then(done, done);
    return answer;
  }

  #schedulePrune(milliseconds: number): void {
    this.#cancelPrune = this.#parts.clock.after(milliseconds, () => {
      this.#schedulePrune(this.#prune() ? PRUNE_AGAIN_MILLISECONDS : PRUNE_EVERY_MILLISECONDS);
    });
  }

  /** True when there is more to do. */
  #prune(): boolean {
    const { clock, retention, attempt } = this.#parts;
    let more = false;
    attempt(({ database }) => {
      more = pruneStep(database, clock.wallMicroseconds(), retention);
    });
    return more;
  }

  #scheduleLog(): void {
    this.#cancelLog = this.#parts.clock.after(LOG_EVERY_MILLISECONDS, () => {
      this.#scheduleLog();
      const { path, attempt } = this.#parts;
      const bytes = walSizeBytes(path) ?? 0;
      if (bytes > LARGEST_LOG_BYTES) attempt(({ database }) => emptyLogHere(database));
      else if (bytes > LOG_BYTES) this.#emptyLog();
    });
  }

  /** Waits for the disk, and so does it in another thread. What it cannot do now, it does later. */
  #emptyLog(): void {
    if (this.#emptying) return;
    this.#emptying = true;
    const done = () => {
      this.#emptying = false;
    };
    this.#aside("PRAGMA wal_checkpoint(PASSIVE)").then(done, done);
  }

  #scheduleCheck(milliseconds: number): void {
    this.#cancelCheck = this.#parts.clock.after(milliseconds, () => {
      this.#scheduleCheck(CHECK_EVERY_MILLISECONDS);
      this.#check();
    });
  }

  /** SQLite in another thread, then the rows in turns. */
  #check(): void {
    const { path, current, attempt } = this.#parts;
    const open = current();
    if (open === null) return;
    const looked = (lines: readonly SqliteRow[]) => {
      const found = integrityText(lines);
      if (found === "") this.#checkRows(open);
      else this.#found(open, damaged(path, found));
    };
    if (isSmall(path, AT_ONCE_BYTES)) {
      attempt(({ database }) => looked(database.prepare(INTEGRITY).all()));
      return;
    }
    this.#aside(INTEGRITY).then(looked, (error: unknown) => this.#found(open, error));
  }

  #checkRows(open: OpenStore): void {
    const { jobs, path, current } = this.#parts;
    if (current() !== open) return;
    const found = (rows: string) => {
      if (rows !== "") this.#found(open, damaged(path, rows));
    };
    jobs.run(checkRows(open.database), false, found, (error) => this.#found(open, error));
  }

  #found(open: OpenStore, error: unknown): void {
    if (this.#parts.current() === open && isCorrupt(error)) this.#parts.damaged(error);
  }
}

function emptyLogHere(database: SqliteDatabase): void {
  setWaiting(database, true);
  database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  setWaiting(database, false);
}
