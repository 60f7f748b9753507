import type { KillRecord } from "../model/record.ts";

const KEPT = 1_000;

/** The last kills as they were told last, for who asks; bounded. */
export class RecentKills {
  readonly #records = new Map<string, KillRecord>();

  remember(record: KillRecord): void {
    const known = this.#records.has(record.id);
    this.#records.set(record.id, record);
    if (known || this.#records.size <= KEPT) return;
    const oldest = this.#records.keys().next();
    if (oldest.done !== true) this.#records.delete(oldest.value);
  }

  /** Newest first. */
  list(): KillRecord[] {
    return [...this.#records.values()].reverse();
  }
}
