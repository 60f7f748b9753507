/**
 * Kernel log records to kills. The OOM killer works under one lock, so its lines come in order, whatever else is printed
 * between them:
 *
 *     header … memory: usage … table … oom-kill:   at most 10 in 5 s on the whole host
 *     Killed process 85 (bighog)                   always
 *     Tasks in /x are going to be killed …         group kills: after the first victim
 *     Killed process 85 (bighog)                   the first victim a second time (facts 0.1)
 *     Killed process 86 (kid0)
 */
import type {
  CgroupStamp,
  Constraint,
  GroupObservation,
  KillObservation,
  LimitEvidence,
  SkipObservation,
} from "../model/observation.ts";
import { UNKNOWN_VICTIM } from "../model/report.ts";
import { type Binding, bind, ReportBlock } from "./kernel-log-block.ts";
import { LineJoiner } from "./kernel-log-fragments.ts";
import type { KilledLine, KillScope, SelectionLine, SharingLine } from "./kernel-log-kill-lines.ts";
import type { KernelLogLine } from "./kernel-log-lines.ts";
import type { SummaryLine } from "./kernel-log-summary.ts";
import type { KmsgRecord } from "./kmsg-record.ts";

type Unstamped<Observation> = Omit<Observation, "at"> & {
  /** The kernel's local_clock, µs: the source makes an instant of it. */
  readonly timestampMicroseconds: number;
};

/** Each becomes one observation. */
export type KernelLogEvent =
  | Unstamped<KillObservation>
  | Unstamped<GroupObservation>
  | Unstamped<SkipObservation>;

export interface AssemblerOptions {
  /** Sequences are contiguous, so that a jump is a gap. False for logs that number their lines otherwise. */
  readonly contiguous: boolean;
}

/** Lines of one group kill follow each other at once; after such a pause a kill is another one's. µs of kernel time. */
const GROUP_PAUSE_MICROSECONDS = 1_000_000;

/** What the report around a kill said; members of a group share their first victim's. */
interface Context {
  readonly block: ReportBlock | null;
  readonly limit: LimitEvidence | null;
  readonly trigger: KillObservation["trigger"];
}

interface Kill {
  readonly tid: number;
  readonly comm: string | null;
  readonly scope: KillScope | null;
  readonly sequence: string;
  readonly incident: string;
  readonly timestampMicroseconds: number;
  readonly context: Context;
}

interface Group {
  readonly cgroup: string;
  readonly sequence: string;
  /** `null` when the first victim's line was lost: the first member seen then gives the incident its name. */
  readonly first: Kill | null;
  lastMicroseconds: number;
}

export class KernelLogAssembler {
  readonly #contiguous: boolean;
  readonly #joiner = new LineJoiner();
  #nextSequence: number | null = null;
  #block: ReportBlock | null = null;
  #group: Group | null = null;
  #lastKill: Kill | null = null;
  /** The last kill before a gap: its second line, after the gap, is still known by it. */
  #killBeforeGap: Kill | null = null;

  constructor(options: AssemblerOptions = { contiguous: true }) {
    this.#contiguous = options.contiguous;
  }

  /** Takes the next record; what it proves is returned at once. Never throws. */
  push(record: KmsgRecord): readonly KernelLogEvent[] {
    if (this.#contiguous && record.sequence !== this.#nextSequence) this.#gap();
    this.#nextSequence = record.sequence + 1;
    // User space can write any text, but not as facility 0 (facts 1.6).
    if (record.facility !== 0) return NONE;
    const lines = this.#joiner.push(record);
    if (lines.length === 0) return NONE;
    const events: KernelLogEvent[] = [];
    for (const line of lines) this.#line(line, record, events);
    return events;
  }

  #gap(): void {
    this.#joiner.reset();
    this.#block = null;
    this.#killBeforeGap = this.#lastKill ?? this.#killBeforeGap;
    this.#lastKill = null;
    this.#group = null;
  }

