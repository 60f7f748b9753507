import { type Pipeline, startPipeline } from "../agent/pipeline.ts";
import { type HttpSink, startHttp } from "../sinks/http.ts";
import type { AgentView, Sink } from "../sinks/sink.ts";
import { createStore, STORE_FILE, type Store } from "../sinks/store.ts";
import { DEFAULT_RETENTION, type Retention } from "../sinks/store-retention.ts";
import { createTerminal, type TerminalSink } from "../sinks/terminal.ts";
import { withMemory } from "../sinks/unstored-log.ts";
import { localOffsetMinutes } from "./console.ts";
import { atMost, Breakdown } from "./ending.ts";
import { type Context, kernelRelease, sourceOptions, stateDirectory } from "./environment.ts";
import { CliError, type ExitStatus, messageOf } from "./errors.ts";
import { type Listening, listenOptions } from "./listen.ts";
import { flagOption, type RawOptions, requiredNumber, textOption } from "./options.ts";
import { prepareStateDirectory } from "./state-directory.ts";
import { lockState } from "./state-lock.ts";

/** Longest time from the signal to the end; an idle machine needs 0.1 s. A checkpoint that is not written costs a replay. */
const STOP_SECONDS = 3;
/** The instance that stays behind and records while no agent runs; others are for tests and second agents. */
const INSTANCE = "oomwitness";
const DAY_MICROSECONDS = 86_400_000_000;

/** `oomwitness agent`: the daemon, until a signal ends it. */
export async function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  const listening = listenOptions(options, context.host);
  const directory = stateDirectory(context, options);
  prepareStateDirectory(context.host, directory, (sentence) =>
    context.console.error(`oomwitness: ${sentence}`),
  );
  const unlock = lockState(context.host, directory, context.pid);
  try {
    await new Agent(context, options, { directory, listening }).run();
  } finally {
    unlock();
  }
  return 0;
}

class Agent {
  readonly #context: Context;
  readonly #options: RawOptions;
  readonly #directory: string;
  readonly #listening: Listening;
  #store: Store | null = null;
  #terminal: TerminalSink | null = null;
  #pipeline: Pipeline | null = null;
  #http: HttpSink | null = null;
  readonly #breakdown: Breakdown;

  constructor(
    context: Context,
    options: RawOptions,
    { directory, listening }: { readonly directory: string; readonly listening: Listening },
  ) {
    this.#context = context;
    this.#options = options;
    this.#directory = directory;
    this.#listening = listening;
    this.#breakdown = new Breakdown(context.host);
  }

  /** Until a signal ends it, or a fault of the program: then it rejects, with everything on disk, and has to be started again. */
  run(): Promise<void> {
    return this.#breakdown.during(() => this.#run());
  }

  async #run(): Promise<void> {
    const { host, console } = this.#context;
    const pipeline = this.#start();
    try {
      this.#http = await this.#listen(pipeline.view);
      for (const problem of pipeline.problems) this.#say(problem);
      await Promise.race([console.interrupted, this.#breakdown.failed]);
    } finally {
      await atMost(host.clock, STOP_SECONDS, pipeline.stop());
    }
  }

  #start(): Pipeline {
    const { host, version } = this.#context;
    const instanceName = textOption(this.#options, "traceInstance") ?? INSTANCE;
    this.#pipeline = startPipeline(host, {
      sources: sourceOptions(this.#context, this.#options, {
        instanceName,
        keepInstance: instanceName === INSTANCE,
        history: true,
      }),
      stateDirectory: this.#directory,
      node: textOption(this.#options, "node") ?? host.hostname,
      version,
      report: (sentence) => this.#say(sentence),
      crashed: this.#breakdown.report,
      sinks: (view) => this.#createSinks(view),
    });
    return this.#pipeline;
  }

  #createSinks(view: AgentView): readonly Sink[] {
    this.#store = createStore({
      path: `${this.#directory}/${STORE_FILE}`,
      clock: this.#context.host.clock,
      retention: retentionOf(this.#options),
      report: (sentence) => this.#say(sentence),
    });
    this.#terminal = this.#createTerminal(view);
    return [this.#store, this.#lateHttp(), this.#terminal];
  }

  /** The server needs the view, and the view comes with the sinks: until it listens, nobody can have asked for events. */
  #lateHttp(): Sink {
    return {
      name: "http",
      accept: (records) => this.#http?.accept(records),
      close: async () => this.#http?.close(),
    };
  }

  #createTerminal(view: AgentView): TerminalSink {
    const { console, host } = this.#context;
    const procRoot = textOption(this.#options, "procRoot") ?? "/proc";
    return createTerminal({
      output: console,
      clock: host.clock,
      view,
      kernel: kernelRelease(host, { procRoot }),
      offsetMinutes: localOffsetMinutes,
      note: (source) => this.#pipeline?.note(source) ?? "",
      notes: () => (this.#http === null ? null : this.#notes(this.#http)),
      style: console.interactive ? "table" : "log",
    });
  }

  #notes(http: HttpSink): readonly string[] {
    return [`listening on ${http.url}`, `state in ${this.#directory}`];
  }

  async #listen(view: AgentView): Promise<HttpSink> {
    try {
      return await startHttp({
        at: this.#listening.at,
        token: this.#listening.token,
        view,
        log: this.#store === null ? null : withMemory(this.#store, view),
        clock: this.#context.host.clock,
        compat: {
          compat: this.#options["compatMetrics"] !== false,
          moreCompat: flagOption(this.#options, "moreCompatMetrics"),
        },
        otherDrops: () => [{ what: "store", count: this.#store?.dropped() ?? 0 }],
        notReady: () => storeProblem(this.#store),
        report: (sentence) => this.#say(sentence),
      });
    } catch (error) {
      this.#terminal?.silence();
      throw new CliError("E_LISTEN", messageOf(error));
    }
  }

  #say(sentence: string): void {
    if (this.#terminal === null) this.#context.console.error(`oomwitness: ${sentence}`);
    else this.#terminal.say(sentence);
  }
}

function storeProblem(store: Store | null): string | null {
  const problem = store?.problem() ?? null;
  return problem === null ? null : `records are not being stored: ${problem}`;
}

function retentionOf(options: RawOptions): Retention {
  return {
    ...DEFAULT_RETENTION,
    ageMicroseconds: requiredNumber(options, "keepDays") * DAY_MICROSECONDS,
    sizeBytes: requiredNumber(options, "keepSize"),
  };
}
