import type { KillRecord } from "../model/record.ts";
import type { Kill } from "./kill.ts";

/** Amendments wait until evidence has been quiet this long, so that trace, log and counters make one line, not three. */
const QUIET_MICROSECONDS = 30_000;
/** … but never longer than this. */
const PATIENCE_MICROSECONDS = 200_000;

interface Due {
  since: number;
  touched: number;
}

/** What the outbox does with a kill. */
export interface Telling {
  render(kill: Kill): KillRecord;
  /** Asks again whose it was. */
  identify(kill: Kill): void;
  /** Notes what was told, as a digest, and in which revision. */
  tell(kill: Kill, told: Pick<Kill, "revision" | "told">): void;
}

/** Which kills have something new to say. Openings leave at once; amendments are collected. */
export class Outbox {
  readonly #telling: Telling;
  #opened = new Set<Kill>();
  readonly #amended = new Map<Kill, Due>();

  constructor(telling: Telling) {
    this.#telling = telling;
  }

  get size(): number {
    return this.#opened.size + this.#amended.size;
  }

  opened(kill: Kill): void {
    this.#opened.add(kill);
  }

  amended(kill: Kill, now: number): void {
    const due = this.#amended.get(kill);
    if (due === undefined) this.#amended.set(kill, { since: now, touched: now });
    else due.touched = now;
  }

  /** No more evidence is waited for: what it has to say is due now. */
  promptly(kill: Kill): void {
    const due = this.#amended.get(kill);
    if (due !== undefined) due.since = Number.NEGATIVE_INFINITY;
  }

  /** What `kill`, of a state that kept no digest, must have said when it was told. */
  remember(kill: Kill): void {
    if (kill.told !== undefined) return;
    const told = digest(textOf(this.#telling.render(kill)));
    this.#telling.tell(kill, { revision: kill.revision, told });
  }

  /** The kill was replaced by a newer state of it, told by an earlier process. */
  forget(kill: Kill): void {
    this.#opened.delete(kill);
    this.#amended.delete(kill);
  }

  /** Kills that have something to say which is not due yet. */
  get pending(): readonly Kill[] {
    return [...this.#amended.keys()];
  }

  take(now: number): KillRecord[] {
    const records = this.#takeOpened();
    for (const [kill, due] of this.#amended) {
      const quiet = now - due.touched >= QUIET_MICROSECONDS;
      if (!quiet && now - due.since < PATIENCE_MICROSECONDS) continue;
      this.#amended.delete(kill);
      const record = this.#amendment(kill);
      if (record !== null) records.push(record);
    }
    return records;
  }

  #takeOpened(): KillRecord[] {
    const opened = this.#opened;
    this.#opened = new Set();
    return [...opened].map((kill) => {
      this.#amended.delete(kill);
      this.#telling.identify(kill);
      const record = this.#telling.render(kill);
      this.#telling.tell(kill, { revision: kill.revision, told: digest(textOf(record)) });
      return record;
    });
  }

  #amendment(kill: Kill): KillRecord | null {
    this.#telling.identify(kill);
    const record = this.#telling.render(kill);
    const told = digest(textOf(record));
    if (kill.told === told) return null;
    this.#telling.tell(kill, { revision: kill.revision + 1, told });
    return { ...record, revision: kill.revision };
  }
}

/** All that a record says but how often it was said before. */
function textOf(record: KillRecord): string {
  return JSON.stringify({ ...record, revision: 0 });
}

/** 52 bits of FNV-1a, two halves with different factors: two texts of one kill never meet by chance. */
function digest(text: string): number {
  let [low, high] = [0x811c9dc5, 0x9747b28c];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
  }
  return (low >>> 0) + (high >>> 12) * 2 ** 32;
}
