import { BOOKS_BROKEN } from "../src/agent/books-record.ts";
import { type Pipeline, startPipeline } from "../src/agent/pipeline.ts";
import type { Observation } from "../src/model/observation.ts";
import type { LedgerRecord } from "../src/model/record.ts";
import { SECOND } from "../src/model/time.ts";
import type { Sink, StreamRecord } from "../src/sinks/sink.ts";
import { createCgroupSource } from "../src/sources/cgroup.ts";
import { createKernelLogSource } from "../src/sources/kernel-log.ts";
import {
  DEFAULT_SOURCE_OPTIONS,
  isOfKernel,
  type Source,
  type SourceContext,
} from "../src/sources/source.ts";
import { createVmstatSource } from "../src/sources/vmstat.ts";
import { Random } from "../src/std/random.ts";
import type { Bug } from "./bugs.ts";
import { Clockwork } from "./clockwork.ts";
import { type Disk, type DiskMoment, type Life, SimulatedHost, STATE_DIRECTORY } from "./host.ts";
import { SimulatedKernel } from "./kernel.ts";
import { sayObservation, sayRecord } from "./narrate.ts";
import { type Crash, makePlan, type Plan } from "./plan.ts";
import { StallPlan, type Stalls } from "./stalls.ts";
import { createTraceTwin } from "./trace-source.ts";
import type { Truth } from "./truth.ts";
import { makeTruth } from "./world.ts";

/** Everything a checker may know: the truth, what was announced to the outside, and what trouble there was. */
export interface Outcome {
  readonly seed: number;
  readonly truth: Truth;
  readonly plan: Plan;
  readonly stalls: Stalls;
  /** Records as sinks were told, over all lives of the agent, repetitions included. */
  readonly told: readonly StreamRecord[];
  readonly summary: LedgerRecord;
  readonly contradictions: number;
  /** When the books that are valid at the end were opened (µs, monotonic): earlier kills are history. */
  readonly booksFrom: number;
  readonly lost: { readonly log: number; readonly trace: number };
  readonly lives: number;
  readonly wallOffsets: readonly number[];
  readonly problems: readonly string[];
}

/** Told what happens, for a person who repeats a seed. */
export type Watcher = (at: number, what: string) => void;

/** Evidence may be 1.5 s late, settles after 2 s; a scan of the cgroups nobody asked for comes every 10 s. */
const QUIESCENCE = 13 * SECOND;
/** An arbitrary Tuesday in 2026. */
const WALL_AT_BOOT = 1_790_000_000 * SECOND;

class Killed extends Error {}

export function runSchedule(seed: number, bug: Bug | null, watch: Watcher | null): Outcome {
  const random = new Random(seed);
  const stallPlan = new StallPlan(seed);
  const truth = makeTruth(random.fork(), stallPlan.storm);
  const plan = makePlan(random.fork(), truth);
  const trouble = { plan, stalls: stallPlan.make(truth) };
  return new Schedule(seed, truth, trouble, random, bug, watch).run();
}

class Schedule {
  readonly #seed: number;
  readonly #truth: Truth;
  readonly #plan: Plan;
  readonly #stalls: Stalls;
  readonly #random: Random;
  readonly #bug: Bug | null;
  readonly #watch: Watcher | null;
  readonly #clockwork: Clockwork;
  readonly #kernel: SimulatedKernel;
  readonly #disk: Disk = new Map();
  readonly #told: StreamRecord[] = [];
  readonly #wallOffsets: number[] = [WALL_AT_BOOT];
  readonly #problems: string[] = [];
  readonly #lost = { log: 0, trace: 0 };
  #life: Life | null = null;
  #pipeline: Pipeline | null = null;
  #armed: Crash | null = null;
  #lives = 0;
  #booksFrom = 0;

  constructor(
    seed: number,
    truth: Truth,
    { plan, stalls }: { readonly plan: Plan; readonly stalls: Stalls },
    random: Random,
    bug: Bug | null,
    watch: Watcher | null,
  ) {
    this.#seed = seed;
    this.#truth = truth;
    this.#plan = plan;
    this.#stalls = stalls;
    this.#random = random;
    this.#bug = bug;
    this.#watch = watch;
    this.#clockwork = new Clockwork(truth.startsAt - 5 * SECOND);
    this.#kernel = new SimulatedKernel(truth, this.#clockwork, random.fork(), plan.log);
  }

