import type { Identity } from "../model/identity.ts";
import type {
  CgroupBasis,
  CgroupStamp,
  KillObservation,
  KillSourceName,
  LimitEvidence,
  SourceName,
  Victim,
} from "../model/observation.ts";
import type { Attribution, KillRecord } from "../model/record.ts";
import type { Instant } from "../model/time.ts";

/**
 * A kill as the ledger keeps it: all evidence merged, plain data, so that it can go into a checkpoint as it is. It changes
 * through `Cases.change` only.
 */
export interface Kill {
  readonly id: string;
  readonly revision: number;
  readonly at: Instant;
  /** For a victim nobody saw: the kernel counted the kill between these moments (µs, monotonic). */
  readonly window: { readonly from: number; readonly to: number } | null;
  /** Null while only counters know of it. */
  readonly victim: Victim | null;
  readonly cgroup: CgroupStamp | null;
  readonly attribution: Attribution;
  /** As printed for this kill; what is concluded from the limits in force is added when the record is made. */
  readonly limit: LimitEvidence | null;
  readonly trigger: KillObservation["trigger"];
  /** Which source saw it under which sequence: the identity of the evidence. */
  readonly evidence: Readonly<Partial<Record<KillSourceName, string>>>;
  /** When it was by each source's own clock (µs, monotonic); absent in state of earlier versions. */
  readonly times?: Readonly<Partial<Record<KillSourceName, number>>>;
  /** The run of the OOM killer each source put it in. */
  readonly incidents: Readonly<Partial<Record<KillSourceName, string>>>;
  readonly group: boolean;
  /** The kernel counted it twice: first victim of a group kill (facts 0.1). */
  readonly doubled: boolean;
  /** The kernel's books have it at all (facts 0.6). */
  readonly counted: boolean;
  readonly recovered: boolean;
  /** First victim of a group kill, and counted as such. */
  readonly groupFirst: boolean;
  /** First victim of a group kill that was seen not to be entered twice: it was gone already. */
  readonly skipped: boolean;
  /** Whether the node's book must have it; "perhaps" when it happened about when the book was opened. */
  readonly inNodeBook: "yes" | "no" | "perhaps";
  /** Several counters had a kill that it may be: no counter can tell its cgroup any more. */
  readonly ambiguous: boolean;
  /** When the ledger learned of it (µs, monotonic). */
  readonly openedAt: number;
  readonly witnesses: readonly SourceName[];
  /** Whose it was when that was last asked; absent in state of earlier versions. */
  readonly identity?: Identity | null;
  /** The record that stays, when this one turned out to be the same kill: then it is none any more. */
  readonly duplicateOf?: string | null;
  /** Somebody told of it and no counter of the kernel ever moved; absent in state of earlier versions. */
  readonly unconfirmed?: boolean;
  /** A digest of what was told of it last, so that every revision says something new; absent before it was told. */
  readonly told?: number | null;
}

/** What may change of a kill. */
export type KillPatch = Partial<Omit<Kill, "id" | "revision" | "told" | "openedAt" | "window">>;

/**
 * The log's clock is compared with ours by records that may reach us late, up to the 2 s after which evidence is no longer
 * waited for: by so much it may be wrong beyond what it says. A pid comes again only when all others were used, 32,768 at
 * least: no machine forks so many in that time.
 */
export const LATE_CLOCK_MICROSECONDS = 2_000_000;
/** A clock as good as this is the trace's, not the log's. */
const EXACT_MICROSECONDS = 10_000;

/** The true time lies within ± this of what was stamped, µs. */
export function marginOf(at: Instant): number {
  return at.uncertaintyMicroseconds + (isExact(at) ? 0 : LATE_CLOCK_MICROSECONDS);
}

/** Dated by the trace, not by the log. */
export function isExact({ uncertaintyMicroseconds }: Instant): boolean {
  return uncertaintyMicroseconds <= EXACT_MICROSECONDS;
}

