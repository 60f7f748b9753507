import { HostError } from "../host/host.ts";
import {
  openSqlite,
  type SqliteDatabase,
  type SqliteRow,
  walSizeBytes,
  whyUnreadable,
} from "../host/sqlite.ts";
import type { Explanation } from "../model/explanation.ts";
import type { KillRecord } from "../model/record.ts";
import { decodeCursor, encodeCursor, type KillCursor } from "./cursor.ts";
import { isNarrow, type RecordFilter } from "./record-filter.ts";
import {
  addOwner,
  Conditions,
  type ExitPage,
  type ExitQuery,
  exitPage,
  exitTexts,
} from "./store-exits.ts";
import { findExplanation } from "./store-explanation.ts";
import { parseKillRecord } from "./store-record.ts";
import {
  EXPLANATIONS_VERSION,
  newerSchema,
  OWNERS_VERSION,
  SCHEMA_VERSION,
} from "./store-schema.ts";
import { soundSql } from "./store-seal.ts";
import { NO_TEXTS, type PageSource, type TextPage, textPage } from "./store-texts.ts";

export interface KillQuery {
  /** Wall µs: kills at or after it; `null` for no bound. */
  readonly since: number | null;
  /** Wall µs: kills before it; `null` for no bound. */
  readonly until: number | null;
  /** 1 to 1,000. */
  readonly limit: number;
  /** `next` of the page before; `null` for the first. An unreadable one throws `HostError` BAD_CURSOR. */
  readonly cursor: string | null;
  readonly filter?: KillFilter;
}

export interface KillFilter extends RecordFilter {
  readonly comm?: string;
  readonly pid?: number;
  /** This cgroup or any below it. */
  readonly cgroup?: string;
}

export interface KillPage {
  /** Newest first by time of the kill, then by id. */
  readonly items: readonly KillRecord[];
  readonly next: string | null;
}

export type KillLookup =
  | { readonly kind: "found"; readonly record: KillRecord }
  | { readonly kind: "none" }
  /** The ids that begin so, at most 10. */
  | { readonly kind: "ambiguous"; readonly ids: readonly string[] };

/** A record of the stream as it is kept: `json` is one line. */
export interface StoredEvent {
  readonly sequence: number;
  readonly type: string;
  readonly json: string;
}

/** What can be asked of recorded history. Failing calls throw `HostError`. */
export interface RecordLog {
  kills(query: KillQuery): KillPage;
  kill(idOrPrefix: string): KillLookup;
  exits(query: ExitQuery): ExitPage;
  /** The same pages as texts, for readers that pass them on, in a tenth of the time. */
  killTexts(query: KillQuery): TextPage;
  exitTexts(query: ExitQuery): TextPage;
  /** False while records that are told do not reach the disk; absent in a reader of a file. */
  isStored?(): boolean;
  /** Why the kill with exactly this id happened, as it was told then; `null` when nobody told. */
  explanation(id: string): Explanation | null;
  /** Up to `limit` records with a greater sequence, ascending; sequences taken by retention are missing. */
  eventsAfter(sequence: number, limit: number): readonly StoredEvent[];
  /** The greatest sequence ever recorded; 0 before the first. */
  lastSequence(): number;
}

export interface StoreReader extends RecordLog {
  /** What this reader may not see, as a sentence; `null` when it sees everything. */
  readonly note: string | null;
  close(): void;
}

export const PAGE_LIMIT = 1_000;
const AMBIGUOUS_LIMIT = 10;

/** The questions, asked of an open database whose schema is ours. */
export function createQueries(database: SqliteDatabase): RecordLog {
  const sound = soundSql(database);
  const events = `SELECT sequence, type, CASE WHEN ${sound} THEN json END AS json FROM events
    WHERE sequence > ? ORDER BY sequence LIMIT ?`;
  return {
    kills: (query) => killPage(database, query, sound),
    kill: (idOrPrefix) => findKill(database, idOrPrefix, sound),
    exits: (query) => exitPage(database, query, sound),
    killTexts: (query) => textPage(database, KILLS, conditionsOf(query), pageLimit(query), sound),
    exitTexts: (query) => exitTexts(database, query, sound),
    explanation: (id) => findExplanation(database, id),
    eventsAfter: (sequence, limit) =>
      database.prepare(events).all(sequence, limit).flatMap(eventOf),
    lastSequence: () =>
      Math.max(
        database.integer("SELECT value FROM meta WHERE key = 'last_sequence'"),
        database.integer("SELECT max(sequence) FROM events"),
      ),
  };
}