  run(): Outcome {
    const { startsAt, endsAt } = this.#truth;
    this.#clockwork.at(startsAt, () => this.#start());
    for (const crash of this.#plan.crashes) this.#clockwork.at(crash.at, () => this.#crash(crash));
    for (const step of this.#plan.wallSteps) this.#clockwork.at(step.at, () => this.#step(step.by));
    const last = Math.max(endsAt, ...this.#plan.crashes.map(({ at, downFor }) => at + downFor));
    const { stops, stalls } = this.#stalls;
    const outage = Math.max(0, ...[...this.#plan.outages, ...stops, ...stalls].map(({ to }) => to));
    const failed = (error: unknown) => {
      if (!(error instanceof Killed)) this.#problems.push(describe(error));
    };
    this.#clockwork.run(Math.max(last, outage), failed);
    this.#armed = null;
    this.#clockwork.run(this.#clockwork.now + QUIESCENCE, failed);
    return this.#outcome();
  }

  #outcome(): Outcome {
    const view = this.#pipeline?.view;
    const drops = view?.metrics().drops ?? [];
    return {
      seed: this.#seed,
      truth: this.#truth,
      plan: this.#plan,
      stalls: this.#stalls,
      told: this.#told,
      summary: view?.ledger() ?? NO_SUMMARY,
      contradictions: drops.find(({ what }) => what === "contradictions")?.count ?? 0,
      booksFrom: this.#booksFrom,
      // What was overwritten before anybody read it is lost, whether a source could know it or not.
      lost: { ...this.#lost, log: this.#lost.log + this.#kernel.log.first - 1 },
      lives: this.#lives,
      wallOffsets: this.#wallOffsets,
      problems: this.#problems,
    };
  }

  #say(what: () => string): void {
    this.#watch?.(this.#clockwork.now, what());
  }

  #step(by: number): void {
    this.#wallOffsets.push((this.#wallOffsets.at(-1) ?? 0) + by);
    this.#say(() => `the wall clock is set by ${by / SECOND} s`);
  }

  // --- the process

  #start(): void {
    this.#lives++;
    if (!holdsNodeBook(this.#disk)) this.#booksFrom = this.#clockwork.now;
    this.#say(() => `the agent starts, life ${this.#lives}`);
    const life: Life = {
      alive: true,
      reached: (moment) => this.#reached(moment),
      lateness: () => this.#random.int(0, this.#plan.timerDelay),
      wallOffset: () => this.#wallOffsets.at(-1) ?? 0,
      written: (path, text) => this.#bug?.written?.(path, text, this.#disk.get(path)) ?? text,
      procFails: () => this.#random.chance(this.#plan.procFails),
      logDelay: () => this.#readingTime("log") - this.#clockwork.now,
      logChunk: this.#stalls.logChunk,
      awake: (kind, call) => this.#awake(life, kind, call),
    };
    this.#life = life;
    const host = new SimulatedHost(this.#kernel, this.#clockwork, this.#disk, life);
    this.#pipeline = startPipeline(host, {
      sources: DEFAULT_SOURCE_OPTIONS,
      stateDirectory: STATE_DIRECTORY,
      sinks: () => [this.#sink(life)],
      node: "simulated",
      version: "0",
      report: (sentence) => {
        if (sentence.startsWith(BOOKS_BROKEN)) this.#problems.push(sentence);
      },
      createSources: () => this.#sources(life).map((source) => this.#delayed(source, life)),
    });
  }

  #crash(crash: Crash): void {
    if (this.#life?.alive !== true) return;
    if (crash.moment === "now") this.#kill(crash);
    else this.#armed ??= crash;
  }

  #reached(moment: DiskMoment): void {
    const crash = this.#armed;
    if (crash?.moment !== moment) return;
    this.#armed = null;
    this.#kill(crash);
    throw new Killed();
  }

  #kill(crash: Crash): void {
    this.#say(() => `the agent is killed (${crash.moment})`);
    if (this.#life !== null) this.#life.alive = false;
    this.#kernel.onLog = () => {};
    this.#kernel.onTrace = () => {};
    this.#clockwork.at(this.#clockwork.now + crash.downFor, () => this.#start());
  }

  #sink(life: Life): Sink {
    return {
      name: "outside",
      accept: (records) => {
        if (!life.alive) return;
        this.#told.push(...records);
        for (const { record, sequence } of records) {
          this.#say(() => `TOLD ${sequence} ${sayRecord(record)}`);
        }
      },
      close: () => Promise.resolve(),
    };
  }

  // --- the sources

  #sources(life: Life): Source[] {
    const { log, trace, cgroup } = this.#plan.sources;
    const sources: Source[] = [];
    if (log) sources.push(createKernelLogSource(DEFAULT_SOURCE_OPTIONS));
    if (trace)
      sources.push(
        createTraceTwin(
          this.#kernel,
          (read) => this.#wake(life, read),
          this.#bug?.trustsPhantoms === true,
        ),
      );
    if (cgroup) sources.push(createCgroupSource(DEFAULT_SOURCE_OPTIONS));
    sources.push(createVmstatSource(DEFAULT_SOURCE_OPTIONS));
    return sources;
  }

  #wake(life: Life, read: () => void): void {
    this.#clockwork.at(this.#readingTime("trace"), () => {
      this.#awake(life, "input", read);
    });
  }

  #awake(life: Life, kind: "timer" | "input", call: () => void): void {
    if (!life.alive) return;
    const now = this.#clockwork.now;
    const stop = this.#stalls.stops.find(({ from, to }) => now >= from && now < to);
    if (stop === undefined) {
      call();
      return;
    }
    const order = kind === "timer" ? 0 : this.#random.int(1, 2_000);
    this.#clockwork.at(stop.to + order, () => this.#awake(life, kind, call));
  }

  /** When the log or the trace is read next: late, and not during an outage. */
  #readingTime(source: "log" | "trace"): number {
    const delay = source === "log" ? this.#plan.logDelay : this.#plan.traceDelay;
    let time = this.#clockwork.now + this.#random.int(20, delay);
    for (const outage of [...this.#plan.outages, ...this.#stalls.stalls]) {
      if (outage.source === source && time >= outage.from && time < outage.to) time = outage.to;
    }
    return time;
  }

  /** The source with its evidence delayed, doubled and out of order on the way to the ledger. */
  #delayed(source: Source, life: Life): Source {
    let lastDue = 0;
    // What one source says stays in order; what several say does not.
    const later = (call: () => void, due: number) => {
      lastDue = Math.max(lastDue, due);
      this.#clockwork.at(lastDue, () => {
        this.#awake(life, "timer", call);
      });
    };
    const poke = source.poke?.bind(source);
    return {
      name: source.name,
      ...(poke === undefined ? {} : { poke }),
      run: (context) =>
        source.run({
          ...context,
          emit: (observations) => this.#hand(observations.filter(isOfKernel), context, life, later),
          // What a source sees at first it hands over before it says that it is up.
          up: (note) => {
            if (lastDue <= this.#clockwork.now) context.up(note);
            else later(() => context.up(note), lastDue);
          },
          saveCursor: (cursor) => {
            if (lastDue <= this.#clockwork.now) context.saveCursor(cursor);
            else later(() => context.saveCursor(cursor), lastDue);
          },
          lost: (count, what) => {
            this.#countLoss(source, count);
            context.lost(count, what);
          },
        }),
    };
  }

  #countLoss(source: Source, count: number): void {
    if (source.name === "kernel-log") this.#lost.log += count;
    if (source.name === "tracefs") this.#lost.trace += count;
  }

  #hand(
    observations: readonly Observation[],
    context: SourceContext,
    life: Life,
    later: (call: () => void, due: number) => void,
  ): void {
    const { emitDelay, doubles } = this.#plan;
    const dated = observations.map((one) => this.#misdated(one));
    const changed = this.#bug?.observed?.(dated, this.#clockwork.now) ?? dated;
    const emit = (some: readonly Observation[]) => {
      for (const one of some) this.#say(() => `seen ${sayObservation(one, this.#truth)}`);
      context.emit(some);
    };
    if (emitDelay === 0) emit(changed);
    for (const observation of changed) {
      const due = this.#clockwork.now + this.#random.int(0, emitDelay);
      if (emitDelay > 0) later(() => emit([observation]), due);
      if (this.#random.chance(doubles)) {
        // The same words again come after the first time they were said.
        const again = this.#clockwork.now + emitDelay + this.#random.int(0, 2 * SECOND);
        this.#clockwork.at(again, () => {
          this.#awake(life, "timer", () => emit([observation]));
        });
      }
    }
  }

  /** The log's clock is off by more than it says. */
  #misdated(observation: Observation): Observation {
    const { clockLie } = this.#stalls;
    if (observation.source !== "kernel-log" || clockLie === 0) return observation;
    const { at } = observation;
    const lie = Math.min(clockLie, this.#clockwork.now - at.monotonicMicroseconds);
    const monotonicMicroseconds = Math.max(0, at.monotonicMicroseconds + lie);
    const wallMicroseconds = at.wallMicroseconds + lie;
    return { ...observation, at: { ...at, monotonicMicroseconds, wallMicroseconds } };
  }
}

/** Where no checkpoint has it, the book begins with the first reading: the one before may have been on its way for seconds. */
function holdsNodeBook(disk: Disk): boolean {
  const text = disk.get(`${STATE_DIRECTORY}/checkpoint.json`);
  return text !== undefined && !/"ledger":\{"node":null/.test(text);
}

const NO_SUMMARY: LedgerRecord = {
  type: "ledger",
  kernel: null,
  recorded: 0,
  unaccounted: null,
  unattributed: 0,
};

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
