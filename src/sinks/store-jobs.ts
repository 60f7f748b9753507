import type { Clock } from "../host/host.ts";

/** Work that is too long for one turn of the loop, done a step at a time between all else; one job after the other. */
export class Jobs {
  readonly #clock: Clock;
  #jobs: (() => boolean)[] = [];
  #cancel: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `done` gets what the job gives in the end; `failed` what it threw. `now`: all its steps at once. */
  run<T>(
    job: Generator<void, T>,
    now: boolean,
    done: (result: T) => void,
    failed: (error: unknown) => void,
  ): void {
    const step = (): boolean => {
      try {
        const { done: ended, value } = job.next();
        if (ended === true) done(value);
        return ended !== true;
      } catch (error) {
        failed(error);
        return false;
      }
    };
    if (now) while (step());
    else {
      this.#jobs.push(step);
      this.#schedule();
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#jobs = [];
  }

  #schedule(): void {
    this.#cancel ??= this.#clock.after(0, () => {
      this.#cancel = null;
      const [job] = this.#jobs;
      if (job === undefined) return;
      if (!job()) this.#jobs.shift();
      if (this.#jobs.length > 0) this.#schedule();
    });
  }
}
