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
const CURSOR_LENGTH_LIMIT = 4096;

export interface SupervisorHooks {
  readonly bootId: string;
  cursor(source: SourceName): string | null;
  saveCursor(source: SourceName, cursor: string): void;
  observe(source: SourceName, observations: readonly SourceObservation[]): void;
  changed(record: SourceRecord): void;
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
    const { clock } = this.#host;
    let upAt: number | null = null;
    const context = this.#context(() => {
      upAt ??= clock.monotonicMicroseconds();
    });
    try {
      const end = await this.source.run(context);
      if (end.kind === "unavailable") {
        this.#update({ state: "unavailable", reason: sentence(end.reason, end.remedy) });
      }
    } catch (error) {
      this.#update({ state: "down", reason: describe(error) });
    }
    return upAt !== null && clock.monotonicMicroseconds() - upAt >= STEADY_MICROSECONDS;
  }

  #context(cameUp: () => void): SourceContext {
    const { name } = this.source;
    return {
      host: this.#host,
      stop: this.#stop.signal,
      bootId: this.#hooks.bootId,
      cursor: this.#hooks.cursor(name),
      emit: (observations) => this.#hooks.observe(name, observations),
      up: (note) => {
        this.#note = note;
        cameUp();
        this.#blind = null;
        this.#update({ state: "up", reason: null });
      },
      lost: (count) => this.#lose(count),
      saveCursor: (cursor) => {
        if (cursor.length <= CURSOR_LENGTH_LIMIT) this.#hooks.saveCursor(name, cursor);
      },
    };
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

  #lose(count: number): void {
    this.#record = { ...this.#record, lost: this.#record.lost + count };
    this.#tellSoon();
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

function sentence(reason: string, remedy: string): string {
  return remedy === "" ? reason : `${reason}: ${remedy}`;
}

function describe(error: unknown): string {
  if (error instanceof HostError) return `${error.path}: ${error.code}`;
  return error instanceof Error ? error.message.slice(0, 300) : String(error).slice(0, 300);
}
