import type { Clock, Host } from "../host/host.ts";
import type { KillRecord } from "../model/record.ts";
import type { Sink } from "../sinks/sink.ts";

/** A promise that the clock resolves; `null` never does. */
export function afterSeconds(clock: Clock, seconds: number | null): Promise<void> {
  return new Promise((resolve) => {
    if (seconds !== null) clock.after(seconds * 1000, resolve);
  });
}

/** Waits for `work`, but not longer than that: a source that does not stop must not hold the terminal. */
export async function atMost(clock: Clock, seconds: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, afterSeconds(clock, seconds)]);
}

/** What ends a program that should have gone on: an error that belongs to no source, and that nobody caught. */
export class Breakdown {
  readonly #faults: Host["faults"];
  readonly #failure = Promise.withResolvers<never>();
  #forget = () => {};

  constructor({ faults }: Host) {
    this.#faults = faults;
    this.#failure.promise.catch(() => undefined);
  }

  /** Rejects with the first of them. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  readonly report = (error: unknown): void => this.#failure.reject(error);

  /** Runs `work` with the net below it, and ends it with what falls in. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#forget = this.#faults.watch(this.report);
    try {
      return await work();
    } finally {
      this.#forget();
    }
  }
}

/** After the last awaited kill its other witnesses get this long to speak. */
const LAST_WORDS_SECONDS = 0.3;

/** A sink that resolves `reached` once so many kills were opened and had time to be amended. */
export class KillCounter implements Sink {
  readonly name = "kill-counter";
  readonly reached: Promise<void>;
  #resolve: () => void = () => undefined;
  #opened = 0;

  constructor(
    clock: Clock,
    wanted: number | null,
    onKill: (record: KillRecord) => void = () => {},
  ) {
    this.#clock = clock;
    this.#wanted = wanted;
    this.#onKill = onKill;
    this.reached = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  readonly #clock: Clock;
  readonly #wanted: number | null;
  readonly #onKill: (record: KillRecord) => void;

  accept: Sink["accept"] = (records) => {
    for (const { record } of records) {
      if (record.type !== "kill") continue;
      this.#onKill(record);
      if (record.revision === 0) this.#count();
    }
  };

  async close(): Promise<void> {}

  #count(): void {
    this.#opened += 1;
    if (this.#opened !== this.#wanted) return;
    this.#clock.after(LAST_WORDS_SECONDS * 1000, this.#resolve);
  }
}
