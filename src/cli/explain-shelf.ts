import { totalOf } from "../explain/counts.ts";
import { Folds } from "../explain/fold.ts";
import type { ExplainedKill } from "../model/explanation.ts";
import type { UserspaceKillRecord } from "../model/record.ts";

/** `--list` tells so many; what is beyond is counted. */
const LIST_KEPT = 10_000;
const USERSPACE_KEPT = 1_000;
const PROBLEMS_KEPT = 100;

export interface Wish {
  /** One line for each kill. */
  readonly list: boolean;
  /** The only kill whose story is wanted: its number, or its id. */
  readonly kill: string | null;
}

/** What `explain` found in its texts until it prints it; bounded, with a count of what it let go. */
export class KillShelf {
  readonly folds = new Folds();
  /** For `--list`, without their stories. */
  readonly list: ExplainedKill[] = [];
  readonly userspaceKills: UserspaceKillRecord[] = [];
  /** Sentences about what could not be read. */
  readonly problems: string[] = [];
  userspaceLeftOut = 0;
  problemsLeftOut = 0;
  readonly #wish: Wish;
  #count = 0;

  constructor(wish: Wish) {
    this.#wish = wish;
  }

  /** Kills that `--list` does not tell. */
  get listLeftOut(): number {
    return this.#wish.list ? totalOf(this.folds.counts) - this.list.length : 0;
  }

  kill(kill: ExplainedKill): void {
    this.#count += 1;
    const { list, kill: wanted } = this.#wish;
    if (wanted !== null && String(this.#count) !== wanted && kill.id !== wanted) return;
    this.folds.add(kill);
    if (list && this.list.length < LIST_KEPT) this.list.push({ ...kill, explanation: null });
  }

  userspaceKill(kill: UserspaceKillRecord): void {
    if (this.userspaceKills.length < USERSPACE_KEPT) this.userspaceKills.push(kill);
    else this.userspaceLeftOut += 1;
  }

  problem(sentence: string): void {
    if (this.problems.length < PROBLEMS_KEPT) this.problems.push(sentence);
    else this.problemsLeftOut += 1;
  }
}
