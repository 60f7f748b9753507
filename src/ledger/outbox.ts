import type { KillRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import type { Kill } from "./kill.ts";

/** Amendments wait until evidence has been quiet this long, so that trace, log and counters make one line, not three. */
const QUIET_MICROSECONDS = 30_000;
/** … but never longer than this. */
const PATIENCE_MICROSECONDS = 200_000;
/** What was said last is remembered this long, so that evidence that adds nothing makes no amendment. */
const MEMORY_MICROSECONDS = 30 * SECOND;

interface Due {
  readonly since: number;
  touched: number;
}

/** Which kills have something new to say. Openings leave at once; amendments are collected. */
export class Outbox {
  readonly #render: (kill: Kill) => KillRecord;
  readonly #identify: (kill: Kill) => void;
  #opened = new Set<Kill>();
  readonly #amended = new Map<Kill, Due>();
  readonly #said = new Map<Kill, { readonly text: string; readonly at: number }>();

  /** `identify` is asked again whose a kill was whenever it has something to say. */
  constructor(render: (kill: Kill) => KillRecord, identify: (kill: Kill) => void) {
    this.#render = render;
    this.#identify = identify;
  }

  get size(): number {
    return this.#opened.size + this.#amended.size;
  }

  opened(kill: Kill): void {
    this.#opened.add(kill);
  }

  /** To be called before a change to a kill that was said long ago or by an earlier process. */
  before(kill: Kill, now: number): void {
    if (this.#said.has(kill) || this.#opened.has(kill)) return;
    this.#said.set(kill, { text: textOf(this.#render(kill)), at: now });
  }

  amended(kill: Kill, now: number): void {
    const due = this.#amended.get(kill);
    if (due === undefined) this.#amended.set(kill, { since: now, touched: now });
    else due.touched = now;
  }

  /** The kill was replaced by a newer state of it, told by an earlier process. */
  forget(kill: Kill): void {
    this.#opened.delete(kill);
    this.#amended.delete(kill);
    this.#said.delete(kill);
  }

  /** Kills that have something to say which is not due yet. */
  get pending(): readonly Kill[] {
    return [...this.#amended.keys()];
  }

  take(now: number): KillRecord[] {
    const records = this.#takeOpened(now);
    for (const [kill, due] of this.#amended) {
      const quiet = now - due.touched >= QUIET_MICROSECONDS;
      if (!quiet && now - due.since < PATIENCE_MICROSECONDS) continue;
      this.#amended.delete(kill);
      const record = this.#amendment(kill, now);
      if (record !== null) records.push(record);
    }
    this.#forget(now);
    return records;
  }

  #takeOpened(now: number): KillRecord[] {
    const opened = this.#opened;
    this.#opened = new Set();
    return [...opened].map((kill) => {
      this.#amended.delete(kill);
      this.#identify(kill);
      const record = this.#render(kill);
      this.#said.set(kill, { text: textOf(record), at: now });
      return record;
    });
  }

  #amendment(kill: Kill, now: number): KillRecord | null {
    this.#identify(kill);
    const record = this.#render(kill);
    const text = textOf(record);
    if (this.#said.get(kill)?.text === text) return null;
    kill.revision++;
    this.#said.delete(kill);
    this.#said.set(kill, { text, at: now });
    return { ...record, revision: kill.revision };
  }

  #forget(now: number): void {
    for (const [kill, said] of this.#said) {
      if (now - said.at < MEMORY_MICROSECONDS) return;
      this.#said.delete(kill);
    }
  }
}

/** All that a record says but how often it was said before. */
function textOf(record: KillRecord): string {
  return JSON.stringify({ ...record, revision: 0 });
}
