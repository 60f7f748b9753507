import type { Host } from "../host/host.ts";
import { withLimitScope } from "../identify/scope.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { KillObservation, Observation, SourceName } from "../model/observation.ts";
import type { OutputRecord, SourceRecord } from "../model/record.ts";
import type { AgentView, Sink, StreamRecord } from "../sinks/sink.ts";
import {
  isOfKernel,
  type Source,
  type SourceObservation,
  type SourceOptions,
} from "../sources/source.ts";
import { BooksRecord } from "./books-record.ts";
import { type Checkpoint, Journal, type Recovered } from "./journal.ts";
import { Keeper } from "./keeper.ts";
import { Latency } from "./latency.ts";
import { Metrics } from "./metrics.ts";
import { metricsView } from "./metrics-view.ts";
import { MissingSearch } from "./missing-search.ts";
import { RecentKills } from "./recent-kills.ts";
import { createSources } from "./registry.ts";
import { Supervisor } from "./supervisor.ts";
import { Unattributed } from "./unattributed.ts";

export interface PipelineOptions {
  readonly sources: SourceOptions;
  /** Where to keep the books; `null` keeps nothing (`watch`). Must exist. */
  readonly stateDirectory: string | null;
  /** The ways out, made once the view exists. */
  readonly sinks: (view: AgentView) => readonly Sink[];
  readonly node: string;
  readonly version: string;
  /** Something an operator should read: the books cannot be kept on disk, or can again. */
  readonly report?: (sentence: string) => void;
  /** Replaces the real sources in tests of the pipeline itself. */
  readonly createSources?: (options: SourceOptions) => Source[];
}

export interface Pipeline {
  readonly view: AgentView;
  /** Resolves when every source has said whether it can see. */
  readonly ready: Promise<void>;
  /** Something the operator should hear about the state on disk; empty when all is well. */
  readonly problems: readonly string[];
  /** Where a source says how it works here: one short clause, or "". */
  note(source: SourceName): string;
  /** Asks the counters to be read now. */
  poke(): void;
  stop(): Promise<void>;
}

/**
 * In a storm the dying and the forking want the CPU we need to read /proc/PID/cgroup before it is gone. The agent uses
 * about a millisecond a kill; it should have it at once.
 */
const NICE = -15;
const CHECKPOINT_MILLISECONDS = 5_000;
/** Amendments are due after milliseconds; otherwise the ledger only needs to know now and then that time passes. */
const BUSY_MILLISECONDS = 20;
const ACTIVE_MILLISECONDS = 100;
const IDLE_MILLISECONDS = 1_000;
const ACTIVE_FOR_MICROSECONDS = 10_000_000;
/** Observations waiting to be taken in; more than this means evidence arrives faster than it can be booked. */
const QUEUE_LIMIT = 100_000;

const NO_RECOVERY: Recovered = { checkpoint: null, entries: [], problems: [] };

/** Starts watching. Everything happens in one loop: observations in, records out, in the order they came. */
export function startPipeline(host: Host, options: PipelineOptions): Pipeline {
  return new RunningPipeline(host, options);
}

class RunningPipeline implements Pipeline {
  readonly view: AgentView;
  readonly ready: Promise<void>;
  readonly problems: readonly string[];
  readonly #host: Host;
  readonly #options: PipelineOptions;
  readonly #bootId: string;
  readonly #keeper: Keeper;
  readonly #ledger: Ledger;
  readonly #metrics: Metrics;
  readonly #latency = new Latency();
  readonly #cursors = new Map<string, string>();
  readonly #supervisors: Supervisor[];
  readonly #sinks: readonly Sink[];
  readonly #recent = new RecentKills();
  readonly #queue: { source: SourceName; observations: readonly SourceObservation[] }[] = [];
  #queued = 0;
  #queueDrops = 0;
  #sourceRecords: SourceRecord[] = [];
  #sequence: number;
  #busy = false;
  #stopped = false;
  #dirty = false;
  /** A checkpoint holds the books of this boot. */
  #booksKept: boolean;
  #lastObservationAt = 0;
  readonly #unattributed: Unattributed;
  readonly #books = new BooksRecord();
  readonly #missing: MissingSearch;
  #cancelTick: () => void = () => {};
  #cancelCheckpoint: () => void = () => {};
  #becomeReady: () => void = () => {};
  #isReady = false;

