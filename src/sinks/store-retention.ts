import type { SqliteDatabase } from "../host/sqlite.ts";

export interface Retention {
  /** Kills, exits and their events are kept so long. */
  readonly ageMicroseconds: number;
  /** Size the database may have on disk, without its write-ahead log. */
  readonly sizeBytes: number;
  /** Ledger and source records are only kept for readers that resume. */
  readonly smallAgeMicroseconds: number;
}

const DAY = 86_400_000_000;

export const DEFAULT_RETENTION: Retention = {
  ageMicroseconds: 30 * DAY,
  sizeBytes: 256 * 1024 * 1024,
  smallAgeMicroseconds: DAY,
};

/** Rows one step may delete of each table: some milliseconds of work. */
const STEP_ROWS = 500;
/** Free pages given back to the file system in one step. */
const STEP_PAGES = 256;

/** One small step of forgetting; true when there is more to do. */
export function pruneStep(database: SqliteDatabase, now: number, retention: Retention): boolean {
  let deleted = 0;
  database.transaction(() => {
    deleted += pruneByAge(database, now, retention);
    if (usedBytes(database) > retention.sizeBytes) deleted += pruneBySize(database, now);
  });
  const free = database.integer("PRAGMA freelist_count");
  if (free > STEP_PAGES) database.exec(`PRAGMA incremental_vacuum(${STEP_PAGES})`);
  return deleted > 0 || free > 2 * STEP_PAGES;
}

/** Bytes of pages that hold something. */
export function usedBytes(database: SqliteDatabase): number {
  const pages = database.integer("PRAGMA page_count") - database.integer("PRAGMA freelist_count");
  return pages * database.integer("PRAGMA page_size");
}

function pruneByAge(database: SqliteDatabase, now: number, retention: Retention): number {
  const before = now - retention.ageMicroseconds;
  return (
    // The condition stands outside the LIMIT: only the oldest rows are looked at, not the whole table.
    deleteEvents(database, `SELECT sequence FROM (${OLDEST_EVENTS}) WHERE at < ?`, before) +
    deleteEvents(
      database,
      `SELECT sequence FROM events WHERE type IN ('ledger', 'source') AND at < ? ORDER BY at LIMIT ${STEP_ROWS}`,
      now - retention.smallAgeMicroseconds,
    ) +
    database
      .prepare(`DELETE FROM kills WHERE id IN (SELECT id FROM (${OLDEST_KILLS}) WHERE at < ?)`)
      .run(before) +
    database
      .prepare(
        `DELETE FROM exits WHERE sequence IN (SELECT sequence FROM (${OLDEST_EXITS}) WHERE at < ?)`,
      )
      .run(before)
  );
}

const OLDEST_EVENTS = `SELECT sequence, at FROM events ORDER BY sequence LIMIT ${STEP_ROWS}`;
const OLDEST_KILLS = `SELECT id, at FROM kills ORDER BY at, id LIMIT ${STEP_ROWS}`;
const OLDEST_EXITS = `SELECT sequence, at FROM exits ORDER BY at, sequence LIMIT ${STEP_ROWS}`;

/**
 * Too large: the replay of old events goes first, since each kill is also in `kills`; when only events of the last day
 * are left, events, kills and exits go together, oldest first.
 */
function pruneBySize(database: SqliteDatabase, now: number): number {
  const old = deleteEvents(
    database,
    `SELECT sequence FROM (${OLDEST_EVENTS}) WHERE at < ?`,
    now - DAY,
  );
  if (old > 0) return old;
  const events = deleteEvents(database, `SELECT sequence FROM (${OLDEST_EVENTS}) WHERE at >= ?`, 0);
  const kills = database
    .prepare(`DELETE FROM kills WHERE id IN (SELECT id FROM (${OLDEST_KILLS}))`)
    .run();
  const exits = database
    .prepare(`DELETE FROM exits WHERE sequence IN (SELECT sequence FROM (${OLDEST_EXITS}))`)
    .run();
  return events + kills + exits;
}

function deleteEvents(database: SqliteDatabase, selection: string, bound: number): number {
  return database.prepare(`DELETE FROM events WHERE sequence IN (${selection})`).run(bound);
}
