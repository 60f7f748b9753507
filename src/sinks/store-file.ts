import { HostError } from "../host/host.ts";
import { fileSizeBytes, inodeOf, openSqlite, type SqliteDatabase } from "../host/sqlite.ts";
import type { KillStory } from "./sink.ts";
import { checkRows, INTEGRITY, integrityText } from "./store-check.ts";
import { createStoryWriter } from "./store-explanation.ts";
import { createQueries, type RecordLog } from "./store-read.ts";
import { pendingOf, recordsInLog } from "./store-rescue.ts";
import { damaged, prepareForWriting } from "./store-schema.ts";
import { type BatchWriter, createBatchWriter } from "./store-write.ts";

/** A file up to this size is looked through before it is used: 60 ms. A larger one while it is used. */
const SMALL_BYTES = 8 * 1024 * 1024;

export interface OpenStore {
  readonly database: SqliteDatabase;
  readonly write: BatchWriter;
  readonly writeStories: (stories: readonly KillStory[]) => void;
  readonly queries: RecordLog;
  /** It was looked through and nothing was wrong. */
  readonly checked: boolean;
  /** False when the path names another file by now, or none. */
  isThere(): boolean;
}

/**
 * Opens or makes the file. Throws `HostError`; SQLITE_CORRUPT when it is damaged in any way that is found. What a writer
 * that was killed had put into the log is taken from there even where SQLite stops to believe it.
 */
export function openForWriting(path: string): OpenStore {
  const logged = recordsInLog(path);
  const database = openSqlite(path, "write");
  try {
    prepare(database);
    const checked = isSmall(path);
    if (checked) refuseDamage(database);
    const store = { database, ...accessOf(database), checked };
    const last = store.queries.lastSequence();
    const unknown = logged.filter(({ sequence }) => sequence > last);
    store.write(pendingOf(unknown));
    setWaiting(database, false);
    const inode = inodeOf(path);
    return { ...store, isThere: () => inodeOf(path) === inode };
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Whether this connection waits for the disk. It must when it brings the log into the file, and need not when it writes to the
 * log: the other thread that empties the log waits for the disk to have it first. A power cut may take records, never the file.
 */
export function setWaiting(database: SqliteDatabase, waits: boolean): void {
  database.exec(`PRAGMA synchronous = ${waits ? "NORMAL" : "OFF"}`);
}

export function isSmall(path: string, bytes = SMALL_BYTES): boolean {
  return fileSizeBytes(path) + fileSizeBytes(`${path}-wal`) <= bytes;
}

function accessOf(database: SqliteDatabase): Pick<OpenStore, "write" | "writeStories" | "queries"> {
  return {
    write: createBatchWriter(database),
    writeStories: createStoryWriter(database),
    queries: createQueries(database),
  };
}

/** Our own statements are right: if one of them is not understood, the tables are not those we made. */
function prepare(database: SqliteDatabase): void {
  try {
    prepareForWriting(database);
    accessOf(database);
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== "SQLITE_1") throw error;
    throw damaged(database.path, error.message);
  }
}

function refuseDamage(database: SqliteDatabase): void {
  const pages = integrityText(database.prepare(INTEGRITY).all());
  if (pages !== "") throw damaged(database.path, pages);
  const steps = checkRows(database);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  if (step.value !== "") throw damaged(database.path, step.value);
}

/** A full disk or another process's lock: the open file is still good for reading. */
export function passes(error: unknown): boolean {
  return (
    error instanceof HostError && (error.code === "SQLITE_FULL" || error.code === "SQLITE_BUSY")
  );
}
