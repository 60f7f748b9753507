import type { SourceContext } from "./source.ts";
import { readRingStats, type TraceInstance, whyNotRecording } from "./trace-instance.ts";

const TICK_MILLISECONDS = 10_000;
/** After an overrun was seen in the pipe. */
const SOON_MILLISECONDS = 200;

/**
 * Counts what the ring itself lost: overwritten before it was read, or refused. The cursor keeps what was told before.
 * Notices when somebody else switched the recording off (`trace-cmd reset`): the pipe is only silent then.
 */
export class LossWatch {
  readonly #context: SourceContext;
  readonly #instance: TraceInstance;
  readonly #silenced: (why: string) => void;
  #told: number;
  #cancel: (() => void) | null = null;

  constructor(context: SourceContext, instance: TraceInstance, silenced: (why: string) => void) {
    this.#context = context;
    this.#silenced = silenced;
    this.#instance = instance;
    this.#told = instance.leftOver ? toldBefore(context.cursor) : 0;
    this.#schedule(SOON_MILLISECONDS);
  }

  /** Look soon. */
  overrun(): void {
    this.#cancel?.();
    this.#schedule(SOON_MILLISECONDS);
  }

  stop(): void {
    this.#cancel?.();
    this.#read();
  }

  #schedule(milliseconds: number): void {
    this.#cancel = this.#context.host.clock.after(milliseconds, () => {
      this.#read();
      const why = whyNotRecording(this.#context.host.files, this.#instance);
      if (why !== null) this.#silenced(why);
      this.#schedule(TICK_MILLISECONDS);
    });
  }

  #read(): void {
    const stats = readRingStats(this.#context.host.files, this.#instance);
    const total = stats.reduce((sum, ring) => sum + ring.lost, 0);
    if (total <= this.#told) return;
    this.#context.lost(total - this.#told, "trace events overwritten before they were read");
    this.#told = total;
    this.#context.saveCursor(JSON.stringify({ lost: total }));
  }
}

function toldBefore(cursor: string | null): number {
  const count = /^\{"lost":(\d{1,15})\}$/.exec(cursor ?? "")?.[1];
  return count === undefined ? 0 : Number(count);
}
