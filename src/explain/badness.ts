/**
 * The kernel's ranking, computed again from the task table (mm/oom_kill.c, `oom_badness` and `oom_evaluate_task`):
 *
 *     2.6.36 … 3.4  permille of the same as below; the tables of these kernels lack columns, so it is not computed
 *     3.5  … 3.13   rss + nr_ptes + swapents, adj − 30 for CAP_SYS_ADMIN         (a7f638f999ff)
 *     3.14 … 4.16   the same, for CAP_SYS_ADMIN less 3 % of the points instead   (778c14affaf9)
 *     4.17 … 5.8    rss + swapents + pgtables_bytes / PAGE_SIZE, at least 1      (d46078b28889)
 *     5.9  …        the same, signed, may be negative                            (9066e5cfb73c)
 *
 * each `+ oom_score_adj · ⌊totalpages / 1000⌋`. `totalpages` is the limit of the cgroup plus the swap it may use, or RAM plus swap.
 * Until 5.1 (bbbe48029720) a child of the worst process was killed in its place, and the table does not tell whose child is whose.
 */
import { DEFAULT_PAGE_BYTES, type OomReport, type TaskRow } from "../model/report.ts";
import { atLeast, type KernelVersion, kernelVersion } from "./kernel-version.ts";

export interface Scored {
  readonly task: TaskRow;
  /** Pages; `null` when the kernel would not have killed it, or its formula is not known. */
  readonly badness: number | null;
  /** adj −1000, or the first process of the machine. */
  readonly unkillable: boolean;
}

export interface Ranking {
  /** Worst first; what cannot be killed last. */
  readonly order: readonly Scored[];
  /** What 1 of oom_score_adj weighed, in bytes; `null` when the size of the whole is not known. */
  readonly adjBytes: number | null;
  /** Whether it puts the kernel's victim first; `null` when that cannot be told. */
  readonly agrees: boolean | null;
  /** Why it cannot be told, or what explains the difference. */
  readonly doubt: string | null;
}

/** How root was favoured before 4.17. */
type RootBonus = "none" | "adj" | "points";

interface Formula {
  readonly bonus: RootBonus;
  readonly atLeastOne: boolean;
}

/** What is the same for every victim of a report; a group kill has thousands of them. */
interface Known {
  readonly byTid: ReadonlyMap<number, TaskRow>;
  readonly byPid: ReadonlyMap<number, TaskRow>;
  readonly rankings: Map<TaskRow | null, Ranking>;
}
const KNOWN = new WeakMap<OomReport, Known>();

function knownOf(report: OomReport): Known {
  const known = KNOWN.get(report);
  if (known !== undefined) return known;
  // The first of equals stays.
  const rows = report.tasks.toReversed();
  const made: Known = {
    byTid: new Map(rows.map((task) => [task.tid, task])),
    byPid: new Map(rows.map((task) => [task.pid, task])),
    rankings: new Map(),
  };
  KNOWN.set(report, made);
  return made;
}

/** A victim in the table: by thread id, else by process id. */
export function victimRow(
  report: OomReport,
  tid: number | null,
  pid: number | null,
): TaskRow | null {
  const { byTid, byPid } = knownOf(report);
  return (tid === null ? null : byTid.get(tid)) ?? byPid.get(pid ?? tid ?? -1) ?? null;
}

/** The size of a page on the machine of the report: its memory columns are multiples of it. */
export function pageBytesOf(report: OomReport): number {
  const sizes = report.tasks.flatMap((task) => [task.rssBytes, task.totalVmBytes]);
  const used = sizes.filter((bytes) => bytes > 0);
  if (used.length < 8) return DEFAULT_PAGE_BYTES;
  for (const size of [65_536, 16_384]) if (used.every((bytes) => bytes % size === 0)) return size;
  return DEFAULT_PAGE_BYTES;
}

/** The table of a report in the kernel's order, and whether the kernel's choice was that of its own rule. */
export function rank(report: OomReport, victim: TaskRow | null): Ranking {
  const { rankings } = knownOf(report);
  const known = rankings.get(victim);
  if (known !== undefined) return known;
  const made = computed(report, victim);
  rankings.set(victim, made);
  return made;
}

function computed(report: OomReport, victim: TaskRow | null): Ranking {
  const formulas = formulasFor(kernelVersion(report.kernelRelease), report);
  const totals = totalPagesOf(report);
  let first: Ranking | null = null;
  for (const formula of formulas) {
    for (const total of totals) {
      const ranking = rankBy(report, victim, formula, total);
      if (ranking.agrees === true) return ranking;
      first ??= ranking;
    }
  }
  return first === null ? unscored(report) : withDoubt(report, victim, first);
}

/** The formulas the kernel may have had, the likeliest first; none for kernels that cannot be recomputed. */
function formulasFor(version: KernelVersion | null, report: OomReport): readonly Formula[] {
  if (report.tasks.length === 0 || report.tasks.every((task) => task.swapBytes === null)) return [];
  if (version === null || version.redHat) {
    return [
      modern(false),
      { bonus: "points", atLeastOne: true },
      { bonus: "adj", atLeastOne: true },
    ];
  }
  if (!atLeast(version, 2, 6, 36)) return [];
  if (atLeast(version, 5, 9)) return [modern(false)];
  if (atLeast(version, 4, 17)) return [modern(true)];
  const bonus = atLeast(version, 3, 14) ? "points" : "adj";
  // Root in a container has no CAP_SYS_ADMIN and no bonus; the table shows the user id only.
  return [{ bonus, atLeastOne: true }, modern(true)];
}

