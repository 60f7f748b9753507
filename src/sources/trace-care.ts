import type { SourceContext } from "./source.ts";
import { readRingStats, type TraceInstance } from "./trace-instance.ts";
import { type InstancePlan, keepSettings } from "./trace-settings.ts";

/** One look takes about 0.5 ms (6.18, 2 CPUs): 0.03 % of a core. */
const TICK_MILLISECONDS = 2_000;
/** After an overrun was seen in the pipe. */
const SOON_MILLISECONDS = 200;
/** Settings that are named when many were changed at once. */
const NAMED_SETTINGS = 3;

/**
 * Looks after an instance while it is read: counts what the ring itself lost (overwritten before it was read, or refused;
 * the cursor keeps what was told before), and puts settings back that somebody else changed.
 */
export class InstanceCare {
  readonly #context: SourceContext;
  readonly #instance: TraceInstance;
  readonly #plan: InstancePlan;
  readonly #failed: (error: unknown) => void;
  #told: number;
  #cancel: (() => void) | null = null;

  /** `failed` is called when the settings can no longer be read or put back. */
  constructor(
    context: SourceContext,
    instance: TraceInstance,
    plan: InstancePlan,
    failed: (error: unknown) => void,
  ) {
    this.#context = context;
    this.#instance = instance;
    this.#plan = plan;
    this.#failed = failed;
    this.#told = instance.leftOver ? toldBefore(context.cursor) : 0;
    this.#schedule(SOON_MILLISECONDS);
  }

  /** Count losses soon. */
  overrun(): void {
    this.#cancel?.();
    this.#schedule(SOON_MILLISECONDS);
  }

  /** Puts the settings right now; true when any was not. */
  look(): boolean {
    try {
      const { files } = this.#context.host;
      if (!files.exists(this.#instance.path)) throw new Error(`${this.#instance.path} is gone`);
      const changed = keepSettings(files, this.#instance, this.#plan);
      if (changed.length > 0) this.#context.disturbed(sentenceOf(changed));
      return changed.length > 0;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#readLosses();
  }

  #schedule(milliseconds: number): void {
    this.#cancel = this.#context.host.clock.after(milliseconds, () => {
      this.#readLosses();
      this.look();
      this.#schedule(TICK_MILLISECONDS);
    });
  }

  #readLosses(): void {
    const stats = readRingStats(this.#context.host.files, this.#instance);
    const total = stats.reduce((sum, ring) => sum + ring.lost, 0);
    if (total <= this.#told) return;
    this.#context.lost(total - this.#told, "trace events overwritten before they were read");
    this.#told = total;
    this.#context.saveCursor(JSON.stringify({ lost: total }));
  }
}

function sentenceOf(changed: readonly string[]): string {
  const named = changed.slice(0, NAMED_SETTINGS).join(", ");
  const more =
    changed.length > NAMED_SETTINGS ? ` and ${changed.length - NAMED_SETTINGS} more` : "";
  return `somebody else changed ${named}${more}: put back; kills of that time come from the other sources`;
}

function toldBefore(cursor: string | null): number {
  const count = /^\{"lost":(\d{1,15})\}$/.exec(cursor ?? "")?.[1];
  return count === undefined ? 0 : Number(count);
}
