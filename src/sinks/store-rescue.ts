import { HostError } from "../host/host.ts";
import { chunksOf, openSqlite, type SqliteDatabase, type SqliteRow } from "../host/sqlite.ts";
import { isOutputRecord } from "./store-record.ts";
import { findRecords, type SealedRecord, sealedRecord, storyOf } from "./store-seal.ts";
import { createBatchWriter, type Pending } from "./store-write.ts";
import { parsedJson } from "./stored-shape.ts";

/** Rows read or written in one step: some milliseconds. */
const STEP_ROWS = 100;
/** Bytes looked through in one step. */
const CHUNK_BYTES = 512 * 1024;
/** A record that is whole lies within one page of 4 KiB. */
const OVERLAP_BYTES = 8 * 1024;
const NAMED = 20;

const TABLES = ["events", "kills", "exits"] as const;
type Table = (typeof TABLES)[number];

/**
 * Brings everything that is whole in a damaged database, and in the log beside it, into a new one: what SQLite can still
 * read, and then whatever sealed record is found among its bytes. Does a little at each step; a clause in the end.
 */
export function* rescue(damagedPath: string, target: SqliteDatabase): Generator<void, string> {
  const into = new Target(target);
  const source = tryOpen(damagedPath);
  if (source !== null) yield* copyAll(source, into);
  for (const path of [damagedPath, `${damagedPath}-wal`]) {
    for (const chunk of chunksOf(path, CHUNK_BYTES, OVERLAP_BYTES)) {
      into.put(findRecords(chunk));
      yield;
    }
  }
  const lost = source === null ? null : lossOf(source, target, into);
  source?.close();
  return resultText(into, lost);
}

/** The same from a database that is open and whole, but whose file somebody removed. Closes it. */
export function* rescueOpen(
  source: SqliteDatabase,
  target: SqliteDatabase,
): Generator<void, string> {
  const into = new Target(target);
  yield* copyAll(source, into);
  const lost = lossOf(source, target, into);
  source.close();
  return resultText(into, lost);
}

function* copyAll(source: SqliteDatabase, into: Target): Generator<void> {
  for (const table of TABLES) yield* copyTable(source, table, into);
  yield* copyStories(source, into);
}

function resultText(into: Target, lost: string | null): string {
  const saved = `${into.saved.kills} kills and ${into.saved.exits} exits in ${into.saved.events} records were saved from it`;
  if (lost === null) return `${saved}; how many it had cannot be read any more`;
  return lost === "" ? `${saved}, nothing is lost` : `${saved}; lost: ${lost}`;
}

/** At once: no record to come may be given a place in the stream that a record of the damaged database has. */
export function goOnBehind(damagedPath: string, target: SqliteDatabase): void {
  const source = tryOpen(damagedPath);
  const meta = source === null ? null : metaOf(source);
  source?.close();
  const last = meta?.get("last_sequence");
  if (last === undefined || meta?.get("last_sequence_again") !== -last) return;
  target.exec(`UPDATE meta SET value = max(value, ${last}) WHERE key = 'last_sequence'`);
  target.exec(`UPDATE meta SET value = min(value, ${-last}) WHERE key = 'last_sequence_again'`);
}

function metaOf(source: SqliteDatabase): ReadonlyMap<string, number> | null {
  const rows = tryAll(source, "SELECT key, value FROM meta");
  return rows && new Map(rows.map(({ key, value }) => [String(key), Number(value)]));
}

/** Records that stand in the write-ahead log, also behind the place up to which SQLite believes it. */
export function recordsInLog(path: string): SealedRecord[] {
  const found: SealedRecord[] = [];
  for (const chunk of chunksOf(`${path}-wal`, CHUNK_BYTES, OVERLAP_BYTES)) {
    found.push(...findRecords(chunk));
  }
  return found;
}

/** For `createBatchWriter`; those that are no records are left out. */
export function pendingOf(records: readonly SealedRecord[]): Pending[] {
  return records.flatMap(({ sequence, at, json }) => {
    const record = parsedJson(json);
    return isOutputRecord(record) ? [{ entry: { sequence, record }, at }] : [];
  });
}

class Target {
  readonly saved: Record<Table, number> = { events: 0, kills: 0, exits: 0 };
  readonly #database: SqliteDatabase;
  readonly #write: (batch: readonly Pending[]) => void;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#write = createBatchWriter(database, "keep");
  }

  put(records: readonly SealedRecord[]): void {
    const before = this.#counts();
    this.#write(pendingOf(records));
    const after = this.#counts();
    for (const table of TABLES) this.saved[table] += after[table] - before[table];
  }

  putStory(id: string, text: string): void {
    this.#database
      .prepare("UPDATE kills SET explanation = ? WHERE id = ? AND explanation IS NULL")
      .run(text, id);
  }

  #counts(): Record<Table, number> {
    return countsIn(this.#database);
  }
}