  constructor(host: Host, options: PipelineOptions) {
    this.#host = host;
    this.#options = options;
    this.#bootId = readBootId(host, options.sources.procRoot);
    const journal =
      options.stateDirectory === null ? null : new Journal(host.files, options.stateDirectory);
    this.#keeper = new Keeper(journal, (sentence) => options.report?.(sentence));
    const recovered = journal?.recover() ?? NO_RECOVERY;
    this.problems = recovered.problems;
    const sameBoot = recovered.checkpoint?.bootId === this.#bootId ? recovered.checkpoint : null;
    this.#metrics = new Metrics(recovered.checkpoint?.metrics ?? null);
    this.#ledger = this.#openLedger(sameBoot);
    this.#unattributed = new Unattributed((id) => this.#ledger.kill(id));
    for (const id of sameBoot?.unsettled ?? []) this.#awaitCgroup(id);
    this.#booksKept = sameBoot !== null;
    for (const [source, cursor] of Object.entries(sameBoot?.cursors ?? {})) {
      this.#cursors.set(source, cursor);
    }
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.#missing = new MissingSearch(
      host.clock,
      () => this.#ledger.summary(),
      () => this.poke(),
    );
    this.view = this.#createView();
    this.#sinks = options.sinks(this.view);
    // A checkpoint that was lost or could not be written must not lead to a second record of the same number.
    const told = this.#sinks.map((sink) => sink.lastSequence?.() ?? 0);
    this.#sequence = Math.max(recovered.checkpoint?.sequence ?? 0, ...told);
    this.#replay(recovered);
    host.processes.raisePriority(NICE);
    const sources = (options.createSources ?? createSources)(options.sources);
    this.#supervisors = sources.map((source) => new Supervisor(source, host, this.#hooks()));
    for (const supervisor of this.#supervisors) supervisor.start();
    this.#scheduleTick();
    this.#scheduleCheckpoint();
  }

  note(source: SourceName): string {
    return this.#supervisors.find((one) => one.source.name === source)?.note ?? "";
  }

