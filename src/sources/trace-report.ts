import type { CgroupStamp, KillObservation, Observation, Victim } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  type KillEvent,
  type KillFinding,
  KillPairing,
  type MarkEvent,
  type SignalEvent,
} from "../parse/trace-kill.ts";
import { type TraceEvent, TraceReader } from "../parse/trace-line.ts";
import type { ProcStamper } from "./proc-stamp.ts";
import type { SourceContext } from "./source.ts";
import type { LineageFinding } from "./trace-lineage-reader.ts";

/** Kills whose cgroup is remembered for what follows (a repeat, a sharer). */
const REMEMBERED_LIMIT = 4096;
/** A wall time computed from the monotonic clock is right to about so much. */
const WALL_UNCERTAINTY_MICROSECONDS = 1000;
/** What is read of the ring at once comes within that time. */
const ONE_READING_MICROSECONDS = 20_000;
/** A kill cannot be later than now, by more than two clocks' readings differ. */
const FUTURE_MICROSECONDS = 1_000_000;
/** Runs are ended this long after their last event at the latest. */
const SETTLE_MILLISECONDS = 200;

type Sharer = Extract<KillFinding, { kind: "sharer" | "sharer-suspected" }>;

/** An event of interest and, when the kernel named it at that instant, the cgroup of its process. */
export interface DecodedEvent {
  readonly event: KillEvent;
  readonly stamp: CgroupStamp | null;
}

export interface KillReporterParts {
  readonly context: SourceContext;
  readonly source: "tracefs" | "probe";
  readonly stamper: ProcStamper;
  /** Names of the events that the instance records. */
  readonly names: ReadonlySet<string>;
  readonly isWhole: (event: TraceEvent) => boolean;
  readonly decode: (event: TraceEvent) => DecodedEvent | null;
  /** Finds out later what /proc could not tell. */
  readonly askLater: (
    kill: { readonly tid: number; readonly microseconds: number },
    found: (finding: LineageFinding) => void,
  ) => void;
  /** Events before this moment are passed over (CLOCK_MONOTONIC µs). */
  readonly since: number;
  /** The ring was overrun: somebody should look at its statistics. */
  readonly overrun: () => void;
  /** Something in the ring is not what it should record: somebody should look at its settings. */
  readonly strange: () => void;
}

/** From the text of a trace instance to observations: at once, with whatever is known of the victim's cgroup. */
export class KillReporter {
  readonly #parts: KillReporterParts;
  readonly #reader: TraceReader;
  readonly #decoder = new TextDecoder();
  readonly #pairing: KillPairing;
  readonly #kernelStamps = new WeakMap<KillEvent, CgroupStamp>();
  readonly #known = new Map<string, KillObservation>();
  readonly #suspects = new Map<string, KillObservation>();
  #cancelSettle: (() => void) | null = null;
  #readAt = 0;

