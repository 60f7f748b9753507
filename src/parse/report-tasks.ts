import type { TaskRow } from "../model/report.ts";
import {
  isTableHeader,
  isTableRow,
  parseTableHeader,
  parseTableRow,
  type TableHeader,
  type TableRow,
} from "./report-table.ts";

/** 20,000 rows are 3 MB while the report lasts. */
const MAX_ROWS = 20_000;

/** Collects the task table of one report. */
export class TaskTableDraft {
  #header: TableHeader | null = null;
  readonly #rows: TableRow[] = [];
  #dropped = 0;
  #unread = 0;

  get dropped(): number {
    return this.#dropped + this.#unread;
  }

  /** Rows that could not be read. */
  get unread(): number {
    return this.#unread;
  }

  /** Takes a line; false when it is none of a table. */
  add(text: string): boolean {
    if (isTableHeader(text)) {
      this.#header ??= parseTableHeader(text);
      return true;
    }
    if (!isTableRow(text)) return false;
    const row = this.#header === null ? null : parseTableRow(text, this.#header);
    if (row === null) this.#unread += 1;
    else if (this.#rows.length < MAX_ROWS) this.#rows.push(row);
    else this.#dropped += 1;
    return true;
  }

  /** Process of a thread, by the table. */
  groupOf(tid: number): number | null {
    const row = this.#rows.find((one) => one.tid === tid);
    return row?.values[1] ?? null;
  }

  /** What its row says of a thread, whatever the size of a page. */
  rowOf(tid: number): Pick<TaskRow, "pid" | "uid" | "oomScoreAdj"> | null {
    const row = this.#rows.find((one) => one.tid === tid);
    if (row === undefined || this.#header === null) return null;
    const { pid, uid, oomScoreAdj } = finishRow(row, this.#header.columns, 1);
    return { pid, uid, oomScoreAdj };
  }

  finish(pageBytes: number): readonly TaskRow[] {
    const header = this.#header;
    if (header === null) return [];
    return this.#rows.map((row) => finishRow(row, header.columns, pageBytes));
  }
}

function finishRow(row: TableRow, columns: readonly string[], pageBytes: number): TaskRow {
  const value = (name: string) => row.values[columns.indexOf(name)] ?? null;
  const pages = (name: string) => {
    const count = value(name);
    return count === null ? null : count * pageBytes;
  };
  return {
    tid: row.tid,
    uid: value("uid") ?? 0,
    pid: value("tgid") ?? row.tid,
    comm: row.comm,
    totalVmBytes: pages("total_vm") ?? 0,
    rssBytes: pages("rss") ?? 0,
    anonRssBytes: pages("rss_anon"),
    fileRssBytes: pages("rss_file"),
    shmemRssBytes: pages("rss_shmem"),
    pageTableBytes: value("pgtables_bytes") ?? sum(["nr_ptes", "nr_pmds", "nr_puds"].map(pages)),
    swapBytes: pages("swapents"),
    oomScoreAdj: value("oom_score_adj"),
  };
}

function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}
