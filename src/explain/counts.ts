import type { ExplainedKill } from "../model/explanation.ts";
import { countText } from "./words.ts";

/** `1 kill, 2 reports without a victim, 1 panic`: what killed nobody is no kill. */
export function countsText(kills: readonly ExplainedKill[]): string {
  const panics = kills.filter((kill) => !isVictimKnown(kill) && kill.outcome === "panic").length;
  const victims = kills.filter(isVictimKnown).length;
  const silent = kills.length - victims - panics;
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
