/** Kills of the same kind folded into one, so that two hundred of them stay readable. */
import type { ExplainedKill } from "../model/explanation.ts";
import { placeKey } from "./history.ts";

/** Kills that differ only in pid and time. */
export interface Fold {
  /** In the order they came. */
  readonly kills: readonly ExplainedKill[];
  /** Runs of the OOM killer among them. */
  readonly incidents: number;
  /** The one whose story stands for all: the last one that has an explanation. */
  readonly shown: ExplainedKill;
}

/** The headline of all of them: without the process id, which differs. */
export function foldHeadline({ kills, shown }: Fold): string {
  const headline = shown.explanation?.headline ?? plainHeadline(shown);
  return kills.length > 1 ? headline.replace(/\[\d+\]/g, "") : headline;
}

/** Of a kill without an explanation. */
export function plainHeadline({ victim }: ExplainedKill): string {
  return `${victim.comm ?? "a process"} killed for memory`;
}

/** The members of each incident together, incidents of the same kind together; in the order of their first kill. */
export function foldKills(kills: readonly ExplainedKill[]): readonly Fold[] {
  const kinds = new Map<string, ExplainedKill[]>();
  const keys = new Map<string, string>();
  for (const kill of kills) {
    // Members of a group have different names; the first one names the incident.
    const key = (kill.incident.group ? keys.get(kill.incident.id) : undefined) ?? kindOf(kill);
    keys.set(kill.incident.id, key);
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, [kill]);
    else kind.push(kill);
  }
  return [...kinds.values()].flatMap((kind) => {
    const [first] = kind;
    return first === undefined ? [] : [foldOf(kind, first)];
  });
}

function foldOf(kills: readonly ExplainedKill[], first: ExplainedKill): Fold {
  const incidents = new Set(kills.map((kill) => kill.incident.id)).size;
  const last = kills.findLast((kill) => kill.explanation !== null) ?? first;
  // Of a group kill the first victim was chosen; the others say only that they went with it.
  const shown = kills.find((kill) => kill.incident.id === last.incident.id) ?? last;
  return { kills, incidents, shown: shown.explanation === null ? last : shown };
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
