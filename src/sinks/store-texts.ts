import type { SqliteRow } from "../host/sqlite.ts";

/** A page as it is kept: each record one JSON text, not parsed. */
export interface TextPage {
  readonly items: readonly string[];
  readonly next: string | null;
}

/** A text that is no JSON would spoil the whole list of a reader that passes texts on: such a row is left out. */
export const SOUND_JSON = "CASE WHEN json_valid(json) THEN json END AS json";

/** Of the rows, of which there may be one more than `limit`, a page; `next` follows the last row also if it is left out. */
export function textPage(
  rows: readonly SqliteRow[],
  limit: number,
  cursorOf: (row: SqliteRow | undefined) => string | null,
): TextPage {
  const page = rows.slice(0, limit);
  return {
    items: page.flatMap(({ json }) => (typeof json === "string" ? [json] : [])),
    next: rows.length > limit ? cursorOf(page.at(-1)) : null,
  };
}
