import type { Constraint } from "../model/observation.ts";
import type { Outcome } from "../model/record.ts";
import {
  type CgroupStats,
  DEFAULT_PAGE_BYTES,
  type OomReport,
  type ReportKill,
  type ReportTrigger,
  type Usage,
} from "../model/report.ts";
import { formatWall } from "../model/time.ts";
import type { SummaryLine, TaskInLine } from "./kernel-log-summary.ts";
import { type DetailLine, parseDetailLine, releaseOf, type UsageName } from "./report-detail.ts";
import { stampOf } from "./report-excerpts.ts";
import type { WholeLine } from "./report-joiner.ts";
import type { HeaderLine, SelectedLine, SelectionScope } from "./report-line.ts";
import { NodeMemoryDraft } from "./report-node.ts";
import { TaskTableDraft } from "./report-tasks.ts";

const MAX_CGROUP_STATS = 1_000;
const MAX_STATS_KEYS = 200;
const MAX_SLABS = 200;
const MAX_PROBLEMS = 20;
const MAX_KILLS = 10_000;

interface StatsDraft {
  readonly path: string;
  readonly values: Record<string, number>;
}

/** One report while its lines arrive. What decides is set by the assembler; what describes is taken by `describe`. */
export class ReportDraft {
  readonly #first: WholeLine;
  #least: number;
  #last: number;
  header: HeaderLine | null = null;
  triggerPid: number | null = null;
  summary: SummaryLine | null = null;
  taskIn: TaskInLine | null = null;
  selection: SelectedLine | null = null;
  selectionLine: WholeLine | null = null;
  summaryLine: WholeLine | null = null;
  scope: SelectionScope | null = null;
  group: string | null = null;
  ending: "none-killable" | "panic" | null = null;
  /** Of other lines that decided it than those of its kills. */
  readonly #stamps: (string | null)[] = [];
  /** Its lines that come once, a few. */
  readonly decidedBy = new Set<string>();
  panicCause: OomReport["panicCause"] = null;
  suppressedBefore: number | null = null;
  sysrq = false;
  release: string | null = null;
  /** The process named was gone already: nothing was killed. */
  skipped = false;
  readonly kills: ReportKill[] = [];
  readonly tasks = new TaskTableDraft();
  readonly #node = new NodeMemoryDraft();
  readonly #usages = new Map<UsageName, Usage>();
  readonly #stats: StatsDraft[] = [];
  readonly #slabs: OomReport["slabs"][number][] = [];
  readonly #problems: string[] = [];
  #inSlabs = false;
  #inStats = false;
  #calledByMemcg = false;

  constructor(first: WholeLine) {
    this.#first = first;
    this.#least = first.number;
    this.#last = first.number;
  }

  get uptimeSeconds(): number | null {
    return this.#first.uptimeSeconds;
  }

  get wallMicroseconds(): number | null {
    return this.#first.wallMicroseconds;
  }

  /** Something of it is decided already: what follows is another report, or more of a group. */
  get decided(): boolean {
    return this.kills.length > 0 || this.ending !== null || this.skipped;
  }

  /** Something announced a victim. */
  get announced(): boolean {
    const { header, summary, selection, taskIn } = this;
    return header !== null || summary !== null || selection !== null || taskIn !== null;
  }

  touch(line: WholeLine): void {
    // In a text whose newest line comes first the kill stands above the header.
    this.#least = Math.min(this.#least, line.number);
    this.#last = Math.max(this.#last, line.number);
  }

  /** Nobody was killed, by the words of this line. */
  end(ending: "none-killable" | "panic", line: WholeLine): void {
    // Without anybody to kill the panic is a consequence.
    this.ending ??= ending;
    this.#stamps.push(stampOf(null, line.uptimeSeconds));
    this.touch(line);
  }

