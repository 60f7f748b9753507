import type { Host } from "../host/host.ts";
import { type Kill, Ledger, type LedgerOptions } from "../ledger/ledger.ts";
import type { KillObservation, Observation, SourceName } from "../model/observation.ts";
import type { OutputRecord, SourceRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import type { AgentView, Sink, StreamRecord } from "../sinks/sink.ts";
import { isOfKernel } from "../sources/source.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import { BooksRecord, sayBroken } from "./books-record.ts";
import { Identification } from "./identification.ts";
import { Intake } from "./intake.ts";
import { type Books, type Checkpoint, Journal, type Recovered } from "./journal.ts";
import { Keeper } from "./keeper.ts";
import { Latency } from "./latency.ts";
import { Metrics } from "./metrics.ts";
import { metricsView } from "./metrics-view.ts";
import { MissingSearch } from "./missing-search.ts";
import type { Pipeline, PipelineOptions } from "./pipeline-options.ts";
import { RecentKills } from "./recent-kills.ts";
import { createSources } from "./registry.ts";
import { Reports } from "./reports.ts";
import { eachOf, type RestoredBooks, restore } from "./restore.ts";
import { Supervisors, type SupervisorsHooks } from "./supervisors.ts";
import { Unattributed } from "./unattributed.ts";

export type { Pipeline } from "./pipeline-options.ts";

/**
 * In a storm the dying and the forking want the CPU we need to read /proc/PID/cgroup before it is gone. The agent uses
 * about a millisecond a kill; it should have it at once.
 */
const NICE = -15;
/** Amendments are due after milliseconds; otherwise the ledger only needs to know now and then that time passes. */
const BUSY_MILLISECONDS = 20;
const ACTIVE_MILLISECONDS = 100;
const IDLE_MILLISECONDS = 1_000;
const ACTIVE_FOR_MICROSECONDS = 10_000_000;

const NO_RECOVERY: Recovered = {
  checkpoint: null,
  heard: [],
  entries: [],
  earlier: [],
  problems: [],
};

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
  readonly #identification: Identification;
  readonly #metrics: Metrics;
  readonly #latency = new Latency();
  readonly #cursors = new Map<string, string>();
  readonly #supervisors: Supervisors;
  readonly #sinks: readonly Sink[];
  readonly #recent = new RecentKills();
  readonly #reports: Reports;
  readonly #intake = new Intake();
  #sequence: number;
  #busy = false;
  /** A runtime spoke of what may have been a kill. */
  #countersAsked = false;
  #stopped = false;
  /** The books may be half written: the last checkpoint and the journal are whole, and the next process begins with them. */
  #broken = false;
  readonly #bookkeeping: Bookkeeping;
  #lastObservationAt = 0;
  readonly #unattributed: Unattributed;
  readonly #books = new BooksRecord();
  readonly #missing: MissingSearch;
  #cancelTick: () => void = () => {};

  constructor(host: Host, options: PipelineOptions) {
    this.#host = host;
    this.#options = options;
    this.#bootId = readBootId(host, options.sources.procRoot);
    const journal =
      options.stateDirectory === null ? null : new Journal(host.files, options.stateDirectory);
    this.#keeper = new Keeper(journal, (sentence) => options.report?.(sentence));
    const recovered = journal?.recover() ?? NO_RECOVERY;
    const problems = [...recovered.problems];
    this.problems = problems;
    this.#reports = new Reports(host.clock.wallMicroseconds());
    const restored = restore(
      recovered.checkpoint,
      (checkpoint) => this.#openBooks(checkpoint),
      (error) => problems.push(journal?.refuse(error) ?? String(error)),
    );
    const { sameBoot } = restored;
    this.#metrics = restored.metrics;
    this.#identification = restored.identification;
    this.#ledger = restored.ledger;
    this.#supervisors = new Supervisors(host, this.#hooks());
    this.ready = this.#supervisors.ready;
    this.#unattributed = new Unattributed((id) => this.#ledger.kill(id));
    for (const id of sameBoot?.unsettled ?? []) this.#awaitCgroup(id);
    for (const [source, cursor] of Object.entries(sameBoot?.cursors ?? {})) {
      this.#cursors.set(source, cursor);
    }
    this.#missing = new MissingSearch(
      host.clock,
      () => this.#ledger.summary(),
      () => this.poke(),
    );
    this.view = this.#createView();
    this.#sinks = options.sinks(this.view);
    const last = recovered.checkpoint?.sequence ?? 0;
    problems.push(...this.#sinks.flatMap((sink) => sink.restore?.(recovered.earlier, last) ?? []));
    // A checkpoint that was lost or could not be written must not lead to a second record of the same number.
    const told = this.#sinks.map((sink) => sink.lastSequence?.() ?? 0);
    this.#sequence = Math.max(recovered.checkpoint?.sequence ?? 0, ...told);
    this.#bookkeeping = new Bookkeeping(
      { clock: host.clock, keeper: this.#keeper, sinks: this.#sinks, books: () => this.#state() },
      sameBoot !== null,
    );
    if (sameBoot !== null) this.#hearAgain(recovered, problems);
    this.#replay(recovered, problems);
    host.processes.raisePriority(NICE);
    this.#supervisors.start((options.createSources ?? createSources)(options.sources));
    this.#scheduleTick();
  }

  note(source: SourceName): string {
    return this.#supervisors.note(source);
  }

  poke(): void {
    this.#supervisors.poke([]);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    await this.#supervisors.stop(() => this.#broken || !this.#isMissing());
    this.#stopped = true;
    this.#cancelTick();
    if (!this.#broken) {
      this.#work();
      await this.#bookkeeping.close();
    }
    await Promise.all(this.#sinks.map((sink) => sink.close()));
    this.#keeper.close();
  }

  // --- state on disk

  #openBooks(checkpoint: Checkpoint | null): RestoredBooks {
    const startedAt = this.#host.clock.monotonicMicroseconds();
    const sameBoot = checkpoint?.bootId === this.#bootId ? checkpoint : null;
    const metrics = new Metrics(checkpoint?.metrics ?? null);
    const identification = new Identification(
      sameBoot?.containers ?? null,
      metrics,
      startedAt,
      (cgroup) => this.#supervisors.pokeCgroup(cgroup),
    );
    const { node } = this.#options;
    const identify: LedgerOptions["identify"] = (record, at) => identification.identify(record, at);
    const broken = (what: string) => this.#options.report?.(sayBroken(what));
    const options = { bootId: this.#bootId, node, startedAt, identify, broken };
    const ledger = new Ledger(options, sameBoot?.ledger ?? null);
    return { sameBoot, metrics, identification, ledger };
  }

  #hearAgain({ heard }: Recovered, problems: string[]): void {
    const failed = eachOf(heard, (one) => this.#identification.hearAgain([one]));
    if (failed !== null) problems.push(`what runtimes said before could not be used: ${failed}`);
  }

  /** What the last process wrote down but may not have told every sink: told again; sinks know what they have by sequence. */
  #replay({ entries }: Recovered, problems: string[]): void {
    const failed = eachOf(entries, ({ sequence, record, kill }) => {
      this.#sequence = Math.max(this.#sequence, sequence);
      this.#replayRecord(record, kill);
    });
    if (failed !== null) problems.push(`records of the journal could not be restored: ${failed}`);
    const records = entries.map(({ sequence, record }) => ({ sequence, record }));
    if (records.length > 0) this.#tell(records);
  }

  #replayRecord(record: OutputRecord, kill: Kill | null): void {
    const ours = !("bootId" in record) || record.bootId === this.#bootId;
    if (record.type === "kill" && !ours) this.#metrics.opened(record);
    else this.#count(record);
    if (!ours) return;
    if (kill !== null) this.#ledger.restore(kill);
    this.#identification.restore(record, kill);
  }

  #state(): Books {
    return {
      bootId: this.#bootId,
      sequence: this.#sequence,
      ledger: this.#ledger.state(),
      cursors: Object.fromEntries(this.#cursors),
      metrics: this.#metrics.state(),
      unsettled: this.#unattributed.waiting,
      containers: this.#identification.state(),
    };
  }

  // --- in

  #hooks(): SupervisorsHooks {
    return {
      bootId: this.#bootId,
      cursor: (source) => this.#cursors.get(source) ?? null,
      saveCursor: (source, cursor) => {
        this.#cursors.set(source, cursor);
        this.#bookkeeping.changed();
      },
      observe: (_source, observations) => {
        if (this.#intake.put(observations)) this.#work();
      },
      changed: (record) => this.#sourceChanged(record),
      kill: (id) => this.#ledger.kill(id),
      broke: (error) => this.#broke(error),
      said: (sentence) => this.#options.report?.(sentence),
    };
  }

  #broke(error: unknown): void {
    if (this.#options.crashed === undefined) throw error;
    this.#options.crashed(error);
  }

  #sourceChanged(record: SourceRecord): void {
    this.#identification.sourceChanged(record);
    this.#work();
  }

  /** The loop. Evidence that arrives while it works (a counter read because of a kill) joins the queue. */
  #work(): void {
    if (this.#busy || this.#broken) return;
    this.#busy = true;
    try {
      do {
        const kills = this.#takeIn();
        this.#publish();
        this.#metrics.advance(this.#wallSeconds());
        if (kills.length > 0 || this.#countersAsked) this.#supervisors.poke(cgroupsOf(kills));
        this.#countersAsked = false;
      } while (!this.#intake.isEmpty);
    } catch (error) {
      this.#broken = true;
      this.#bookkeeping.abandon();
      throw error;
    } finally {
      this.#busy = false;
    }
    // All books: a cgroup's that a checkpoint does not hold began at 0.
    this.#bookkeeping.worked(
      () => this.#supervisors.countersKnown && this.#ledger.summary().kernel !== null,
    );
    this.#reports.explain(this.#sinks, this.#host.clock.monotonicMicroseconds(), this.#stopped);
    if (!this.#stopped) this.#scheduleTick();
  }

  #takeIn(): KillObservation[] {
    const kills: KillObservation[] = [];
    const now = this.#host.clock.monotonicMicroseconds();
    this.#ledger.advance(now);
    const observations = this.#intake.take();
    for (const observation of observations) {
      if (isOfKernel(observation)) this.#take(observation, kills, now);
      else if (observation.kind === "report") this.#reports.observe(observation, now);
      else if (this.#identification.observe(observation)) this.#countersAsked = true;
    }
    // No source is left that could tell of them.
    if (this.#stopped) this.#ledger.conclude();
    if (observations.length > 0) {
      this.#lastObservationAt = now;
      this.#bookkeeping.changed();
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

  // --- out

  #publish(): void {
    const now = this.#host.clock.monotonicMicroseconds();
    this.#metrics.at(this.#wallSeconds());
    this.#ledger.reconsider(this.#identification.advance(now));
    this.#keeper.hear(this.#identification.takeHeard());
    const kills = this.#ledger.take();
    const summary = this.#ledger.summary();
    if (summary.unaccounted === 0 && this.#intake.isEmpty) {
      this.#identification.balanced(this.#supervisors.nodeReadAfter);
    }
    const exits = this.#identification.takeExits(kills, (id) => this.#ledger.kill(id));
    const records: OutputRecord[] = [...this.#supervisors.take(), ...kills, ...exits];
    this.#missing.consider(summary);
    const ledger = this.#books.due(summary, now, this.#stopped);
    if (ledger !== null) records.push(ledger);
    this.#metrics.unattributed += this.#unattributed.settle(now);
    this.#supervisors.judge(now);
    if (records.length === 0) return;
    const numbered = records.map((record) => ({ sequence: ++this.#sequence, record }));
    this.#keeper.append(numbered, (id) => this.#ledger.kill(id));
    this.#bookkeeping.changed();
    for (const record of records) this.#count(record);
    this.#tell(numbered);
  }

  #isMissing(): boolean {
    return !this.#intake.isEmpty || (this.#ledger.summary().unaccounted ?? 0) > 0;
  }

  #wallSeconds(): number {
    return this.#host.clock.wallMicroseconds() / SECOND;
  }

  #count(record: OutputRecord): void {
    if (record.type === "exit") this.#metrics.exit(record);
    if (record.type !== "kill") return;
    this.#metrics.kill(record);
    if (record.revision > 0) return;
    this.#awaitCgroup(record.id);
    this.#supervisors.opened(record.id);
  }

  #awaitCgroup(id: string): void {
    this.#unattributed.opened(id, this.#host.clock.monotonicMicroseconds());
  }

  #tell(records: readonly StreamRecord[]): void {
    for (const { record } of records) {
      if (record.type === "kill") this.#recent.remember(record);
    }
    this.#reports.told(records, this.#host.clock.monotonicMicroseconds());
    for (const sink of this.#sinks) sink.accept(records);
  }

  #scheduleTick(): void {
    this.#cancelTick();
    const idleFor = this.#host.clock.monotonicMicroseconds() - this.#lastObservationAt;
    const busy = this.#ledger.pending;
    const waiting = this.#books.waiting || this.#identification.pending || this.#reports.pending;
    const active = waiting || idleFor < ACTIVE_FOR_MICROSECONDS;
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
      sources: () => this.#supervisors.records,
      recentKills: () => this.#recent.list(),
      ready: () => this.#supervisors.isReady,
      metrics: () =>
        metricsView(this.#metrics, this.#latency, this.#ledger, [
          { what: "observations", count: this.#intake.drops },
          { what: "journal", count: this.#keeper.dropped },
          { what: "runtime-claims", count: this.#identification.contradictions },
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
