import fs from "node:fs";
import * as nodeSqlite from "node:sqlite";
import { pathToFileURL } from "node:url";
import { toHostError, wrapped } from "./errors.ts";
import { HostError } from "./host.ts";

/** The door to embedded SQLite files. Every call blocks; every failure is a `HostError` with SQLite's own code. */
export type SqliteValue = null | number | string;
export type SqliteRow = Readonly<Record<string, unknown>>;

export interface SqliteDatabase {
  readonly path: string;
  /** Runs one or more statements without results. */
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  /** Runs `work` in one write transaction; rolls back when it throws. */
  transaction(work: () => void): void;
  /** Makes `call` a function of SQL. It must not throw. */
  define(name: string, call: (...values: readonly unknown[]) => SqliteValue): void;
  /** The value of the first column of the first row as an integer; 0 when there is none. */
  integer(sql: string): number;
  /** Idempotent. */
  close(): void;
}

export interface SqliteStatement {
  /** Returns how many rows changed. */
  run(...values: SqliteValue[]): number;
  all(...values: SqliteValue[]): readonly SqliteRow[];
  get(...values: SqliteValue[]): SqliteRow | null;
}

export type SqliteMode =
  /** Creates the file when missing. */
  | "write"
  /** Sees what a running writer commits; needs the -shm file to exist, or the right to create it. */
  | "read"
  /** Takes no lock and ignores the -wal file: right only while nobody writes. */
  | "immutable";

/** How long a call waits for another process's lock. It blocks the program, so it is short. */
const BUSY_TIMEOUT_MILLISECONDS = 100;

/** Primary result codes (sqlite.org/rescode.html) that callers tell apart; others keep their number. */
const CODES: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  26: "SQLITE_NOTADB",
};

type Constructor = typeof nodeSqlite.DatabaseSync;

/** Newer Node calls the class `Database` and keeps the old name as a deprecated alias (DEP0210). */
function databaseClass(): Constructor {
  // Not spread or listed: only touching the old name prints the deprecation.
  const names: { readonly Database?: unknown; readonly DatabaseSync?: unknown } = nodeSqlite;
  const found = names.Database ?? names.DatabaseSync;
  if (!isConstructor(found)) {
    throw new HostError("SQLITE_MISSING", "", "this Node has no node:sqlite: use Node 24 or newer");
  }
  return found;
}

function isConstructor(value: unknown): value is Constructor {
  return typeof value === "function";
}

export function openSqlite(path: string, mode: SqliteMode): SqliteDatabase {
  const Database = databaseClass();
  const inner = guarded(
    path,
    () =>
      new Database(locationOf(path, mode), {
        readOnly: mode !== "write",
        timeout: BUSY_TIMEOUT_MILLISECONDS,
      }),
  );
  return wrapDatabase(inner, path);
}

function locationOf(path: string, mode: SqliteMode): string | URL {
  if (mode !== "immutable") return path;
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return url;
}

function wrapDatabase(inner: nodeSqlite.DatabaseSync, path: string): SqliteDatabase {
  const exec = (sql: string) => guarded(path, () => inner.exec(sql));
  const prepare = (sql: string) => wrapStatement(inner, sql, path);
  return {
    path,
    exec,
    prepare,
    transaction: (work) => inTransaction(exec, work),
    define: (name, call) =>
      guarded(path, () => inner.function(name, { deterministic: true, varargs: true }, call)),
    integer: (sql) => {
      const row = prepare(sql).get();
      const value = row === null ? null : Object.values(row)[0];
      return typeof value === "number" ? value : 0;
    },
    close: () => {
      if (inner.isOpen) guarded(path, () => inner.close());
    },
  };
}

function inTransaction(exec: (sql: string) => void, work: () => void): void {
  exec("BEGIN IMMEDIATE");
  try {
    work();
    exec("COMMIT");
  } catch (error) {
    // After a full disk or an I/O error SQLite may have rolled back by itself; then this one fails, which is fine.
    try {
      exec("ROLLBACK");
    } catch {}
    throw error;
  }
}