function countsIn(database: SqliteDatabase): Record<Table, number> {
  const count = (table: Table) => database.integer(`SELECT value FROM meta WHERE key = '${table}'`);
  return { events: count("events"), kills: count("kills"), exits: count("exits") };
}

function tryOpen(path: string): SqliteDatabase | null {
  try {
    const database = openSqlite(path, "read");
    database.integer("SELECT count(*) FROM sqlite_schema");
    return database;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return null;
  }
}

/** From both ends, as far as it can be read. */
function* copyTable(source: SqliteDatabase, table: Table, into: Target): Generator<void> {
  const sealed = tryAll(source, `SELECT seal FROM ${table} LIMIT 0`) !== null;
  for (const [order, beyond, start] of [
    ["ASC", ">", Number.MIN_SAFE_INTEGER],
    ["DESC", "<", Number.MAX_SAFE_INTEGER],
  ] as const) {
    let place: number | null = start;
    let whole = false;
    while (place !== null) {
      const sql = `SELECT rowid AS place, ${columnsOf(table, sealed)} FROM ${table} NOT INDEXED
        WHERE rowid ${beyond} ? ORDER BY rowid ${order} LIMIT ${STEP_ROWS}`;
      const rows = tryAll(source, sql, place);
      into.put(rows?.flatMap((row) => sealedOf(row) ?? []) ?? []);
      whole = rows !== null && rows.length < STEP_ROWS;
      place = rows !== null && !whole ? placeBeyond(rows, place) : null;
      yield;
    }
    if (whole) return;
  }
}

function columnsOf(table: Table, sealed: boolean): string {
  const sequence = table === "kills" ? "first_sequence" : "sequence";
  return `${sequence} AS sequence, at, json, ${sealed ? "seal" : "NULL AS seal"}`;
}

/** A row of an earlier version has no seal: it is believed if it is a record. */
function sealedOf({ sequence, at, json, seal }: SqliteRow): SealedRecord | null {
  if (seal !== null) return sealedRecord(json, seal);
  if (typeof json !== "string" || typeof sequence !== "number" || typeof at !== "number")
    return null;
  return { sequence, at, json };
}

function* copyStories(source: SqliteDatabase, into: Target): Generator<void> {
  let place: number | null = Number.MIN_SAFE_INTEGER;
  while (place !== null) {
    const sql = `SELECT rowid AS place, id, explanation FROM kills NOT INDEXED
      WHERE rowid > ? ORDER BY rowid LIMIT ${STEP_ROWS}`;
    const rows: readonly SqliteRow[] = tryAll(source, sql, place) ?? [];
    for (const { id, explanation } of rows) {
      if (typeof id !== "string" || typeof explanation !== "string") continue;
      if (storyOf(explanation, id) !== null) into.putStory(id, explanation);
    }
    place = rows.length < STEP_ROWS ? null : placeBeyond(rows, place);
    yield;
  }
}

function tryAll(
  source: SqliteDatabase,
  sql: string,
  ...values: number[]
): readonly SqliteRow[] | null {
  try {
    return source.prepare(sql).all(...values);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return null;
  }
}

/**
 * The last place of these rows; `null` when it is none beyond `from` in the direction of all: the pages of a damaged tree may
 * follow each other in a circle.
 */
function placeBeyond(rows: readonly SqliteRow[], from: number): number | null {
  const [first, last] = [rows[0]?.["place"], rows.at(-1)?.["place"]];
  if (typeof first !== "number" || typeof last !== "number") return null;
  const up = from < first && first <= last;
  const down = from > first && first >= last;
  return up || down ? last : null;
}

/** What is missing, by number and as far as it can be by name; "" when nothing is, `null` when that cannot be told. */
function lossOf(source: SqliteDatabase, target: SqliteDatabase, { saved }: Target): string | null {
  const meta = metaOf(source);
  if (meta === null) return null;
  const parts = TABLES.flatMap((table) => {
    const [count, again] = [meta.get(table), meta.get(`${table}_again`)];
    if (count === undefined || again !== -count) return [`an unknown number of ${table}`];
    const lost = count - saved[table];
    const names = lost > 0 && table === "kills" ? lostKills(source, target) : "";
    return lost > 0 ? [`${lost} ${table === "events" ? "records" : table}${names}`] : [];
  });
  return parts.join(", ");
}

/** Indexes name kills whose rows are gone. */
function lostKills(source: SqliteDatabase, target: SqliteDatabase): string {
  const sql = "SELECT id FROM kills INDEXED BY kills_owner WHERE at > ? LIMIT 100000";
  const known = target.prepare("SELECT 1 FROM kills WHERE id = ?");
  const names = (tryAll(source, sql, 0) ?? []).flatMap(({ id }) =>
    typeof id === "string" && /^[\w.:-]{1,80}$/.test(id) && known.get(id) === null ? [id] : [],
  );
  return names.length === 0 ? "" : ` (${names.slice(0, NAMED).join(", ")})`;
}