  #line(line: KernelLogLine, record: KmsgRecord, events: KernelLogEvent[]): void {
    switch (line.kind) {
      case "header":
        this.#block = new ReportBlock(copy(line.comm));
        this.#group = null;
        return;
      case "summary":
        this.#summarize(line);
        return;
      case "selection":
        this.#select(line);
        return;
      case "killed":
        this.#killed(line, record, events);
        return;
      case "sharing":
        events.push(this.#sharing(line, record));
        return;
      case "group":
        this.#beginGroup(line.cgroup, record, events);
        return;
      case "skip":
        events.push(this.#skip(line.tid, record));
        return;
      case "none-killable":
      case "panic":
        this.#block = null;
        return;
      case "stack":
      case "usage":
      case "hierarchy":
      case "table-header":
      case "table-row":
      case "task-in":
        this.#block?.describe(line);
        return;
      case "suppressed":
      case "sysrq":
      case "reaped":
        return;
    }
  }

  /** Its header may be lost: then the block, and with it a new incident, begins here. */
  #summarize(line: SummaryLine): void {
    if (this.#block === null) this.#group = null;
    this.#block ??= new ReportBlock(null);
    this.#block.summary = line;
  }

  /** ≤ 5.0: stands between the report, if one was printed, and the kill. */
  #select(line: SelectionLine): void {
    if (this.#block === null || this.#block.selection !== null) this.#block = new ReportBlock(null);
    this.#block.selection = line;
    this.#group = null;
  }

  #killed(line: KilledLine, record: KmsgRecord, events: KernelLogEvent[]): void {
    const block = this.#block;
    this.#block = null;
    const binding = block === null ? null : bind(block, line.tid, line.scope !== null);
    const group = this.#groupFor(line, record);
    this.#group = group;
    const repeated = group === null ? this.#repeatedAcrossGap(line, record) : null;
    const first = group?.first ?? repeated;
    const sequence = String(record.sequence);
    const context = group?.first?.context ?? describeContext(line, block, binding);
    const repeat = first !== null && first.tid === line.tid;
    const kill: Kill = {
      tid: line.tid,
      comm: copyOrNull(line.comm),
      scope: line.scope,
      sequence,
      incident: first?.incident ?? sequence,
      timestampMicroseconds: record.timestampMicroseconds,
      context,
    };
    events.push({
      kind: "kill",
      source: "kernel-log",
      sequence,
      timestampMicroseconds: record.timestampMicroseconds,
      victim: describeVictim(line, kill, binding),
      cgroup: describeCgroup(kill, binding, group, repeat),
      limit: context.limit,
      trigger: context.trigger,
      incident: kill.incident,
      group: group !== null,
      repeat,
      counted: true,
    });
    if (!repeat) this.#lastKill = kill;
    if (group !== null && group.first === null) this.#nameGroup(group, kill, events);
  }

  /** The group this kill is a member of, or `null`. */
  #groupFor(line: KilledLine, record: KmsgRecord): Group | null {
    const group = this.#group;
    if (group === null || isLater(record, group.lastMicroseconds)) return null;
    if (group.first !== null && group.first.scope !== line.scope) return null;
    // 5.4 and later print the page tables and walk processes, which the table lists; 4.19–5.3 walk threads.
    const listed = !(line.pageTableBytes !== null && group.first?.context.block?.lacks(line.tid));
    if (!listed) return null;
    group.lastMicroseconds = record.timestampMicroseconds;
    return group;
  }

  #repeatedAcrossGap(line: KilledLine, record: KmsgRecord): Kill | null {
    const kill = this.#killBeforeGap;
    if (kill === null) return null;
    this.#killBeforeGap = null;
    const same = kill.tid === line.tid && kill.comm === line.comm;
    return same && !isLater(record, kill.timestampMicroseconds) ? kill : null;
  }

  /** The first victim of the group is the latest kill, also when that was taken for a member of an earlier group. */
  #beginGroup(cgroup: string, record: KmsgRecord, events: KernelLogEvent[]): void {
    this.#block = null;
    const last = this.#lastKill;
    const recent = last !== null && !isLater(record, last.timestampMicroseconds) ? last : null;
    const first = recent === null ? null : { ...recent, incident: recent.sequence };
    const sequence = String(record.sequence);
    const lastMicroseconds = record.timestampMicroseconds;
    this.#group = { cgroup: copy(cgroup), sequence, first, lastMicroseconds };
    if (first !== null) events.push(this.#groupEvent(this.#group, first));
  }

  #nameGroup(group: Group, first: Kill, events: KernelLogEvent[]): void {
    this.#group = { ...group, first };
    events.push(this.#groupEvent(group, first));
  }

  #groupEvent(group: Group, first: Kill): KernelLogEvent {
    return {
      kind: "group",
      source: "kernel-log",
      sequence: group.sequence,
      timestampMicroseconds: group.lastMicroseconds,
      incident: first.sequence,
      cgroup: group.cgroup,
    };
  }

  #skip(tid: number, record: KmsgRecord): KernelLogEvent {
    this.#block = null;
    const group = this.#group;
    const within = group !== null && !isLater(record, group.lastMicroseconds);
    return {
      kind: "skip",
      source: "kernel-log",
      sequence: String(record.sequence),
      timestampMicroseconds: record.timestampMicroseconds,
      tid,
      incident: within ? (group.first?.incident ?? null) : null,
    };
  }

  /** ≤ 4.5: dies with the victim because it shares its memory; the kernel's books omit it. */
  #sharing(line: SharingLine, record: KmsgRecord): KernelLogEvent {
    const sequence = String(record.sequence);
    return {
      kind: "kill",
      source: "kernel-log",
      sequence,
      timestampMicroseconds: record.timestampMicroseconds,
      victim: { ...UNKNOWN_VICTIM, pid: line.pid, tid: line.pid, comm: copy(line.comm) },
      cgroup: null,
      limit: this.#lastKill?.context.limit ?? null,
      trigger: this.#lastKill?.context.trigger ?? null,
      incident: this.#lastKill?.incident ?? sequence,
      group: false,
      repeat: false,
      counted: false,
    };
  }
}

