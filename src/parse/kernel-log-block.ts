import type { SelectionLine } from "./kernel-log-kill-lines.ts";
import type { KernelLogLine } from "./kernel-log-lines.ts";
import type { SummaryLine, TaskInLine } from "./kernel-log-summary.ts";

/** A table of more rows is cut: 50,000 rows are 3 MB while the report lasts. */
const MAX_TABLE_ROWS = 50_000;

/**
 * What the kernel printed around one kill: from the header to the summary. Rate-limited to 10 in 5 s on the whole host,
 * so most kills of a storm have none (facts 1.5).
 */
export class ReportBlock {
  /** Name of the task that ran out of memory; `null` when the log begins after the header. */
  readonly triggerComm: string | null;
  triggerPid: number | null = null;
  limitBytes: number | null = null;
  /** The hierarchy of the memory controller, by the wording of the swap line. */
  version: 1 | 2 | null = null;
  summary: SummaryLine | null = null;
  taskIn: TaskInLine | null = null;
  /** ≤ 5.0: the process chosen, of which a child may be killed. */
  selection: SelectionLine | null = null;
  /** Thread id → thread group id, one row a process. */
  readonly #groups = new Map<number, number>();
  #tableCut = false;
  #usageSeen = false;

  constructor(triggerComm: string | null) {
    this.triggerComm = triggerComm;
  }

  /** Takes the lines that only describe; the assembler handles those that decide. */
  describe(line: KernelLogLine): void {
    switch (line.kind) {
      case "stack":
        this.#stack(line.pid, line.commAndMore);
        return;
      case "usage":
        if (!this.#usageSeen) this.limitBytes = line.limitBytes;
        this.#usageSeen = true;
        return;
      case "hierarchy":
        this.version ??= line.version;
        return;
      case "table-row":
        this.#row(line.tid, line.tgid);
        return;
      case "task-in":
        this.taskIn ??= line;
        return;
      default:
        return;
    }
  }

  /** Thread group of a thread, by the table. */
  groupOf(tid: number): number | null {
    return this.#groups.get(tid) ?? null;
  }

  /** Whether the table was printed in full and lacks this thread: then it was not there when memory ran out. */
  lacks(tid: number): boolean {
    return this.#groups.size > 0 && !this.#tableCut && !this.#groups.has(tid);
  }

  #stack(pid: number, commAndMore: string): void {
    // Another processor may print a stack of its own meanwhile.
    if (this.triggerComm === null || this.triggerPid !== null) return;
    if (commAndMore.startsWith(`${this.triggerComm} `)) this.triggerPid = pid;
  }

  #row(tid: number, tgid: number): void {
    if (this.#groups.size < MAX_TABLE_ROWS) this.#groups.set(tid, tgid);
    else this.#tableCut = true;
  }
}

/** How a block belongs to a kill: it names the victim, its thread group, the parent of the victim, or only precedes it. */
export type Binding = "victim" | "leader" | "parent" | "header";

/**
 * Whether the block is about the kill of thread `tid`. Strict: under rate limiting other kills follow without a block of
 * their own, and must not inherit this one's cgroup.
 */
export function bind(block: ReportBlock, tid: number, prefixed: boolean): Binding | null {
  const { summary, selection } = block;
  const named = summary?.pid ?? selection?.pid ?? null;
  if (named === tid) return "victim";
  if (named !== null && block.groupOf(tid) === named) return "leader";
  // ≤ 5.0: the selection line is never suppressed and stands directly before its kill.
  if (selection !== null) return "parent";
  // 2.6 prints neither; its kill line has no prefix, and the block knows no cgroup.
  return summary === null && block.taskIn === null && !prefixed ? "header" : null;
}
