import { type Host, HostError } from "../host/host.ts";
import type { SourceName } from "../model/observation.ts";
import type { SourceRecord } from "../model/record.ts";
import type { Source, SourceContext, SourceObservation } from "../sources/source.ts";

const FIRST_RETRY_MILLISECONDS = 250;
const LONGEST_RETRY_MILLISECONDS = 30_000;
/** A source that was up for so long works; one that breaks sooner, again and again, is asked ever more seldom. */
const STEADY_MICROSECONDS = 10_000_000;
/** A source that cannot work here is asked again: a mount or a capability may have come. */
const UNAVAILABLE_RETRY_MILLISECONDS = 60_000;
const LOSSES_TOLD_MILLISECONDS = 1_000;
const LOSSES_SAID = 16;
const CURSOR_LENGTH_LIMIT = 4096;
/** A source that was told to let go, and does not, is left to itself: what it says is no longer heard. */
const LET_GO_MILLISECONDS = 5_000;
const REASON_LENGTH_LIMIT = 400;

export interface SupervisorHooks {
  readonly bootId: string;
  cursor(source: SourceName): string | null;
  saveCursor(source: SourceName, cursor: string): void;
  observe(source: SourceName, observations: readonly SourceObservation[]): void;
  changed(record: SourceRecord): void;
  /** A sentence for the operator. */
  said?(sentence: string): void;
  /** What heard the source threw: a fault of the program, not of the source. */
  broke(error: unknown): void;
}

/** Keeps one source running: starts it, retries with back-off when it breaks, and knows its state. */
export class Supervisor {
  readonly source: Source;
  readonly #host: Host;
  readonly #hooks: SupervisorHooks;
  readonly #stop = new AbortController();
  #record: SourceRecord;
  /** Why a source that runs is called blind by those who saw what it did not. */
  #blind: string | null = null;
  #note = "";
  #settled = false;
  #lossesWait = false;
  readonly #said = new Set<string>();
  #done: Promise<void> = Promise.resolve();