function wrapStatement(inner: nodeSqlite.DatabaseSync, sql: string, path: string): SqliteStatement {
  const statement = guarded(path, () => inner.prepare(sql));
  return {
    run: (...values) => guarded(path, () => Number(statement.run(...values).changes)),
    all: (...values) => guarded(path, () => statement.all(...values)),
    get: (...values) => guarded(path, () => statement.get(...values) ?? null),
  };
}

function guarded<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toSqliteError(error, path);
  }
}

function toSqliteError(error: unknown, path: string): HostError {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") {
    return toHostError(error, path);
  }
  // The low byte is the primary code, the rest says more (SQLITE_IOERR_WRITE, …).
  const code = CODES[error.errcode & 0xff] ?? `SQLITE_${error.errcode & 0xff}`;
  return new HostError(code, path, `${code}: ${error.message}`);
}

/** Whether the file, not the call, is at fault: nothing but a new file helps. */
export function isCorrupt(error: unknown): boolean {
  return (
    error instanceof HostError &&
    (error.code === "SQLITE_CORRUPT" || error.code === "SQLITE_NOTADB")
  );
}

/** Renames a database and its companions to the first free `PATH.corrupt-N`; returns that name. */
export function moveSqliteAside(path: string): string {
  let number = 1;
  while (isThere(`${path}.corrupt-${number}`)) number += 1;
  const aside = `${path}.corrupt-${number}`;
  for (const suffix of ["-wal", "-shm", ""]) renameIfThere(path + suffix, aside + suffix);
  return aside;
}

function isThere(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false }) !== undefined;
}

function renameIfThere(from: string, to: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    const failure = toHostError(error, from);
    if (failure.code !== "ENOENT") throw failure;
  }
}

/** Bytes in the write-ahead log beside a database; 0 when there is none, `null` when we may not look. */
export function walSizeBytes(path: string): number | null {
  try {
    return fs.statSync(`${path}-wal`).size;
  } catch (error) {
    return toHostError(error, path).code === "ENOENT" ? 0 : null;
  }
}

/** Bytes of a file; 0 when it is missing or may not be looked at. */
export function fileSizeBytes(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Which file the path names; `null` when none. */
export function inodeOf(path: string): number | null {
  return fs.statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/**
 * Resolves when the disk has the write-ahead log beside a database; SQLite itself waits for it only now and then (NORMAL).
 * Another thread waits: with a busy disk it took up to 1.4 s. Rejects with `HostError`.
 */
export async function syncWal(path: string): Promise<void> {
  const wal = `${path}-wal`;
  try {
    const handle = await fs.promises.open(wal, fs.constants.O_RDONLY);
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toHostError(error, wal);
  }
}

/** Why a file cannot be opened for reading (`ENOENT`, `EACCES`, …); `null` when it can. */
export function whyUnreadable(path: string): string | null {
  try {
    fs.accessSync(path, fs.constants.R_OK);
    return null;
  } catch {
    return whyNotOpened(path);
  }
}

/**
 * access(2) leaves out what capabilities allow. Not tried first: closing a file gives up the locks that SQLite holds on it
 * in this process, and a file that this process has open is one that access(2) lets pass.
 */
function whyNotOpened(path: string): string | null {
  try {
    fs.closeSync(fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
    return null;
  } catch (error) {
    return toHostError(error, path).code;
  }
}

/** The bytes of a file in pieces, each beginning with the last `overlap` bytes of the one before; none when it is missing. */
export function* chunksOf(path: string, bytes: number, overlap: number): Generator<Uint8Array> {
  const descriptor = openIfThere(path);
  if (descriptor === null) return;
  try {
    const buffer = Buffer.allocUnsafe(bytes + overlap);
    let kept = 0;
    for (;;) {
      const count = wrapped(path, () => fs.readSync(descriptor, buffer, kept, bytes, null));
      if (count === 0) return;
      const end = kept + count;
      yield buffer.subarray(0, end);
      kept = Math.min(overlap, end);
      buffer.copy(buffer, 0, end - kept, end);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function openIfThere(path: string): number | null {
  try {
    return fs.openSync(path, fs.constants.O_RDONLY);
  } catch (error) {
    const failure = toHostError(error, path);
    if (failure.code !== "ENOENT") throw failure;
    return null;
  }
}
