import type { SqliteDatabase, SqliteRow, SqliteValue } from "../host/sqlite.ts";
import type { ExitRecord } from "../model/record.ts";
import { decodeSequenceCursor, encodeCursor } from "./cursor.ts";
import { idPrefix, type OwnerFilter } from "./record-filter.ts";
import { parseExitRecord } from "./store-record.ts";
import { type PageSource, type TextPage, textPage } from "./store-texts.ts";

export interface ExitQuery {
  /** Wall µs: exits at or after it; `null` for no bound. */
  readonly since: number | null;
  /** Wall µs: exits before it; `null` for no bound. */
  readonly until: number | null;
  /** 1 to 1,000. */
  readonly limit: number;
  /** `next` of the page before; `null` for the first. An unreadable one throws `HostError` BAD_CURSOR. */
  readonly cursor: string | null;
  readonly filter?: OwnerFilter;
}

export interface ExitPage {
  /** Newest first. */
  readonly items: readonly ExitRecord[];
  readonly next: string | null;
}

export const EXIT_PAGE_LIMIT = 1_000;

/** Conditions of a query, with the values that belong to their question marks. */
export class Conditions {
  readonly #parts: string[] = [];
  readonly values: SqliteValue[] = [];

  add(sql: string, ...bound: SqliteValue[]): void {
    this.#parts.push(sql);
    this.values.push(...bound);
  }

  get where(): string {
    return this.#parts.length === 0 ? "" : `WHERE ${this.#parts.join(" AND ")}`;
  }
}

/** Both tables name the owner in the same columns. */
export function addOwner(conditions: Conditions, { container, pod, namespace }: OwnerFilter): void {
  if (pod !== undefined) conditions.add("pod = ?", pod);
  if (namespace !== undefined) conditions.add("namespace = ?", namespace);
  if (container === undefined) return;
  const prefix = idPrefix(container);
  if (prefix === null) {
    conditions.add("(container_name = ? OR pod_container = ?)", container, container);
  } else {
    conditions.add(
      "(container_name = ? OR pod_container = ? OR substr(container_id, 1, length(?)) = ?)",
      container,
      container,
      prefix,
      prefix,
    );
  }
}

const EXITS: PageSource = { table: "exits", key: "sequence", cursorOf };

export function exitPage(database: SqliteDatabase, query: ExitQuery, sound: string): ExitPage {
  const limit = pageLimit(query);
  const conditions = conditionsOf(query);
  const order = "ORDER BY at DESC, sequence DESC";
  const found = `SELECT sequence FROM exits ${conditions.where} ${order} LIMIT ${limit + 1}`;
  const rows = database
    .prepare(
      `SELECT at, sequence, CASE WHEN ${sound} THEN json END AS json FROM exits WHERE sequence IN (${found}) ${order}`,
    )
    .all(...conditions.values);
  const page = rows.slice(0, limit);
  return {
    items: page.flatMap(({ json }) => parseExitRecord(json) ?? []),
    next: rows.length > limit ? cursorOf(page.at(-1)) : null,
  };
}

export function exitTexts(database: SqliteDatabase, query: ExitQuery, sound: string): TextPage {
  return textPage(database, EXITS, conditionsOf(query), pageLimit(query), sound);
}

function pageLimit({ limit }: ExitQuery): number {
  return Math.min(Math.max(1, Math.trunc(limit)), EXIT_PAGE_LIMIT);
}

function conditionsOf(query: ExitQuery): Conditions {
  const conditions = new Conditions();
  if (query.since !== null) conditions.add("at >= ?", query.since);
  if (query.until !== null) conditions.add("at < ?", query.until);
  if (query.cursor !== null) {
    const { at, sequence } = decodeSequenceCursor(query.cursor);
    conditions.add("(at, sequence) < (?, ?)", at, sequence);
  }
  addOwner(conditions, query.filter ?? {});
  return conditions;
}

function cursorOf(row: SqliteRow | undefined): string | null {
  if (row === undefined) return null;
  const { at, sequence } = row;
  if (typeof at !== "number" || typeof sequence !== "number") return null;
  return encodeCursor({ at, id: String(sequence) });
}