const NONE: readonly KernelLogEvent[] = [];

/** Records of several processors are not sorted by time: a step in either direction counts. */
function isLater(record: KmsgRecord, thanMicroseconds: number): boolean {
  return Math.abs(record.timestampMicroseconds - thanMicroseconds) > GROUP_PAUSE_MICROSECONDS;
}

function describeContext(
  line: KilledLine,
  block: ReportBlock | null,
  binding: Binding | null,
): Context {
  const bound = binding === null ? null : block;
  const scope = line.scope ?? bound?.selection?.scope ?? null;
  const constraint = describeConstraint(scope, bound);
  const memcg = constraint === "memcg";
  const cgroup = bound?.summary?.limitCgroup ?? bound?.taskIn?.limitCgroup ?? null;
  const limit: LimitEvidence = {
    constraint,
    cgroup: memcg ? copyOrNull(cgroup) : null,
    bytes: memcg ? (bound?.limitBytes ?? null) : null,
  };
  return {
    block: bound,
    limit: constraint === null ? null : limit,
    trigger:
      bound === null || bound.triggerComm === null
        ? null
        : { pid: bound.triggerPid, comm: bound.triggerComm },
  };
}

function describeConstraint(scope: KillScope | null, block: ReportBlock | null): Constraint {
  const summary = block?.summary?.constraint ?? null;
  if (scope === "memcg" || summary === "memcg") return "memcg";
  return scope === null ? summary : (summary ?? "none");
}

function describeVictim(
  line: KilledLine,
  kill: Kill,
  binding: Binding | null,
): KillObservation["victim"] {
  const { tid, oomScoreAdj, totalVmBytes, anonRssBytes, fileRssBytes, shmemRssBytes } = line;
  const { block } = kill.context;
  // The chosen process is named by its leader, but for oom_kill_allocating_task, which takes the thread at hand.
  const isLeader = binding === "victim" && line.scope !== "allocating-task";
  return {
    pid: block?.groupOf(tid) ?? (isLeader ? tid : null),
    tid,
    comm: kill.comm,
    uid: line.uid ?? (binding === "victim" ? (block?.summary?.uid ?? null) : null),
    oomScoreAdj,
    totalVmBytes,
    anonRssBytes,
    fileRssBytes,
    shmemRssBytes,
    pageTableBytes: line.pageTableBytes,
  };
}

function describeCgroup(
  kill: Kill,
  binding: Binding | null,
  group: Group | null,
  repeat: boolean,
): CgroupStamp | null {
  const { block } = kill.context;
  const version = block?.version ?? null;
  const path = block?.summary?.victimCgroup ?? block?.taskIn?.victimCgroup ?? null;
  const named = binding !== null || repeat;
  if (named && path !== null) {
    return {
      path: copy(path),
      id: null,
      version,
      basis: binding === "parent" ? "lineage" : "kernel-log",
    };
  }
  if (group === null) return null;
  // Only cgroup v2 knows memory.oom.group.
  return { path: group.cgroup, id: null, version: 2, basis: "group" };
}

/** A slice of a chunk keeps the whole chunk in memory; what outlives the record is copied. */
function copy(text: string): string {
  return ` ${text}`.slice(1);
}

function copyOrNull(text: string | null): string | null {
  return text === null ? null : copy(text);
}