  /** A victim's line once more. */
  alsoAt(tid: number, { uptimeSeconds }: WholeLine): void {
    if (this.#stamps.length < MAX_KILLS) this.#stamps.push(stampOf(tid, uptimeSeconds));
  }

  /** When it was decided, kill by kill. */
  get stamps(): readonly string[] {
    const kills = this.kills.map((kill) => stampOf(kill.victim.tid, kill.uptimeSeconds));
    return [...kills, ...this.#stamps].filter((stamp) => stamp !== null);
  }

  /** A header that somebody quotes in the middle of a sentence, and nothing else of a report. */
  get isProse(): boolean {
    return this.#first.quoted && this.header !== null && this.#least === this.#last;
  }

  problem(sentence: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(sentence);
  }

  kill(kill: ReportKill): void {
    if (this.kills.length < MAX_KILLS) this.kills.push(kill);
    else this.problem(`more than ${MAX_KILLS} kills in one report: the rest is left out.`);
  }

  /** Takes a line that describes; false when it is none of a report. */
  describe(line: WholeLine): boolean {
    const { text } = line;
    if (this.tasks.add(text)) {
      this.touch(line);
      return true;
    }
    const detail = parseDetailLine(text);
    if (detail === null || !this.#add(detail)) return false;
    this.touch(line);
    return true;
  }

  #add(line: DetailLine): boolean {
    if (this.#node.add(line)) return true;
    switch (line.kind) {
      case "usage":
        if (!this.#usages.has(line.name)) this.#usages.set(line.name, line.usage);
        this.#inStats = false;
        return true;
      case "stats":
        this.#beginStats(line.path, line.values);
        return true;
      case "stat":
        return this.#stat(line.key, line.value);
      case "stack":
        this.#stack(line.pid, line.commAndMore);
        return true;
      case "memcg-frame":
        this.#calledByMemcg = true;
        return true;
      case "release":
        this.release ??= line.release;
        return true;
      case "slab-start":
        this.#inSlabs = true;
        return true;
      case "slab":
        if (this.#inSlabs && this.#slabs.length < MAX_SLABS) this.#slabs.push(slabOf(line));
        return this.#inSlabs;
      case "mem-info":
        return true;
      default:
        return false;
    }
  }

  #beginStats(path: string, values: Readonly<Record<string, number>>): void {
    this.#inStats = Object.keys(values).length === 0;
    if (this.#stats.length >= MAX_CGROUP_STATS) return;
    this.#stats.push({ path, values: { ...values } });
  }

  #stat(key: string, value: number): boolean {
    const stats = this.#stats.at(-1);
    if (!this.#inStats || stats === undefined) return false;
    if (Object.keys(stats.values).length < MAX_STATS_KEYS) stats.values[key] = value;
    return true;
  }

  #stack(pid: number, commAndMore: string): void {
    const comm = this.header?.comm ?? null;
    // Another processor may print a stack of its own meanwhile.
    if (comm === null || !commAndMore.startsWith(`${comm} `)) return;
    this.triggerPid ??= pid;
    this.release ??= releaseOf(commAndMore);
  }

  finish(): OomReport {
    const pageBytes = this.#node.pageBytes ?? DEFAULT_PAGE_BYTES;
    if (this.tasks.unread > 0) {
      this.problem(`${this.tasks.unread} rows of the task table could not be read.`);
    }
    return {
      at: wallText(this.#first.wallMicroseconds),
      uptimeSeconds: this.#first.uptimeSeconds,
      kernelRelease: this.release,
      lines: { first: this.#least, last: this.#last },
      trigger: this.#trigger(),
      constraint: this.#constraint(),
      printedConstraint: this.summary?.constraint ?? null,
      limitCgroup: this.summary?.limitCgroup ?? this.taskIn?.limitCgroup ?? null,
      // Printed for the victim, before it is killed: mem_cgroup_print_oom_info(memcg, p) in oom_kill_process.
      victimCgroup: this.summary?.victimCgroup ?? this.taskIn?.victimCgroup ?? null,
      memory: this.#usages.get("memory") ?? null,
      swap: this.#usages.get("swap") ?? null,
      memorySwap: this.#usages.get("memorySwap") ?? null,
      kernelMemory: this.#usages.get("kernelMemory") ?? null,
      version: this.#version(),
      cgroupStats: this.#stats.map((stats): CgroupStats => stats),
      node: this.#node.finish(pageBytes),
      slabs: this.#slabs,
      tasks: this.tasks.finish(pageBytes),
      tasksDropped: this.tasks.dropped,
      groupCgroup: this.group,
      kills: this.kills,
      outcome: this.#outcome(),
      selected: this.selection && { pid: this.selection.pid, comm: this.selection.comm },
      panicCause: this.panicCause,
      sysrq: this.sysrq || this.header?.order === -1,
      suppressedBefore: this.suppressedBefore,
      problems: this.#problems,
    };
  }

  #trigger(): ReportTrigger | null {
    const { header } = this;
    if (header === null || header.comm === null) return null;
    const { comm, gfpMask, gfpFlags, order, oomScoreAdj } = header;
    return { comm, pid: this.triggerPid, gfpMask, gfpFlags, order, oomScoreAdj };
  }

  #constraint(): Constraint {
    const { scope } = this;
    const printed = this.summary?.constraint ?? null;
    if (scope === "memcg" || printed === "memcg") return "memcg";
    if (scope === "cpuset") return "cpuset";
    if (scope === "memory-policy") return "memory_policy";
    if (scope !== null) return printed ?? "none";
    if (printed !== null) return printed;
    const told = this.taskIn !== null || this.#usages.has("memory") || this.#calledByMemcg;
    return told ? "memcg" : null;
  }

  #version(): 1 | 2 | null {
    if (this.#usages.has("swap") || this.group !== null) return 2;
    return this.#usages.has("memorySwap") || this.#usages.has("kernelMemory") ? 1 : null;
  }

  #outcome(): Outcome {
    return this.ending ?? this.kills[0]?.outcome ?? "unknown";
  }
}

function slabOf(line: Extract<DetailLine, { kind: "slab" }>): OomReport["slabs"][number] {
  return { name: line.name, usedBytes: line.usedBytes, totalBytes: line.totalBytes };
}

export function wallText(microseconds: number | null): string | null {
  return microseconds === null ? null : formatWall(microseconds);
}