  poke(): void {
    this.#poke([]);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop()));
    this.#stopped = true;
    this.#cancelTick();
    this.#cancelCheckpoint();
    this.#work();
    this.#checkpoint();
    await Promise.all(this.#sinks.map((sink) => sink.close()));
    this.#keeper.close();
  }

  // --- state on disk

  #openLedger(checkpoint: Checkpoint | null): Ledger {
    const startedAt = this.#host.clock.monotonicMicroseconds();
    const { node } = this.#options;
    return new Ledger({ bootId: this.#bootId, node, startedAt }, checkpoint?.ledger ?? null);
  }

  /** What the last process wrote down but may not have told every sink: told again; sinks know what they have by sequence. */
  #replay({ entries }: Recovered): void {
    for (const { sequence, record, kill } of entries) {
      this.#sequence = Math.max(this.#sequence, sequence);
      if (record.type !== "kill") continue;
      if (record.revision === 0) this.#metrics.opened(record);
      if (record.bootId !== this.#bootId || kill === null) continue;
      this.#ledger.restore(kill);
      if (record.revision === 0) this.#awaitCgroup(record.id);
    }
    const records = entries.map(({ sequence, record }) => ({ sequence, record }));
    if (records.length > 0) this.#tell(records);
  }

  #scheduleCheckpoint(): void {
    this.#cancelCheckpoint = this.#host.clock.after(CHECKPOINT_MILLISECONDS, () => {
      this.#checkpoint();
      this.#scheduleCheckpoint();
    });
  }

  #checkpoint(): void {
    if (this.#options.stateDirectory === null || !this.#dirty) return;
    const flushed = this.#sinks.map((sink) => sink.flush?.() ?? true);
    // What a sink could not take stays in the journal, from which the next process tells it again.
    if (this.#booksKept && flushed.includes(false) && this.#keeper.hasRoom) return;
    this.#dirty = !this.#keeper.checkpoint({
      bootId: this.#bootId,
      sequence: this.#sequence,
      ledger: this.#ledger.state(),
      cursors: Object.fromEntries(this.#cursors),
      metrics: this.#metrics.state(),
      unsettled: this.#unattributed.waiting,
    });
  }

  // --- in

  #hooks(): ConstructorParameters<typeof Supervisor>[2] {
    return {
      bootId: this.#bootId,
      cursor: (source) => this.#cursors.get(source) ?? null,
      saveCursor: (source, cursor) => {
        this.#cursors.set(source, cursor);
        this.#dirty = true;
      },
      observe: (source, observations) => this.#observe(source, observations),
      changed: (record) => this.#sourceChanged(record),
    };
  }

  #observe(source: SourceName, observations: readonly SourceObservation[]): void {
    if (this.#queued + observations.length > QUEUE_LIMIT) {
      this.#queueDrops += observations.length;
      return;
    }
    this.#queue.push({ source, observations });
    this.#queued += observations.length;
    this.#work();
  }

  #sourceChanged(record: SourceRecord): void {
    this.#sourceRecords.push(record);
    this.#work();
    if (!this.#isReady && this.#supervisors.every((supervisor) => supervisor.settled)) {
      this.#isReady = true;
      this.#becomeReady();
    }
  }

  /** The loop. Evidence that arrives while it works (a counter read because of a kill) joins the queue. */
  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    try {
      do {
        const kills = this.#takeIn();
        this.#publish();
        if (kills.length > 0) this.#poke(cgroupsOf(kills));
      } while (this.#queue.length > 0);
    } finally {
      this.#busy = false;
    }
    this.#keepFirstBooks();
    if (!this.#stopped) this.#scheduleTick();
  }

  /** Once the books are open, a successor must find them: what happens from now on is nobody's history. */
  #keepFirstBooks(): void {
    if (this.#booksKept || this.#ledger.summary().kernel === null) return;
    this.#checkpoint();
    this.#booksKept = true;
  }

  #takeIn(): KillObservation[] {
    const kills: KillObservation[] = [];
    const now = this.#host.clock.monotonicMicroseconds();
    this.#ledger.advance(now);
    for (const { observations } of this.#queue.splice(0)) {
      this.#queued -= observations.length;
      for (const observation of observations) {
        if (isOfKernel(observation)) this.#take(observation, kills, now);
      }
      this.#lastObservationAt = now;
      this.#dirty = true;
    }
    return kills;
  }

  #take(observation: Observation, kills: KillObservation[], now: number): void {
    if (observation.kind !== "kill") {
      this.#ledger.observe(observation);
      return;
    }
    const known = this.#ledger.killOf(observation) !== undefined;
    this.#ledger.observe(observation);
    kills.push(observation);
    if (!known) this.#recordLatency(observation, now);
  }

  /** Measured against the best time any source has for the kill; a log line alone has no clock to be measured by. */
  #recordLatency(observation: KillObservation, now: number): void {
    const kill = this.#ledger.killOf(observation);
    if (kill === undefined || kill.recovered || kill.at.uncertaintyMicroseconds > 1_000) return;
    this.#latency.record(observation.source, now - kill.at.monotonicMicroseconds);
  }

  #poke(cgroups: readonly string[]): void {
    for (const { source } of this.#supervisors) source.poke?.(cgroups);
  }

  // --- out

  #publish(): void {
    const records: OutputRecord[] = [
      ...this.#sourceRecords.splice(0),
      ...this.#ledger.take().map(withLimitScope),
    ];
    const now = this.#host.clock.monotonicMicroseconds();
    const summary = this.#ledger.summary();
    this.#missing.consider(summary);
    const ledger = this.#books.due(summary, now, this.#stopped);
    if (ledger !== null) records.push(ledger);
    this.#metrics.unattributed += this.#unattributed.settle(now);
    if (records.length === 0) return;
    const numbered = records.map((record) => ({ sequence: ++this.#sequence, record }));
    this.#dirty = true;
    this.#keeper.append(numbered, (id) => this.#ledger.kill(id));
    for (const record of records) this.#count(record);
    this.#tell(numbered);
  }

  #count(record: OutputRecord): void {
    if (record.type !== "kill" || record.revision > 0) return;
    this.#metrics.opened(record);
    this.#awaitCgroup(record.id);
  }

  #awaitCgroup(id: string): void {
    this.#unattributed.opened(id, this.#host.clock.monotonicMicroseconds());
  }

  #tell(records: readonly StreamRecord[]): void {
    for (const { record } of records) {
      if (record.type === "kill") this.#recent.remember(record);
    }
    for (const sink of this.#sinks) sink.accept(records);
  }

  #scheduleTick(): void {
    this.#cancelTick();
    const idleFor = this.#host.clock.monotonicMicroseconds() - this.#lastObservationAt;
    const busy = this.#ledger.pending;
    const active = this.#books.waiting || idleFor < ACTIVE_FOR_MICROSECONDS;
    const wait = busy ? BUSY_MILLISECONDS : active ? ACTIVE_MILLISECONDS : IDLE_MILLISECONDS;
    this.#cancelTick = this.#host.clock.after(wait, () => {
      this.#ledger.advance(this.#host.clock.monotonicMicroseconds());
      this.#work();
    });
  }

  #createView(): AgentView {
    return {
      node: this.#options.node,
      bootId: this.#bootId,
      version: this.#options.version,
      ledger: () => this.#ledger.summary(),
      sources: () => this.#supervisors.map((supervisor) => supervisor.record),
      recentKills: () => this.#recent.list(),
      ready: () => this.#isReady,
      metrics: () =>
        metricsView(this.#metrics, this.#latency, this.#ledger, [
          { what: "observations", count: this.#queueDrops },
          { what: "journal", count: this.#keeper.dropped },
        ]),
    };
  }
}

function cgroupsOf(kills: readonly KillObservation[]): string[] {
  return [...new Set(kills.flatMap((kill) => kill.cgroup?.path ?? []))];
}

function readBootId(host: Host, procRoot: string): string {
  return host.files.readText(`${procRoot}/sys/kernel/random/boot_id`).trim();
}
