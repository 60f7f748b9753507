/** Kills of the same kind folded into one, so that two hundred thousand of them stay readable, in memory that does not grow. */
import type { ExplainedKill } from "../model/explanation.ts";
import { type Counts, counted, isVictimKnown, NONE_COUNTED, totalOf } from "./counts.ts";
import { placeKey } from "./history.ts";

/** Kills that differ only in pid and time. */
export interface Fold {
  readonly counts: Counts;
  /** Runs of the OOM killer among them. */
  readonly incidents: number;
  /** RFC 3339; `null` when none of them has a time. */
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  /** The one whose story stands for all: the last one that has an explanation. */
  readonly shown: ExplainedKill;
}

/** A text of more kinds of kill is summarised: the kills of further ones are counted only. */
export const KINDS_KEPT = 1_000;
/** Members of an incident follow each other; those of a few incidents may stand between them. */
const INCIDENTS_KEPT = 4_096;

interface Incident {
  readonly key: string;
  readonly named: boolean;
}

/** Takes kills one by one, in the order they came; keeps the story of one of each kind. */
export class Folds {
  readonly #kinds = new Map<string, Fold>();
  readonly #incidents = new Map<string, Incident>();
  readonly #kindsKept: number;
  #counts = NONE_COUNTED;
  #runs = 0;
  #namedRuns = 0;
  #leftOut = 0;

  constructor(kindsKept = KINDS_KEPT) {
    this.#kindsKept = kindsKept;
  }

  /** In the order of their first kills. */
  get list(): readonly Fold[] {
    return [...this.#kinds.values()];
  }

  /** Of all kills, also of those left out. */
  get counts(): Counts {
    return this.#counts;
  }

  /** Runs of the OOM killer. */
  get runs(): number {
    return this.#runs;
  }

  /** Those that name a victim. */
  get namedRuns(): number {
    return this.#namedRuns;
  }

  /** Kills of kinds beyond the bound. */
  get leftOut(): number {
    return this.#leftOut;
  }

  add(kill: ExplainedKill): void {
    this.#counts = counted(this.#counts, kill);
    const { key, begins } = this.#incident(kill);
    const fold = this.#kinds.get(key);
    if (fold !== undefined) this.#kinds.set(key, joined(fold, kill, begins));
    else if (this.#kinds.size < this.#kindsKept) this.#kinds.set(key, begun(kill));
    else this.#leftOut += 1;
  }

  /** Members of a group have different names; the first one names the incident. */
  #incident(kill: ExplainedKill): { readonly key: string; readonly begins: boolean } {
    const { id, group } = kill.incident;
    const known = this.#incidents.get(id);
    const key = (group ? known?.key : undefined) ?? kindOf(kill);
    const named = isVictimKnown(kill);
    if (known === undefined) this.#runs += 1;
    if (named && known?.named !== true) this.#namedRuns += 1;
    this.#incidents.set(id, { key, named: named || known?.named === true });
    if (this.#incidents.size > INCIDENTS_KEPT) {
      const [oldest] = this.#incidents.keys();
      if (oldest !== undefined) this.#incidents.delete(oldest);
    }
    return { key, begins: known?.key !== key };
  }
}

function begun(kill: ExplainedKill): Fold {
  return {
    counts: counted(NONE_COUNTED, kill),
    incidents: 1,
    firstAt: kill.at,
    lastAt: kill.at,
    shown: kill,
  };
}

function joined(fold: Fold, kill: ExplainedKill, begins: boolean): Fold {
  return {
    counts: counted(fold.counts, kill),
    incidents: fold.incidents + (begins ? 1 : 0),
    firstAt: fold.firstAt ?? kill.at,
    lastAt: kill.at ?? fold.lastAt,
    shown: isShown(fold.shown, kill) ? kill : fold.shown,
  };
}

/** Of a group kill the first victim was chosen; the others say only that they went with it. */
function isShown(before: ExplainedKill, kill: ExplainedKill): boolean {
  if (kill.explanation === null) return false;
  return before.explanation === null || before.incident.id !== kill.incident.id;
}

/** All kinds of a list. */
export function foldKills(kills: readonly ExplainedKill[]): Folds {
  const folds = new Folds(Number.POSITIVE_INFINITY);
  for (const kill of kills) folds.add(kill);
  return folds;
}

/** The headline of all of them: without the process id, which differs. */
export function foldHeadline({ counts, shown }: Fold): string {
  const headline = shown.explanation?.headline ?? plainHeadline(shown);
  return totalOf(counts) > 1 ? headline.replace(/\[\d+\]/g, "") : headline;
}

/** Of a kill without an explanation. */
export function plainHeadline({ victim }: ExplainedKill): string {
  return `${victim.comm ?? "a process"} killed for memory`;
}

function kindOf(kill: ExplainedKill): string {
  const path = kill.limit.cgroup ?? kill.cgroup.path;
  const place = kill.pod?.name ?? kill.container?.name ?? kill.unit ?? placeKey(path, null);
  const { outcome, limit, victim } = kill;
  const parts = [outcome, limit.constraint, limit.scope, place, victim.comm, callOf(kill)];
  return parts.map((part) => part ?? "").join("\0");
}

/** By hand is another kind than for want of memory; panics differ in what wanted them. */
function callOf({ outcome, explanation }: ExplainedKill): string | null {
  if (explanation === null) return null;
  if (outcome === "panic") return explanation.headline;
  return explanation.findings.some(({ rule }) => rule === "sysrq") ? "sysrq" : null;
}
