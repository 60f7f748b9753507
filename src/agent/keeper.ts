import { HostError } from "../host/host.ts";
import type { Kill } from "../ledger/ledger.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import type { Books, Journal } from "./journal.ts";

/** A journal that grows beyond this is emptied even if a sink did not take what is in it: read back in 0.2 s. */
const JOURNAL_CHARACTERS = 16 * 1024 * 1024;

/**
 * Keeps the books on a disk that may be full, broken or gone: that must not end the agent. Kills are told all the same, what
 * was not kept is counted, and the operator is told once when it begins and once when it is over.
 */
export class Keeper {
  readonly #journal: Journal | null;
  readonly #report: (sentence: string) => void;
  #failing = false;
  #forgot = false;
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

  /** The files were removed and begun anew: a successor would find nothing of what was before. */
  get forgot(): boolean {
    return this.#forgot;
  }

  /** What is on disk is not all that a successor needs: a checkpoint should be made as soon as it can be. */
  get needsCheckpoint(): boolean {
    return this.#failing || this.#forgot;
  }

  append(records: readonly StreamRecord[], kill: (id: string) => Kill | undefined): void {
    const kept = this.#write((journal) => journal.append(records, kill));
    if (!kept) this.#dropped += records.length;
  }

  /** What runtimes said; a disk that does not take it costs at worst an exit after a crash. */
  hear(observations: readonly RuntimeObservation[]): void {
    if (observations.length > 0) this.#write((journal) => journal.hear(observations));
  }

  /** Notices that somebody removed the state directory, and makes it again. */
  look(): void {
    this.#write((journal) => {
      if (journal.isThere()) return true;
      journal.reopen();
      return false;
    });
  }

  /** Calls `done` with false when it has to be tried again. */
  checkpoint(state: Books, done: (kept: boolean) => void): void {
    const journal = this.#journal;
    if (journal === null) {
      done(true);
      return;
    }
    const attempted = this.#attempt(() =>
      journal.checkpoint(state, (error) => {
        if (error === null) this.#kept();
        else this.#failed(error);
        done(error === null);
      }),
    );
    if (!attempted) done(false);
  }

  /** Safe from the end of this process only, and at once. */
  checkpointNow(state: Books): boolean {
    return this.#attempt(() => this.#journal?.checkpointNow(state));
  }

  close(): void {
    this.#attempt(() => this.#journal?.close());
  }

  #write(work: (journal: Journal) => boolean): boolean {
    const journal = this.#journal;
    if (journal === null) return true;
    return this.#attempt(() => {
      if (work(journal)) return;
      if (!this.#forgot) this.#report("the state directory was removed: it is made again");
      this.#forgot = true;
    });
  }

  #attempt(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.#failed(error);
      return false;
    }
  }

  #failed(error: HostError): void {
    if (!this.#failing) this.#report(unkept(error));
    this.#failing = true;
  }

  #kept(): void {
    if (this.#failing || this.#forgot) this.#report("the books are kept on disk again");
    this.#failing = false;
    this.#forgot = false;
  }
}

function unkept({ path, code }: HostError): string {
  return `the books cannot be kept on disk (${path}: ${code}): kills are still told, but may be told again after a crash`;
}
