import type { ExplainedKill } from "../model/explanation.ts";
import { countText } from "./words.ts";

/** How many of what; what killed nobody is no kill. */
export interface Counts {
  readonly victims: number;
  readonly panics: number;
  /** Reports that name no victim. */
  readonly silent: number;
}

export const NONE_COUNTED: Counts = { victims: 0, panics: 0, silent: 0 };

/** With one more. */
export function counted(counts: Counts, kill: ExplainedKill): Counts {
  if (isVictimKnown(kill)) return { ...counts, victims: counts.victims + 1 };
  if (kill.outcome === "panic") return { ...counts, panics: counts.panics + 1 };
  return { ...counts, silent: counts.silent + 1 };
}

export function totalOf({ victims, panics, silent }: Counts): number {
  return victims + panics + silent;
}

/** `1 kill, 2 reports without a victim, 1 panic`. */
export function countsText({ victims, panics, silent }: Counts): string {
  const parts = [
    victims === 0 ? "" : countText(victims, "kill"),
    silent === 0 ? "" : countText(silent, "report without a victim", "reports without a victim"),
    panics === 0 ? "" : countText(panics, "panic"),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "no kills" : parts.join(", ");
}

export function isVictimKnown({ victim }: ExplainedKill): boolean {
  return victim.pid !== null || victim.comm !== null;
}