function modern(atLeastOne: boolean): Formula {
  return { bonus: "none", atLeastOne };
}

/**
 * Pages of memory and swap that the victim was chosen for. A cgroup without a limit on swap may use all of the
 * machine's, which its report does not print: then the sum without swap comes first.
 */
function totalPagesOf(report: OomReport): readonly number[] {
  const page = pageBytesOf(report);
  const pages = (bytes: number) => Math.floor(bytes / page);
  if (report.constraint === "memcg" || (report.constraint === null && report.memory !== null))
    return memcgTotals(report).map(pages);
  const usable = report.node?.usableBytes ?? null;
  if (usable === null) return [0];
  return [pages(usable + (report.node?.swapTotalBytes ?? 0))];
}

function memcgTotals(report: OomReport): number[] {
  const limit = report.memory?.limitBytes ?? null;
  if (limit === null) return [0];
  const machine = report.node?.swapTotalBytes ?? null;
  const own =
    report.version === 1
      ? (report.memorySwap?.limitBytes ?? null) === null
        ? null
        : Math.max(0, (report.memorySwap?.limitBytes ?? 0) - limit)
      : (report.swap?.limitBytes ?? null);
  const swap = own === null ? machine : machine === null ? own : Math.min(own, machine);
  return swap === null || swap === 0 ? [limit] : [limit + swap, limit];
}

function rankBy(
  report: OomReport,
  victim: TaskRow | null,
  formula: Formula,
  totalPages: number,
): Ranking {
  const page = pageBytesOf(report);
  const adjPages = Math.floor(totalPages / 1000);
  const order = report.tasks
    .map((task) => scored(task, page, adjPages, formula))
    .toSorted((a, b) => compare(a, b, victim));
  const top = order[0];
  const known = victim !== null && report.tasksDropped === 0 && top !== undefined;
  return {
    order,
    adjBytes: totalPages === 0 ? null : adjPages * page,
    agrees: known ? top.task === victim : null,
    doubt: known ? null : "the table of processes is not complete in this text",
  };
}

function scored(task: TaskRow, page: number, adjPages: number, formula: Formula): Scored {
  const adj = task.oomScoreAdj ?? 0;
  const unkillable = adj === -1000 || task.pid === 1;
  if (unkillable) return { task, badness: null, unkillable };
  const tables = Math.floor((task.pageTableBytes ?? 0) / page);
  const used = Math.floor((task.rssBytes + (task.swapBytes ?? 0)) / page) + tables;
  const root = task.uid === 0;
  const points = root && formula.bonus === "points" ? used - Math.floor((used * 3) / 100) : used;
  const weight = root && formula.bonus === "adj" ? adj - 30 : adj;
  const badness = points + weight * adjPages;
  return { task, badness: formula.atLeastOne ? Math.max(1, badness) : badness, unkillable };
}

/** Worst first. Of equals the kernel took one by its place in a list; its victim is shown first. */
function compare(a: Scored, b: Scored, victim: TaskRow | null): number {
  const difference = (b.badness ?? -Infinity) - (a.badness ?? -Infinity);
  if (Number.isNaN(difference) || difference === 0) {
    return a.task === victim ? -1 : b.task === victim ? 1 : b.task.rssBytes - a.task.rssBytes;
  }
  return difference;
}

function unscored(report: OomReport): Ranking {
  const order = report.tasks
    .map((task) => ({ task, badness: null, unkillable: task.oomScoreAdj === -1000 }))
    .toSorted((a, b) => b.task.rssBytes - a.task.rssBytes);
  const doubt =
    report.tasks.length === 0
      ? "the text has no table of processes"
      : "this kernel's formula cannot be computed from its table";
  return { order, adjBytes: null, agrees: null, doubt };
}

/** A victim that is not the first of our table: known reasons make it a doubt, not a contradiction. */
function withDoubt(report: OomReport, victim: TaskRow | null, ranking: Ranking): Ranking {
  if (ranking.agrees !== false || victim === null) return ranking;
  const reason = reasonToDiffer(report, victim, ranking);
  return reason === null ? ranking : { ...ranking, agrees: null, doubt: reason };
}

function reasonToDiffer(report: OomReport, victim: TaskRow, ranking: Ranking): string | null {
  const version = kernelVersion(report.kernelRelease);
  if (version?.unreleased === true) {
    return "this kernel is a snapshot of linux-next, whose formula may never have been released";
  }
  if (version === null || !atLeast(version, 5, 1)) {
    return "kernels before 5.1 may kill a child of the worst process in its place";
  }
  if (report.constraint === "cpuset" || report.constraint === "memory_policy") {
    return "only processes that may use the exhausted nodes could be chosen, and the table lists all";
  }
  if (report.constraint === "none" && report.trigger?.pid === victim.pid) {
    return "the one that asked was killed: vm.oom_kill_allocating_task";
  }
  if (ranking.adjBytes === null) return "the size of the memory in question is not in the text";
  return null;
}
