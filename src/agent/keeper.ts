import { HostError } from "../host/host.ts";
import type { Kill } from "../ledger/ledger.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import type { Checkpoint, Journal } from "./journal.ts";

/** A journal that grows beyond this is emptied even if a sink did not take what is in it: read back in 0.2 s. */
const JOURNAL_CHARACTERS = 16 * 1024 * 1024;

/**
 * Keeps the books on a disk that may be full or broken: that must not end the agent. Kills are told all the same, what was
 * not kept is counted, and the operator is told once when it begins and once when it is over.
 */
export class Keeper {
  readonly #journal: Journal | null;
  readonly #report: (sentence: string) => void;
  #failing = false;
  #dropped = 0;

  /** `journal`: `null` keeps nothing. */
  constructor(journal: Journal | null, report: (sentence: string) => void) {
    this.#journal = journal;
    this.#report = report;
  }

  /** Records that were told without being in the journal. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The journal may go on for now without a checkpoint that empties it. */
  get hasRoom(): boolean {
    return (this.#journal?.length ?? 0) < JOURNAL_CHARACTERS;
  }

  append(records: readonly StreamRecord[], kill: (id: string) => Kill | undefined): void {
    const kept = this.#attempt((journal) => journal.append(records, kill));
    if (!kept) this.#dropped += records.length;
  }

  /** What runtimes said; a disk that does not take it costs at worst an exit after a crash. */
  hear(observations: readonly RuntimeObservation[]): void {
    if (observations.length > 0) this.#attempt((journal) => journal.hear(observations));
  }

  /** False when it has to be tried again. */
  checkpoint(state: Omit<Checkpoint, "version">): boolean {
    if (!this.#attempt((journal) => journal.checkpoint(state))) return false;
    if (this.#failing) this.#report("the books are kept on disk again");
    this.#failing = false;
    return true;
  }

  close(): void {
    this.#attempt((journal) => journal.close());
  }

  #attempt(work: (journal: Journal) => void): boolean {
    if (this.#journal === null) return true;
    try {
      work(this.#journal);
      return true;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (!this.#failing) this.#report(unkept(error));
      this.#failing = true;
      return false;
    }
  }
}

function unkept({ path, code }: HostError): string {
  return `the books cannot be kept on disk (${path}: ${code}): kills are still told, but may be told again after a crash`;
}
