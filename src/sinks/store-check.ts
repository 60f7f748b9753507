import type { SqliteDatabase, SqliteRow, SqliteValue } from "../host/sqlite.ts";
import { parseExitRecord, parseKillRecord } from "./store-record.ts";
import { sealedRecord, storyOf } from "./store-seal.ts";
import { EXIT_COLUMNS, exitColumns, KILL_COLUMNS, killColumns } from "./store-write.ts";
import { parsedJson } from "./stored-shape.ts";

/** Rows looked at in one step: 2 ms. */
const STEP_ROWS = 200;
/** Damaged rows that are named. */
const NAMED = 10;

/** What SQLite itself finds wrong: pages, indexes that differ from their tables. 5 ms a MiB. */
export const INTEGRITY = `PRAGMA integrity_check(${NAMED})`;

/** The damage, from the rows that `INTEGRITY` gave; "" when there is none. */
export function integrityText(rows: readonly SqliteRow[]): string {
  const lines = rows.flatMap((row) => Object.values(row).slice(0, 1).map(String));
  if (lines.join() === "ok") return "";
  const said = lines.flatMap((text) => text.split("\n")).filter((line) => !line.startsWith("***"));
  return said.join("; ").slice(0, 120);
}

/** Looks whether each row is as it was written, some rows a step. Gives the damage in the end; "" when there is none. */
export function* checkRows(database: SqliteDatabase): Generator<void, string> {
  const found: string[] = [];
  for (const table of [EVENTS, KILLS, EXITS]) {
    let after: number | null = Number.MIN_SAFE_INTEGER;
    while (after !== null && found.length < NAMED) {
      const rows: readonly SqliteRow[] = database.prepare(table.step).all(after);
      found.push(...rows.flatMap((row) => (table.isWhole(row) ? [] : [table.name(row)])));
      after = lastOf(rows);
      yield;
    }
  }
  const missing = database.prepare(MISCOUNTED).all();
  found.push(...missing.map(({ key }) => `the number of ${String(key)}`));
  return found.slice(0, NAMED).join(", ");
}

interface Table {
  readonly step: string;
  isWhole(row: SqliteRow): boolean;
  name(row: SqliteRow): string;
}

const EVENTS: Table = {
  step: stepOf("events", ["sequence", "type", "at", "id", "json", "seal"]),
  name: ({ sequence }) => `record ${String(sequence)}`,
  isWhole: ({ sequence, type, at, id, json, seal }) => {
    if (seal === null) return parsedJson(json) !== null;
    const kept = sealedRecord(json, seal);
    const value = parsedJson(json);
    if (kept === null || typeof value !== "object" || value === null) return false;
    const [kind, own] = ["type" in value ? value.type : null, "id" in value ? value.id : null];
    return kept.sequence === sequence && kept.at === at && kind === type && own === id;
  },
};

const KILLS: Table = {
  step: stepOf("kills", [...KILL_COLUMNS, "json", "seal", "explanation"]),
  name: ({ id }) => `kill ${String(id)}`,
  isWhole: (row) => {
    const { json, seal, explanation, at } = row;
    const kill = seal === null || sealedRecord(json, seal) !== null ? parseKillRecord(json) : null;
    if (kill === null || !sameColumns(row, KILL_COLUMNS, killColumns(kill, Number(at)))) {
      return false;
    }
    return explanation === null || storyOf(explanation, kill.id) !== null;
  },
};

const EXITS: Table = {
  step: stepOf("exits", [...EXIT_COLUMNS, "json", "seal"]),
  name: ({ id }) => `exit ${String(id)}`,
  isWhole: (row) => {
    const { json, seal, at } = row;
    const exit = seal === null || sealedRecord(json, seal) !== null ? parseExitRecord(json) : null;
    return exit !== null && sameColumns(row, EXIT_COLUMNS, exitColumns(exit, Number(at)));
  },
};

/** Both copies of a count, and the rows themselves. */
const MISCOUNTED = ["events", "kills", "exits"]
  .map(
    (table) => `SELECT '${table}' AS key WHERE (SELECT value FROM meta WHERE key = '${table}')
      IS NOT (SELECT count(*) FROM ${table}) OR (SELECT value FROM meta WHERE key = '${table}_again')
      IS NOT (SELECT -count(*) FROM ${table})`,
  )
  .concat(`SELECT 'records told' AS key WHERE (SELECT value FROM meta WHERE key = 'last_sequence')
    IS NOT (SELECT -value FROM meta WHERE key = 'last_sequence_again')`)
  .join(" UNION ALL ");

function stepOf(table: string, columns: readonly string[]): string {
  return `SELECT rowid AS place, ${columns.join(", ")} FROM ${table} NOT INDEXED
    WHERE rowid > ? ORDER BY rowid LIMIT ${STEP_ROWS}`;
}

function lastOf(rows: readonly SqliteRow[]): number | null {
  const place = rows.at(-1)?.["place"];
  return rows.length === STEP_ROWS && typeof place === "number" ? place : null;
}

function sameColumns(
  row: SqliteRow,
  columns: readonly string[],
  values: readonly SqliteValue[],
): boolean {
  return columns.every((column, index) => row[column] === values[index]);
}