/** The kill as its first evidence tells it. */
export function killFrom(
  id: string,
  observation: KillObservation,
  known: Pick<Kill, "doubled" | "recovered" | "inNodeBook" | "openedAt">,
): Kill {
  return {
    id,
    revision: 0,
    at: observation.at,
    window: null,
    victim: observation.victim,
    cgroup: observation.cgroup,
    attribution: attributionOf(observation.cgroup),
    limit: observation.limit,
    trigger: observation.trigger,
    evidence: { [observation.source]: observation.sequence },
    times: { [observation.source]: observation.at.monotonicMicroseconds },
    incidents: {},
    group: observation.group,
    counted: observation.counted,
    groupFirst: false,
    skipped: false,
    ambiguous: false,
    witnesses: [observation.source],
    ...known,
  };
}

/**
 * Whether two sources may mean the same process, as far as what cannot change between two lines tells: name, user and score.
 * Sizes may: the victim runs on while they are printed.
 */
export function isSameProcess(left: Victim | null, right: Victim | null): boolean {
  if (left === null || right === null) return true;
  if (left.tid !== right.tid || !commsAgree(left.comm, right.comm)) return false;
  return agree(left.uid, right.uid) && agree(left.oomScoreAdj, right.oomScoreAdj);
}

function agree(left: number | null, right: number | null): boolean {
  return left === null || right === null || left === right;
}

/** Turned out to be the same kill as another record. */
export function isDuplicate({ duplicateOf }: Kill): boolean {
  return duplicateOf !== undefined && duplicateOf !== null;
}

/** Turned out to be no kill of its own, or none at all. */
export function isNone(kill: Kill): boolean {
  return isDuplicate(kill) || kill.unconfirmed === true;
}

/** Names by which two sources can mean the same process differ in escapes and length: only a clear contradiction counts. */
export function commsAgree(left: string | null, right: string | null): boolean {
  if (left === null || right === null) return true;
  return plain(left) === plain(right);
}

/** Bytes that sources escape or replace differently are left out of the comparison. */
function plain(comm: string): string {
  return comm.replace(/[^!-~]|\\/g, "").slice(0, 15);
}

const BASIS_RANK = {
  probe: 6,
  "kernel-log": 5,
  proc: 4,
  group: 3,
  lineage: 2,
  "local-counter": 1,
  counter: 0,
} as const satisfies Record<CgroupBasis, number>;

/** What each basis is called in the record. */
const RECORDED_BASIS: Readonly<Record<CgroupBasis, NonNullable<KillRecord["basis"]>>> = {
  probe: "probe",
  "kernel-log": "kernel-log",
  proc: "proc",
  group: "neighbour",
  lineage: "neighbour",
  "local-counter": "counter",
  counter: "counter",
};

/** What named the cgroup, as the record says it; `null` when the cgroup is not known. */
export function recordedBasis(cgroup: CgroupStamp | null): KillRecord["basis"] {
  return cgroup === null ? null : RECORDED_BASIS[cgroup.basis];
}

/** `exact` when the kernel or /proc named the victim's own cgroup; `inferred` when it follows from something else. */
export function attributionOf(cgroup: CgroupStamp | null): Attribution {
  if (cgroup === null) return "none";
  return BASIS_RANK[cgroup.basis] >= BASIS_RANK.proc ? "exact" : "inferred";
}

/**
 * The stamp with the better basis; what it lacks (id, version) is taken from the other when they mean the same path. Not so
 * the id of a guess: a cgroup of that path may have been removed and made again, so that which one it was stays a guess.
 */
export function betterStamp(
  current: CgroupStamp | null,
  offered: CgroupStamp | null,
): CgroupStamp | null {
  if (current === null || offered === null) return current ?? offered;
  const [better, other] =
    BASIS_RANK[offered.basis] > BASIS_RANK[current.basis] ? [offered, current] : [current, offered];
  if (better.path !== other.path) return better;
  const id = attributionOf(other) === attributionOf(better) ? other.id : null;
  return { ...better, id: better.id ?? id, version: better.version ?? other.version };
}

