import type { Clock } from "../host/host.ts";
import type { Sink } from "../sinks/sink.ts";
import type { Books } from "./journal.ts";
import type { Keeper } from "./keeper.ts";

const CHECKPOINT_MILLISECONDS = 5_000;

interface Parts {
  readonly clock: Clock;
  readonly keeper: Keeper;
  readonly sinks: readonly Sink[];
  books(): Books;
}

/**
 * When a checkpoint is made: every few seconds if something happened. The loop only takes down what the books say; other
 * threads wait for the disk.
 */
export class Bookkeeping {
  readonly #parts: Parts;
  #dirty = false;
  /** A checkpoint holds the books of this boot. */
  #kept: boolean;
  #writing = false;
  #abandoned = false;
  /** Asked for while one is being written. */
  #waiting: (() => void)[] = [];
  #cancel: () => void = () => {};

  /** `kept`: an earlier process left the books of this boot. */
  constructor(parts: Parts, kept: boolean) {
    this.#parts = parts;
    this.#kept = kept;
    this.#schedule();
  }

  /** Something happened that the last checkpoint does not hold. */
  changed(): void {
    this.#dirty = true;
  }

  /**
   * After each turn of the loop. Once the books are open, a successor must find them: what happens from now on is nobody's
   * history. The same when somebody removed the files.
   */
  worked(areOpen: () => boolean): void {
    if (this.#dirty && this.#parts.keeper.forgot) this.#checkpoint(() => {});
    if (this.#kept || !areOpen()) return;
    this.#kept = true;
    this.#dirty = true;
    for (const sink of this.#parts.sinks) sink.flush?.();
    this.#parts.keeper.checkpointNow(this.#parts.books());
  }

  /** The last checkpoint; resolves when it is on disk or cannot be. */
  close(): Promise<void> {
    this.#cancel();
    return new Promise((resolve) => this.#checkpoint(resolve));
  }

  /** No checkpoint is made any more: the last one and the journal are what the next process begins with. */
  abandon(): void {
    this.#cancel();
    this.#abandoned = true;
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(CHECKPOINT_MILLISECONDS, () => {
      this.#parts.keeper.look();
      if (this.#parts.keeper.needsCheckpoint) this.#dirty = true;
      this.#checkpoint(() => {});
      this.#schedule();
    });
  }

  #checkpoint(done: () => void): void {
    if (this.#writing) {
      this.#waiting.push(done);
      return;
    }
    if (!this.#dirty || this.#abandoned) {
      done();
      return;
    }
    const { sinks, keeper } = this.#parts;
    const flushed = sinks.map((sink) => sink.flush?.() ?? true);
    // What a sink could not take stays in the journal, from which the next process tells it again.
    if (this.#kept && flushed.includes(false) && keeper.hasRoom && !keeper.needsCheckpoint) {
      done();
      return;
    }
    this.#dirty = false;
    this.#writing = true;
    const synced = sinks.flatMap((sink) => sink.sync?.() ?? []);
    keeper.checkpoint(this.#parts.books(), (kept) => {
      // The next checkpoint throws away the journal before this one: by then the disk must have what sinks took from it.
      if (synced.length === 0) this.#written(kept, done);
      else Promise.all(synced).then(() => this.#written(kept, done));
    });
  }

  #written(kept: boolean, done: () => void): void {
    this.#writing = false;
    if (!kept) this.#dirty = true;
    done();
    const waiting = this.#waiting.splice(0);
    if (waiting.length > 0) this.#checkpoint(() => callAll(waiting));
  }
}

function callAll(calls: readonly (() => void)[]): void {
  for (const call of calls) call();
}
