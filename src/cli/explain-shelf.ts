import type { ExplainedKill } from "../model/explanation.ts";
import type { UserspaceKillRecord } from "../model/record.ts";

/** A line for each is still told of so many; what is beyond is counted. */
const KILLS_KEPT = 50_000;
/** So many keep their story, and the first of every kind that comes later. */
const STORIES_KEPT = 1_000;
const KINDS_KEPT = 1_000;
const USERSPACE_KEPT = 10_000;
const PROBLEMS_KEPT = 100;

/** What `explain` found in its texts until it prints it; bounded, with a count of what it let go. */
export class KillShelf {
  readonly kills: ExplainedKill[] = [];
  readonly userspaceKills: UserspaceKillRecord[] = [];
  /** Sentences about what could not be read. */
  readonly problems: string[] = [];
  killsLeftOut = 0;
  userspaceLeftOut = 0;
  problemsLeftOut = 0;
  /** The only one whose story is wanted: its number, or the beginning of its id. */
  readonly #picked: string | null;
  readonly #kinds = new Set<string>();

  constructor(picked: string | null) {
    this.#picked = picked;
  }

  get count(): number {
    return this.kills.length + this.killsLeftOut;
  }

  kill(kill: ExplainedKill): void {
    const number = this.count + 1;
    if (this.#picked !== null) {
      const picked = String(number) === this.#picked || kill.id === this.#picked;
      if (picked) this.kills.push(kill);
      else this.killsLeftOut += 1;
    } else if (this.kills.length >= KILLS_KEPT) this.killsLeftOut += 1;
    else this.kills.push(this.#keepsStory(kill) ? kill : { ...kill, explanation: null });
  }

  userspaceKill(kill: UserspaceKillRecord): void {
    if (this.userspaceKills.length < USERSPACE_KEPT) this.userspaceKills.push(kill);
    else this.userspaceLeftOut += 1;
  }

  problem(sentence: string): void {
    if (this.problems.length < PROBLEMS_KEPT) this.problems.push(sentence);
    else this.problemsLeftOut += 1;
  }

  #keepsStory(kill: ExplainedKill): boolean {
    if (this.kills.length < STORIES_KEPT) return true;
    const kind = `${kill.victim.comm ?? ""} ${kill.limit.cgroup ?? kill.outcome}`;
    if (this.#kinds.has(kind) || this.#kinds.size >= KINDS_KEPT) return false;
    this.#kinds.add(kind);
    return true;
  }
}
