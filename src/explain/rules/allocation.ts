import type { OomReport, ReportTrigger, Zone } from "../../model/report.ts";
import { pageBytesOf } from "../badness.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
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
    if (!isOfMachine(report)) return null;
    const order = asked.order;
    if (order === null || order < 0 || namesNoRequest(asked)) return null;
    const page = pageBytesOf(report);
    const size =
      order === 0
        ? `one page (${bytesText(page)})`
        : `${2 ** order} pages in one piece (${bytesText(page * 2 ** order)})`;
    const who = processText(trigger?.comm ?? null, trigger?.pid ?? null);
    const mask = asked.gfpFlags?.join("|") ?? asked.gfpMask ?? "";
    const reason = whyNot(story, order, page);
    return told(
      [
        finding("certain", `${who} asked for ${size} and there was none to give.`, [
          `gfp_mask=${clean(mask, 120)}, order=${order}`,
        ]),
        reason?.finding ?? null,
      ],
      [reason?.advice ?? null],
    );
  },
};

/** A report that is cut short may be of a cgroup; the zones are printed for the machine. */
function isOfMachine({ constraint, node }: OomReport): boolean {
  return constraint !== null || (node !== null && node.zones.length > 0);
}

/** A page fault says `gfp_mask=0x0, order=0`, whatever it wanted (pagefault_out_of_memory). */
function namesNoRequest({ gfpMask, order }: ReportTrigger): boolean {
  return order === 0 && gfpMask !== null && Number(gfpMask) === 0;
}

/** Why no zone could serve it, and what follows; `null` when the report does not tell. */
function whyNot({ report }: Story, order: number, page: number) {
  const zones = servingZones(report?.node?.zones ?? [], report?.trigger?.gfpFlags ?? null);
  if (zones === null || zones.usable.length === 0) return null;
  const states = zones.usable.map((zone) => ({
    zone,
    state: zoneState(zone, zones.reserveIndex, order, page),
  }));
  const evidence = states
    .slice(0, 6)
    .map(({ zone, state }) =>
      zoneLine(zone, state, (zone.lowmemReservePages[zones.reserveIndex] ?? 0) * page),
    );
  const fragmented = states.filter(({ state }) => state === "fragmented");
  if (fragmented.length > 0) {
    const largest = Math.max(...fragmented.map(({ zone }) => zone.freeBytes ?? 0));
    return fragmentation(largest, page * 2 ** order, evidence);
  }
  if (states.every(({ state }) => state === "exhausted" || state === "low"))
    return exhaustion(zones.usable, zones.unusable, evidence);
  if (states.some(({ state }) => state === "unknown")) return null;
  const text =
    "Its zones have enough free when the report is printed: it came free a moment too late, or is of a kind this may not use (CMA).";
  return { finding: finding("possible", text, evidence), advice: null };
}

function fragmentation(freeBytes: number, wantedBytes: number, evidence: readonly string[]) {
  const size = bytesText(wantedBytes);
  return {
    finding: finding(
      "certain",
      `Memory is fragmented: ${bytesText(freeBytes)} are free in one zone, but no free piece is as large as what was asked for.`,
      evidence,
    ),
    advice: advice(
      `Find what asks for ${size} in one piece (a driver, jumbo frames, old kernels' forks), and raise vm.min_free_kbytes.`,
      "There was memory, in too small pieces: more of it helps only for a while.",
    ),
  };
}

/** Below this, what is free in other zones explains nothing. */
const ELSEWHERE_BYTES = 64 * 1024 * 1024;

function exhaustion(
  usable: readonly Zone[],
  unusable: readonly Zone[],
  evidence: readonly string[],
) {
  const names = [...new Set(usable.map((zone) => zone.name))].join(", ");
  const elsewhere = unusable.reduce(
    (sum, zone) => sum + Math.max(0, (zone.freeBytes ?? 0) - (zone.highBytes ?? 0)),
    0,
  );
  const much = elsewhere > ELSEWHERE_BYTES;
  const other = much ? `; ${bytesText(elsewhere)} free elsewhere may not be used for this` : "";
  return {
    finding: finding(
      "certain",
      `Every zone that may serve it (${names}) is down to the reserve that the kernel keeps for itself${other}.`,
      evidence,
    ),
    advice: much
      ? advice(
          `Relieve the zones ${names}: a 64-bit kernel on a 32-bit machine, fewer open files and mappings, another DMA mask of the driver.`,
          "Only these zones ran out: more memory in the other ones changes nothing.",
        )
      : null,
  };
}

function zoneLine(zone: Zone, state: string, keptBytes: number): string {
  const bytes = (value: number | null) => (value === null ? "?" : bytesText(value));
  const kept = keptBytes === 0 ? "" : ` and ${bytesText(keptBytes)} kept from such requests`;
  return `node ${zone.node} ${zone.name}: free ${bytes(zone.freeBytes)}, reserve (min) ${bytes(zone.minBytes)}${kept}: ${state}`;
}
