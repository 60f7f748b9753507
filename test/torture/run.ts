import { globSync } from "node:fs";
import { join } from "node:path";
import { killsPossible } from "../../lab/cgroups.ts";
import { RowContext } from "./context.ts";
import type { Result, Row } from "./row.ts";

const ROWS = join(import.meta.dirname, "rows");

/** All rows of `rows/`, a file after the other by name. */
export async function loadRows(): Promise<readonly Row[]> {
  const files = globSync("*.ts", { cwd: ROWS }).toSorted();
  const rows: Row[] = [];
  for (const file of files) {
    const module = (await import(join(ROWS, file))) as { readonly rows: readonly Row[] };
    rows.push(...module.rows);
  }
  return rows;
}

/** Why it cannot run here; `null` when it can. */
export function whyNot(row: Row): string | null {
  const possible = killsPossible();
  return possible.ok ? (row.whyNot?.() ?? null) : possible.reason;
}

/** Makes the fault of one row. Never throws, and leaves nothing behind. */
export async function runRow(row: Row, whole: boolean): Promise<Result> {
  const reason = whyNot(row);
  if (reason !== null) return { kind: "skipped", row, reason };
  const began = Date.now();
  const context = new RowContext(whole);
  try {
    const outcome = await row.run(context);
    return { kind: "ran", row, outcome, seconds: (Date.now() - began) / 1000 };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: "broken", row, error: text };
  } finally {
    await context.dispose();
  }
}