  constructor(parts: KillReporterParts) {
    this.#parts = parts;
    this.#reader = new TraceReader(parts.names, parts.isWhole);
    this.#pairing = new KillPairing({
      mayBeGroup: (incident) => parts.stamper.mayBeGroup(this.#known.get(incident)?.cgroup ?? null),
    });
  }

  /** Marks that were no kills: the victim was dying already. */
  get phantoms(): number {
    return this.#pairing.phantoms;
  }

  push(chunk: Uint8Array): void {
    const kills: KillObservation[] = [];
    const others: Observation[] = [];
    const now = this.#parts.context.host.clock.monotonicMicroseconds();
    if (now - this.#readAt > ONE_READING_MICROSECONDS) this.#reader.trustAgain();
    this.#readAt = now;
    const items = this.#reader.push(this.#decoder.decode(chunk, { stream: true }));
    for (const item of items) {
      if (item.kind === "lost") this.#parts.overrun();
      else if (item.kind === "event" && item.event.microseconds <= now + FUTURE_MICROSECONDS) {
        this.#event(item.event, kills, others);
      } else this.#parts.context.lost(1, "trace line that cannot be believed or read");
    }
    this.#emit(kills, others);
    if (!items.some(({ kind }) => kind === "event")) this.#parts.strange();
  }

  close(): void {
    this.#cancelSettle?.();
    this.#cancelSettle = null;
    this.#settle(Number.MAX_SAFE_INTEGER);
  }

  #event(traced: TraceEvent, kills: KillObservation[], others: Observation[]): void {
    if (traced.microseconds < this.#parts.since) return;
    const decoded = this.#parts.decode(traced);
    if (decoded === null) return;
    if (decoded.stamp !== null) this.#kernelStamps.set(decoded.event, decoded.stamp);
    for (const finding of this.#pairing.push(decoded.event)) this.#take(finding, kills, others);
  }

  #take(finding: KillFinding, kills: KillObservation[], others: Observation[]): void {
    switch (finding.kind) {
      case "kill": {
        const kill = this.#kill(finding);
        this.#remember(kill);
        kills.push(kill);
        return;
      }
      case "repeat":
        others.push(...this.#repeat(finding));
        return;
      case "sharer-suspected":
        this.#suspect(finding);
        return;
      case "sharer":
        this.#confirm(finding, others);
        return;
      default:
        finding satisfies never;
    }
  }

  #kill(finding: Extract<KillFinding, { kind: "kill" }>): KillObservation {
    const { mark, signal, sequence, incident, group } = finding;
    return {
      ...this.#base(mark, sequence),
      victim: { ...victimOf(mark), comm: mark.comm ?? signal.comm },
      cgroup: this.#kernelStamps.get(mark) ?? this.#procStamp(mark),
      incident,
      group,
      repeat: false,
      counted: true,
    };
  }

  #base(event: KillEvent, sequence: string) {
    const trigger = { pid: event.task.pid, comm: event.task.comm };
    const at = this.#instant(event.microseconds);
    return {
      kind: "kill",
      source: this.#parts.source,
      sequence,
      at,
      limit: null,
      trigger,
    } as const;
  }

  #procStamp(event: KillEvent): CgroupStamp | null {
    const { stamper } = this.#parts;
    return stamper.isFresh(event.microseconds) ? stamper.stamp(event.tid) : null;
  }

  #remember(kill: KillObservation): void {
    this.#known.set(kill.sequence, kill);
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > REMEMBERED_LIMIT && oldest !== undefined) this.#known.delete(oldest);
  }

  #repeat(finding: Extract<KillFinding, { kind: "repeat" }>): Observation[] {
    const { signal, sequence, incident, members, first } = finding;
    const known = this.#known.get(incident);
    const cgroup = known?.cgroup ?? null;
    const victim = known?.victim ?? victimOf(first);
    const base = this.#base(signal, sequence);
    const { source, at } = base;
    return [
      { ...base, victim, cgroup, incident, group: true, repeat: true, counted: true },
      { kind: "group", source, sequence: `${sequence}:group`, at, incident, cgroup: null, members },
    ];
  }

  /** Reads at once whether the signalled process has as much memory as the victim: it shares it, or it is somebody else. */
  #suspect(finding: Sharer): void {
    const { stamper } = this.#parts;
    const { signal, of, sequence, incident, group, certain } = finding;
    const status = stamper.isFresh(signal.microseconds) ? stamper.status(signal.tid) : null;
    const size = status?.vmSizeBytes ?? null;
    if (size === null || of.totalVmBytes === null ? !certain : size !== of.totalVmBytes) return;
    if (this.#suspects.size >= REMEMBERED_LIMIT) return;
    const cgroup = this.#procStamp(signal);
    this.#suspects.set(sequence, {
      ...this.#base(signal, sequence),
      victim: { ...victimOf(signal), pid: status?.tgid ?? null },
      cgroup: cgroup === null ? null : stamper.withId(cgroup),
      incident,
      group,
      repeat: false,
      counted: false,
    });
  }

  #confirm({ sequence, incident, group }: Sharer, others: Observation[]): void {
    const suspect = this.#suspects.get(sequence);
    this.#suspects.delete(sequence);
    if (suspect === undefined) return;
    const sharer = { ...suspect, incident, group };
    others.push(sharer);
    if (sharer.cgroup === null) this.#askLater(sharer);
  }

  /** The rest of what /proc tells is read after all cgroups of this chunk, then everything is handed over in order. */
  #emit(kills: readonly KillObservation[], others: readonly Observation[]): void {
    const { context } = this.#parts;
    if (kills.length + others.length > 0) {
      const complete = kills.map((kill) => this.#complete(kill));
      for (const kill of complete) this.#update(kill);
      context.emit([...complete, ...others]);
      for (const kill of complete) {
        if (kill.cgroup === null || kill.victim.pid === null) this.#askLater(kill);
      }
    }
    this.#scheduleSettle();
  }

  #complete(kill: KillObservation): KillObservation {
    const { stamper } = this.#parts;
    const { victim, cgroup } = kill;
    if (!stamper.isFresh(kill.at.monotonicMicroseconds)) return kill;
    const status = stamper.status(victim.tid);
    if (status !== null && victim.comm !== null && status.name !== victim.comm) {
      // Somebody else by now: what /proc said of the cgroup is not the victim's.
      return cgroup?.basis === "proc" ? { ...kill, cgroup: null } : kill;
    }
    const stamp = cgroup?.basis === "proc" ? stamper.withId(cgroup) : cgroup;
    return {
      ...kill,
      victim: { ...victim, pid: victim.pid ?? status?.tgid ?? null },
      cgroup: stamp,
    };
  }

  #askLater(kill: KillObservation): void {
    const { context, askLater, stamper } = this.#parts;
    const asked = { tid: kill.victim.tid, microseconds: kill.at.monotonicMicroseconds };
    askLater(asked, ({ stamp, pid }) => {
      const cgroup = kill.cgroup ?? (stamp === null ? null : stamper.withId(stamp));
      const known = { ...kill, cgroup, victim: { ...kill.victim, pid: kill.victim.pid ?? pid } };
      this.#update(known);
      context.emit([known]);
    });
  }

  #update(kill: KillObservation): void {
    if (this.#known.has(kill.sequence)) this.#known.set(kill.sequence, kill);
  }

  #scheduleSettle(): void {
    if (this.#suspects.size === 0 || this.#cancelSettle !== null) return;
    const { clock } = this.#parts.context.host;
    this.#cancelSettle = clock.after(SETTLE_MILLISECONDS, () => {
      this.#cancelSettle = null;
      this.#settle(clock.monotonicMicroseconds());
      this.#scheduleSettle();
    });
  }

  #settle(nowMicroseconds: number): void {
    const kills: KillObservation[] = [];
    const others: Observation[] = [];
    for (const finding of this.#pairing.settle(nowMicroseconds)) this.#take(finding, kills, others);
    // A suspect that was marked after all is a victim in its own right.
    for (const [sequence, suspect] of this.#suspects) {
      const age = nowMicroseconds - suspect.at.monotonicMicroseconds;
      if (age > 10 * SETTLE_MILLISECONDS * 1000) this.#suspects.delete(sequence);
    }
    if (others.length > 0) this.#parts.context.emit(others);
  }

  #instant(monotonicMicroseconds: number): Instant {
    const { clock } = this.#parts.context.host;
    const wall = clock.wallMicroseconds() + monotonicMicroseconds - clock.monotonicMicroseconds();
    return {
      monotonicMicroseconds,
      wallMicroseconds: Math.round(wall),
      uncertaintyMicroseconds: WALL_UNCERTAINTY_MICROSECONDS,
    };
  }
}

function victimOf(event: MarkEvent | SignalEvent): Victim {
  const mark = event.kind === "mark" ? event : null;
  return {
    pid: mark?.tgid ?? null,
    tid: event.tid,
    comm: event.comm,
    uid: mark?.uid ?? null,
    oomScoreAdj: mark?.oomScoreAdj ?? null,
    totalVmBytes: mark?.totalVmBytes ?? null,
    anonRssBytes: mark?.anonRssBytes ?? null,
    fileRssBytes: mark?.fileRssBytes ?? null,
    shmemRssBytes: mark?.shmemRssBytes ?? null,
    pageTableBytes: mark?.pageTableBytes ?? null,
  };
}