const KILLS: PageSource = { table: "kills", key: "id", cursorOf };

function killPage(database: SqliteDatabase, query: KillQuery, sound: string): KillPage {
  const limit = pageLimit(query);
  const conditions = conditionsOf(query);
  const order = "ORDER BY at DESC, id DESC";
  const found = `SELECT rowid FROM kills ${conditions.where} ${order} LIMIT ${limit + 1}`;
  const rows = database
    .prepare(
      `SELECT at, id, CASE WHEN ${sound} THEN json END AS json FROM kills WHERE rowid IN (${found}) ${order}`,
    )
    .all(...conditions.values);
  const page = rows.slice(0, limit);
  return {
    items: page.flatMap(({ json }) => parseKillRecord(json) ?? []),
    next: rows.length > limit ? cursorOf(page.at(-1)) : null,
  };
}

function pageLimit({ limit }: KillQuery): number {
  return Math.min(Math.max(1, Math.trunc(limit)), PAGE_LIMIT);
}

function conditionsOf(query: KillQuery): Conditions {
  const conditions = new Conditions();
  if (query.since !== null) conditions.add("at >= ?", query.since);
  if (query.until !== null) conditions.add("at < ?", query.until);
  if (query.cursor !== null) {
    const { at, id } = decodeCursor(query.cursor);
    conditions.add("(at, id) < (?, ?)", at, id);
  }
  const { comm, pid, cgroup, invisible } = query.filter ?? {};
  if (comm !== undefined) conditions.add("comm = ?", comm);
  if (pid !== undefined) conditions.add("pid = ?", pid);
  if (cgroup !== undefined) {
    const below = cgroup.endsWith("/") ? cgroup : `${cgroup}/`;
    conditions.add("(cgroup = ? OR substr(cgroup, 1, length(?)) = ?)", cgroup, below, below);
  }
  if (invisible === true) conditions.add("visibility = 'invisible'");
  addOwner(conditions, query.filter ?? {});
  return conditions;
}

function cursorOf(row: SqliteRow | undefined): string | null {
  const position = row === undefined ? null : positionOf(row);
  return position === null ? null : encodeCursor(position);
}

function positionOf(row: SqliteRow): KillCursor | null {
  const { at, id } = row;
  return typeof at === "number" && typeof id === "string" ? { at, id } : null;
}

function findKill(database: SqliteDatabase, idOrPrefix: string, sound: string): KillLookup {
  const json = `CASE WHEN ${sound} THEN json END AS json`;
  const exact = database.prepare(`SELECT ${json} FROM kills WHERE id = ?`).get(idOrPrefix);
  if (exact !== null) return lookupOf(exact, idOrPrefix);
  if (idOrPrefix === "") return { kind: "none" };
  // Ids sort by their bytes: all that begin with the prefix lie in this range.
  const rows = database
    .prepare(
      `SELECT id, ${json} FROM kills WHERE id >= ? AND id < ? ORDER BY id LIMIT ${AMBIGUOUS_LIMIT}`,
    )
    .all(idOrPrefix, `${idOrPrefix}\u{10ffff}`);
  const [first, second] = rows;
  if (first === undefined) return { kind: "none" };
  if (second === undefined) return lookupOf(first, idOrPrefix);
  return { kind: "ambiguous", ids: rows.map(({ id }) => String(id)) };
}

function lookupOf({ json }: SqliteRow, idOrPrefix: string): KillLookup {
  const record = parseKillRecord(json);
  // A damaged row may stand under another's id.
  return record?.id.startsWith(idOrPrefix) ? { kind: "found", record } : { kind: "none" };
}

function eventOf(row: SqliteRow): StoredEvent[] {
  const { sequence, type, json } = row;
  if (typeof sequence !== "number" || typeof type !== "string" || typeof json !== "string") {
    return [];
  }
  return [{ sequence, type, json }];
}

/**
 * Opens a store for reading, whether or not an agent is writing it, also without the right to write its directory.
 * Throws `HostError` (ENOENT, EACCES, STORE_NEWER, SQLITE_…) with a sentence that says what to do.
 */
