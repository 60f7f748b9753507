import type { Zone } from "../../model/report.ts";
import { pageBytesOf } from "../badness.ts";
import { finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, clean, processText } from "../words.ts";
import { servingZones, zoneState } from "../zones.ts";

/** A shortage of the machine: what was asked for, from which zones, and why none could serve it. */
export const allocation: Rule = {
  name: "allocation",
  tell: (story) => {
    const { report, constraint, trigger } = story;
    const asked = report?.trigger ?? null;
    if (report === null || asked === null || constraint === "memcg" || story.sysrq) return null;
    const order = asked.order;
    if (order === null || order < 0) return null;
    const page = pageBytesOf(report);
    const size =
      order === 0
        ? `one page (${bytesText(page)})`
        : `${2 ** order} pages in one piece (${bytesText(page * 2 ** order)})`;
    const who = processText(trigger?.comm ?? null, trigger?.pid ?? null);
    const mask = asked.gfpFlags?.join("|") ?? asked.gfpMask ?? "";
    return told([
      finding("certain", `${who} asked for ${size} and there was none to give.`, [
        `gfp_mask=${clean(mask, 120)}, order=${order}`,
      ]),
      whyNot(story, order, page),
    ]);
  },
};

function whyNot({ report }: Story, order: number, page: number) {
  const zones = servingZones(report?.node?.zones ?? [], report?.trigger?.gfpFlags ?? null);
  if (zones === null) return null;
  const states = zones.usable.map((zone) => ({
    zone,
    state: zoneState(zone, zones.reserveIndex, order, page),
  }));
  const evidence = states.slice(0, 6).map(({ zone, state }) => zoneLine(zone, state));
  const enough = states.filter(({ state }) => state === "fragmented");
  if (states.length > 0 && enough.length > 0 && order > 0) {
    const largest = Math.max(...enough.map(({ zone }) => zone.freeBytes ?? 0));
    return finding(
      "certain",
      `Memory is fragmented: ${bytesText(largest)} are free in one zone, but no free piece is as large as what was asked for.`,
      evidence,
    );
  }
  if (states.length > 0 && states.every(({ state }) => state === "exhausted")) {
    return finding("certain", exhaustedSentence(zones.usable, zones.unusable), evidence);
  }
  return states.some(({ state }) => state === "unknown")
    ? null
    : finding(
        "possible",
        "The zones are above their reserve when the report is printed: memory came free a moment too late.",
        evidence,
      );
}

function exhaustedSentence(usable: readonly Zone[], unusable: readonly Zone[]): string {
  const names = [...new Set(usable.map((zone) => zone.name))].join(", ");
  const elsewhere = unusable.reduce(
    (sum, zone) => sum + Math.max(0, (zone.freeBytes ?? 0) - (zone.highBytes ?? 0)),
    0,
  );
  const other =
    elsewhere > 64 * 1024 * 1024
      ? `; ${bytesText(elsewhere)} free elsewhere may not be used for this`
      : "";
  return `Every zone that may serve it (${names}) is down to the reserve that the kernel keeps for itself${other}.`;
}

function zoneLine(zone: Zone, state: string): string {
  const bytes = (value: number | null) => (value === null ? "?" : bytesText(value));
  return `node ${zone.node} ${zone.name}: free ${bytes(zone.freeBytes)}, reserve (min) ${bytes(zone.minBytes)}: ${state}`;
}