  constructor(source: Source, host: Host, hooks: SupervisorHooks) {
    this.source = source;
    this.#host = host;
    this.#hooks = hooks;
    this.#record = {
      type: "source",
      source: source.name,
      state: "down",
      reason: null,
      lost: 0,
      missed: 0,
    };
  }

  get record(): SourceRecord {
    return this.#record;
  }

  /** A short clause about how the source works here, for `doctor`. */
  get note(): string {
    return this.#note;
  }

  /** True once the source has reported up, unavailable or failed at least once. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * It missed `missed` kills more that others saw; `blind` says why it is called blind, `null` that it sees. Tells of neither
   * while the source is not up.
   */
  judge(missed: number, blind: string | null): void {
    this.#blind = blind;
    if (missed > 0) this.#record = { ...this.#record, missed: this.#record.missed + missed };
    const { state } = this.#record;
    if (state === "up" || state === "blind") this.#update({ state: "up", reason: null });
    if (missed > 0) this.#tellSoon();
  }

  start(): void {
    this.#done = this.#keepRunning();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #keepRunning(): Promise<void> {
    let retryMilliseconds = FIRST_RETRY_MILLISECONDS;
    while (!this.#stop.signal.aborted) {
      const wasSteady = await this.#runOnce();
      if (this.#stop.signal.aborted) return;
      if (this.#record.state === "unavailable") {
        await this.#pause(UNAVAILABLE_RETRY_MILLISECONDS);
        continue;
      }
      retryMilliseconds = wasSteady
        ? FIRST_RETRY_MILLISECONDS
        : Math.min(retryMilliseconds * 2, LONGEST_RETRY_MILLISECONDS);
      await this.#pause(retryMilliseconds);
    }
  }

  /** One life of the source. True when it had been up for a while. */
  async #runOnce(): Promise<boolean> {
    const { clock, faults } = this.#host;
    const life = new Life(this.#stop.signal);
    const context = this.#context(life, () => {
      life.upAt ??= clock.monotonicMicroseconds();
    });
    // Whatever it throws, rejects or emits, now or later, where nobody listens, ends this life and nothing else.
    const run = faults.within(life.fail, async () => this.source.run(context));
    try {
      const end = await Promise.race([run, life.failed]);
      if (end.kind === "unavailable") {
        this.#update({ state: "unavailable", reason: sentence(end.reason, end.remedy) });
      }
    } catch (error) {
      this.#update({ state: "down", reason: describe(error) });
    }
    life.end();
    await Promise.race([run.catch(() => undefined), this.#pause(LET_GO_MILLISECONDS)]);
    return life.upAt !== null && clock.monotonicMicroseconds() - life.upAt >= STEADY_MICROSECONDS;
  }

  #context(life: Life, cameUp: () => void): SourceContext {
    const { name } = this.source;
    const hear = (call: () => void) => {
      if (life.isHeard) this.#outside(call);
    };
    return {
      host: this.#host,
      stop: life.signal,
      bootId: this.#hooks.bootId,
      cursor: this.#hooks.cursor(name),
      emit: (observations) => hear(() => this.#hooks.observe(name, observations)),
      up: (note) =>
        hear(() => {
          this.#note = note;
          cameUp();
          this.#blind = null;
          this.#update({ state: "up", reason: null });
        }),
      lost: (count, what) => this.#outside(() => this.#lose(count, what)),
      disturbed: (what) => hear(() => this.#disturbed(what)),
      saveCursor: (cursor) =>
        hear(() => {
          if (cursor.length <= CURSOR_LENGTH_LIMIT) this.#hooks.saveCursor(name, cursor);
        }),
    };
  }

  /** What hears the source is not the source: its work and its errors are the program's. */
  #outside(call: () => void): void {
    this.#host.faults.outside(() => {
      try {
        call();
      } catch (error) {
        this.#hooks.broke(error);
      }
    });
  }

  #update(change: Pick<SourceRecord, "state" | "reason">): void {
    const { state } = change;
    if (state !== "up") this.#blind = null;
    const blind = this.#blind === null ? {} : { state: "blind" as const, reason: this.#blind };
    const next = { ...this.#record, ...change, ...blind };
    const same =
      this.#settled && next.state === this.#record.state && next.reason === this.#record.reason;
    this.#record = next;
    this.#settled = true;
    if (!same) this.#hooks.changed(next);
  }

  #lose(count: number, what: string): void {
    this.#say(what);
    this.#record = { ...this.#record, lost: this.#record.lost + count };
    this.#tellSoon();
  }

  #disturbed(what: string): void {
    this.#record = { ...this.#record, lost: this.#record.lost + 1 };
    if (this.#record.state !== "up" && this.#record.state !== "blind") return;
    this.#update({ state: "down", reason: what.slice(0, REASON_LENGTH_LIMIT) });
    this.#update({ state: "up", reason: null });
  }

  /** Losses come in floods: they are counted at once and told once a second. */
  #tellSoon(): void {
    if (this.#lossesWait) return;
    this.#lossesWait = true;
    this.#host.clock.after(LOSSES_TOLD_MILLISECONDS, () => {
      this.#lossesWait = false;
      this.#hooks.changed(this.#record);
    });
  }

  /** What was lost is said when it is lost first, a few kinds a life of the agent: the count goes on. */
  #say(what: string): void {
    if (this.#said.has(what) || this.#said.size >= LOSSES_SAID) return;
    this.#said.add(what);
    this.#hooks.said?.(`${this.source.name} lost evidence: ${what.slice(0, 300)}.`);
  }

  #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#host.clock.after(milliseconds, end);
      signal.addEventListener("abort", end);
    });
  }
}

/** A source between one start and its end. */
class Life {
  upAt: number | null = null;
  readonly #controller = new AbortController();
  readonly #failure = Promise.withResolvers<never>();
  readonly #program: AbortSignal;
  #ended = false;

  constructor(program: AbortSignal) {
    this.#program = program;
    program.addEventListener("abort", this.#abort);
    if (program.aborted) this.#abort();
    this.#failure.promise.catch(() => undefined);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until it ended: a life that does not let go has nothing more to say. */
  get isHeard(): boolean {
    return !this.#ended;
  }

  /** Rejects with an error of the source that nobody caught. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  readonly fail = (error: unknown): void => this.#failure.reject(error);

  end(): void {
    this.#ended = true;
    this.#program.removeEventListener("abort", this.#abort);
    this.#abort();
  }

  readonly #abort = (): void => this.#controller.abort();
}

function sentence(reason: string, remedy: string): string {
  return remedy === "" ? reason : `${reason}: ${remedy}`;
}

/** Codes that say little without the sentence that came with them. */
const TOLD_IN_WORDS = new Set(["EPROTO", "EMSGSIZE", "ETIMEDOUT", "EPERM"]);

function describe(error: unknown): string {
  if (error instanceof HostError) {
    const told = TOLD_IN_WORDS.has(error.code) ? `${error.message.slice(0, 300)}, ` : "";
    return `${error.path}: ${told}${error.code}`;
  }
  return error instanceof Error ? error.message.slice(0, 300) : String(error).slice(0, 300);
}