export function openStoreReader(path: string): StoreReader {
  const why = whyUnreadable(path);
  if (why !== null) throw unreadable(path, why);
  const { database, note } = openForReading(path);
  try {
    const version = database.integer("PRAGMA user_version");
    if (version > SCHEMA_VERSION) throw newerSchema(path, version);
    const queries = version === 0 ? EMPTY : versioned(createQueries(database), version);
    return { ...queries, note, close: () => database.close() };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A file whose writer has not come to create its tables. */
const EMPTY: RecordLog = {
  kills: () => ({ items: [], next: null }),
  kill: () => ({ kind: "none" }),
  exits: () => ({ items: [], next: null }),
  killTexts: () => NO_TEXTS,
  exitTexts: () => NO_TEXTS,
  explanation: () => null,
  eventsAfter: () => [],
  lastSequence: () => 0,
};

/** A file of an agent that is not upgraded yet: what it does not know a reader may not add. */
function versioned(queries: RecordLog, version: number): RecordLog {
  if (version >= EXPLANATIONS_VERSION) return queries;
  const unexplained = { ...queries, explanation: EMPTY.explanation };
  if (version >= OWNERS_VERSION) return unexplained;
  return {
    ...unexplained,
    exits: EMPTY.exits,
    exitTexts: EMPTY.exitTexts,
    kills: (query) => (asksForOwner(query) ? EMPTY : queries).kills(query),
    killTexts: (query) => (asksForOwner(query) ? EMPTY : queries).killTexts(query),
  };
}

function asksForOwner({ filter = {} }: KillQuery): boolean {
  const { comm: _comm, pid: _pid, cgroup: _cgroup, ...owner } = filter;
  return isNarrow(owner);
}

function openForReading(path: string): { database: SqliteDatabase; note: string | null } {
  try {
    return { database: opened(path, "read"), note: null };
  } catch (error) {
    if (!needsImmutable(error)) throw explained(path, error);
  }
  // No -shm file and no right to make one: the agent has stopped. Without a write-ahead log the file says it all.
  if (walSizeBytes(path) !== 0) return openWithoutLog(path);
  try {
    return { database: opened(path, "immutable"), note: null };
  } catch (error) {
    throw explained(path, error);
  }
}

/** The log may hold half of what a page of the file needs: it is read only if it is sound as it stands. */
function openWithoutLog(path: string): { database: SqliteDatabase; note: string } {
  let database: SqliteDatabase | null = null;
  try {
    database = opened(path, "immutable");
    const [verdict] = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {});
    if (verdict === "ok") return { database, note: staleNote(path) };
  } catch {}
  database?.close();
  const message = `may not read ${path}-wal, and ${path} is not complete without it: run as root`;
  throw new HostError("EACCES", path, message);
}

/** SQLite opens lazily: only a read of the file shows whether it can be read. */
function opened(path: string, mode: "read" | "immutable"): SqliteDatabase {
  const database = openSqlite(path, mode);
  try {
    database.integer("SELECT count(*) FROM sqlite_schema");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function needsImmutable(error: unknown): boolean {
  return (
    error instanceof HostError &&
    (error.code === "SQLITE_CANTOPEN" || error.code === "SQLITE_READONLY")
  );
}

function staleNote(path: string): string {
  return `the newest records may be missing: ${path}-wal cannot be read by this user; run as root to see them`;
}

function unreadable(path: string, code: string): HostError {
  const advice =
    code === "ENOENT"
      ? "the agent has not run here yet (start it with 'oomwitness agent') or keeps its state elsewhere (--state-dir)"
      : "run as root, or as the user that runs the agent";
  const what = code === "ENOENT" ? `no store at ${path}` : `may not read ${path} (${code})`;
  return new HostError(code, path, `${what}: ${advice}`);
}

function explained(path: string, error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  const damaged = error.code === "SQLITE_CORRUPT" || error.code === "SQLITE_NOTADB";
  const advice = damaged
    ? "it is damaged; the agent moves it aside and begins a new one when it starts"
    : "see whether the disk and the directory are in order";
  return new HostError(error.code, path, `cannot read ${path} (${error.message}): ${advice}`);
}
