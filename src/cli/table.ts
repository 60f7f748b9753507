import { type LineOptions, paint } from "../sinks/terminal-style.ts";
import { padEnd, padStart, safeText, shortenMiddle, textColumns } from "../sinks/terminal-text.ts";

/** A column of a printed table. */
export interface TableColumn {
  readonly heading: string;
  readonly right?: boolean;
  /** Never wider than this; what is longer loses its middle. */
  readonly limit?: number;
}

/**
 * Rows below headings, each column as wide as its widest cell, the last one shortened to what the width leaves.
 * Cells come from outside and are made safe here.
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  options: LineOptions,
): readonly string[] {
  const shortened = rows.map((row) =>
    row.map((cell, index) => bounded(columns[index], cell, options)),
  );
  const widths = columns.map((column, index) =>
    Math.max(
      column.heading.length,
      ...shortened.map((row) => textColumns(row[index] ?? "", options)),
    ),
  );
  const line = (cells: readonly string[]) => formatRow(columns, widths, cells, options);
  const headings = columns.map((column) => column.heading);
  return [paint("bold", line(headings), options), ...shortened.map(line)];
}

function bounded(column: TableColumn | undefined, cell: string, options: LineOptions): string {
  const limit = options.width === null ? null : (column?.limit ?? null);
  return limit === null ? safeText(cell, options) : shortenMiddle(cell, limit, options);
}

function formatRow(
  columns: readonly TableColumn[],
  widths: readonly number[],
  cells: readonly string[],
  options: LineOptions,
): string {
  const last = cells.length - 1;
  const left = cells
    .slice(0, last)
    .map((cell, index) =>
      (columns[index]?.right ? padStart : padEnd)(cell, widths[index] ?? 0, options),
    )
    .join("  ");
  const start = left === "" ? "" : `${left}  `;
  const room = options.width === null ? null : options.width - textColumns(start, options);
  const end = cells[last] ?? "";
  const line = start + (room === null ? safeText(end, options) : shortenMiddle(end, room, options));
  return options.width === null
    ? line.trimEnd()
    : shortenMiddle(line.trimEnd(), options.width, options);
}