/**
 * When the kill was, by what is known and what evidence of its victim says. Where a counter saw it was concluded from what
 * was left over: a victim that was seen at another time was killed then.
 */
export function mergeInstant(kill: Kill, offered: Instant): Instant {
  const { window, victim } = kill;
  const { monotonicMicroseconds: at } = offered;
  const margin = marginOf(offered);
  const elsewhere = window !== null && (at < window.from - margin || at > window.to + margin);
  return victim === null && elsewhere ? offered : betterInstant(kill.at, offered);
}

/** The instant that is known better; of two known equally well the earlier, so that the order of arrival does not matter. */
function betterInstant(current: Instant, offered: Instant): Instant {
  const gain = current.uncertaintyMicroseconds - offered.uncertaintyMicroseconds;
  if (gain !== 0) return gain > 0 ? offered : current;
  return offered.monotonicMicroseconds < current.monotonicMicroseconds ? offered : current;
}

/** Merges member by member: what is known stays, what was unknown is filled. Commutative but for contradictions. */
export function mergeVictim(current: Victim | null, offered: Victim, prefer: boolean): Victim {
  if (current === null) return offered;
  const [first, second] = prefer ? [offered, current] : [current, offered];
  return {
    pid: first.pid ?? second.pid,
    tid: current.tid,
    comm: first.comm ?? second.comm,
    uid: first.uid ?? second.uid,
    oomScoreAdj: first.oomScoreAdj ?? second.oomScoreAdj,
    totalVmBytes: first.totalVmBytes ?? second.totalVmBytes,
    anonRssBytes: first.anonRssBytes ?? second.anonRssBytes,
    fileRssBytes: first.fileRssBytes ?? second.fileRssBytes,
    shmemRssBytes: first.shmemRssBytes ?? second.shmemRssBytes,
    pageTableBytes: first.pageTableBytes ?? second.pageTableBytes,
  };
}

export function mergeLimit(
  current: LimitEvidence | null,
  offered: LimitEvidence | null,
): LimitEvidence | null {
  if (current === null || offered === null) return current ?? offered;
  return {
    constraint: current.constraint ?? offered.constraint,
    cgroup: current.cgroup ?? offered.cgroup,
    bytes: current.bytes ?? offered.bytes,
  };
}

/** How many times the kernel's books hold this kill. */
export function bookWeight(kill: Kill): number {
  return (kill.counted ? 1 : 0) + (kill.doubled ? 1 : 0);
}

/** The same of several. */
export function weightOf(kills: Iterable<Kill>): number {
  let sum = 0;
  for (const kill of kills) sum += bookWeight(kill);
  return sum;
}

/** Whether two stamps that both claim to know name different cgroups. */
export function contradicts(current: CgroupStamp | null, next: CgroupStamp | null): boolean {
  if (current === null || next === null || current.path === next.path) return false;
  return attributionOf(current) === "exact" && attributionOf(next) === "exact";
}

export function mergeTrigger(
  current: KillObservation["trigger"],
  offered: KillObservation["trigger"],
): KillObservation["trigger"] {
  if (current === null || offered === null) return current ?? offered;
  return { pid: current.pid ?? offered.pid, comm: current.comm ?? offered.comm };
}

/** Kills that surely happened after `time`; the ledger learned of them later still. */
export function killsAfter(order: readonly Kill[], time: number): Kill[] {
  const later: Kill[] = [];
  for (let index = order.length - 1; index >= 0; index--) {
    const kill = order[index];
    if (kill === undefined || kill.openedAt <= time) break;
    if (kill.at.monotonicMicroseconds - marginOf(kill.at) > time) later.push(kill);
  }
  return later;
}
