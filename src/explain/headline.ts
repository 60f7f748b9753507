import type { TaskRow } from "../model/report.ts";
import { isFarBelow } from "./blamed.ts";
import { LOOP } from "./history.ts";
import { loweringOf } from "./lowering.ts";
import { machineRanOut } from "./machine.ts";
import { memorySwapLimitOf } from "./memory-swap.ts";
import { runtimeOf } from "./runtimes.ts";
import type { Story } from "./story.ts";
import {
  bytesText,
  clean,
  countText,
  durationText,
  ordinalText,
  percentText,
  processText,
} from "./words.ts";

/** The contract's bound, and that of a ticket's title. */
const HEADLINE_LIMIT = 120;

/** One line that says it: who, whose limit, filled with what. */
export function headlineOf(story: Story): string {
  const text = clean(parts(story), 1024);
  return text.length <= HEADLINE_LIMIT ? text : `${text.slice(0, HEADLINE_LIMIT - 1)}…`;
}

function parts(story: Story): string {
  const { outcome, victim, sysrq, report } = story;
  const where = placeText(story);
  if (outcome === "panic" || report?.panicCause === "none-killable") return panicText(story, where);
  if (outcome === "none-killable") return `out of memory and nobody to kill${where}`;
  if (victim === null && sysrq)
    return "OOM killer called by hand (sysrq-f): who was killed is not known";
  if (victim === null) return `out of memory${where}: who was killed is not known`;
  if (sysrq) return `${victim.words} killed by hand (sysrq-f), memory had not run out`;
  return `${subject(story)}: ${reason(story)}${filling(story)}${loop(story)}`;
}

function panicText({ report, sysrq }: Story, where: string): string {
  if (sysrq) return "kernel panic by hand (sysrq-f), memory had not run out";
  if (report?.panicCause === "none-killable")
    return `kernel panic: out of memory${where}, and nobody left to kill`;
  const told = report?.panicCause === "policy" ? ", and it was told to stop" : "";
  return `kernel panic: out of memory${where}${told}`;
}

/** `, 4th kill in 28 s`. */
function loop({ history: { kills, forgotten } }: Story): string {
  const since = kills[0]?.secondsBefore ?? null;
  if (kills.length < LOOP - 1 || since === null) return "";
  const count = ordinalText(forgotten + kills.length + 1);
  return forgotten === 0 ? `, ${count} kill in ${durationText(since)}` : `, ${count} kill`;
}

/** ` in container 6af3b15cac32`; nothing when it is not known. */
function placeText(story: Story): string {
  switch (story.scope) {
    case null:
      return "";
    case "node":
      return machineRanOut(story) === null ? "" : " in the machine";
    case "cpuset":
    case "mempolicy":
      return ` on ${story.limitWords}`;
    default:
      return ` in ${story.limitWords}`;
  }
}

function subject(story: Story): string {
  const { victim, report, group } = story;
  const count = report?.kills.length ?? 0;
  const first = report?.kills[0]?.victim;
  if (group && count > 1 && first !== undefined) {
    const chosen = processText(first.comm, first.pid ?? first.tid);
    return `${countText(count, "process", "processes")} with ${chosen} killed as a group`;
  }
  return `${victim?.words ?? "a process"} killed`;
}

function reason(story: Story): string {
  const { scope, limitWords, limitBytes, anatomy } = story;
  const swapped = memorySwapLimitOf(story)?.words ?? null;
  const of = swapped ?? (limitBytes === null ? "" : ` of ${bytesText(limitBytes)}`);
  const size = limitBytes === null ? "" : ` (${bytesText(limitBytes)})`;
  if (isFarBelow(story))
    return `the limit of ${limitWords} is blamed, at ${bytesText(story.usageBytes ?? 0)}${of}`;
  switch (scope) {
    case "node": {
      if (machineRanOut(story) === null) return "out of memory, not of a cgroup's limit";
      const total = anatomy?.of === "node" ? ` (${bytesText(anatomy.totalBytes)})` : "";
      return `the machine ran out of memory${total}`;
    }
    case "cpuset":
      return "the NUMA nodes of its cpuset ran out of memory";
    case "mempolicy":
      return "the NUMA nodes of a memory policy ran out";
    case "ancestor":
      return `the limit${swapped ?? ""} of ${limitWords}${swapped === null ? size : ""} above it was hit`;
    case "pod":
    case "container":
    case "cgroup":
      return `${limitWords} hit its limit${of}`;
    case null:
      return "what ran out is not known";
  }
}

/** `, 97 % private memory`: the largest part, when one part explains it. */
function filling(story: Story): string {
  const { anatomy, victim } = story;
  if (loweringOf(story) !== null) return ", lowered below its usage";
  if (anatomy === null) {
    const known = runtimeOf(victim?.comm ?? null);
    return known === null ? "" : ` (${known.name})`;
  }
  const { totalBytes } = anatomy;
  const named: readonly [string, number | null][] = [
    ["tmpfs", anatomy.shmemBytes],
    ["kernel memory", anatomy.kernelBytes],
    ["page cache", anatomy.cacheBytes],
    ["huge pages", anatomy.hugePagesBytes],
  ];
  const found = named.find(([, bytes]) => bytes !== null && bytes > totalBytes / 2);
  return found === undefined ? culprit(story) : `, mostly ${found[0]}`;
}

/** Who holds a quarter of the machine and is not the victim. */
function culprit({ scope, anatomy, tasks, row }: Story): string {
  if (scope !== "node" || anatomy === null) return "";
  const largest = tasks.reduce<TaskRow | null>(
    (a, b) => (a === null || b.rssBytes > a.rssBytes ? b : a),
    null,
  );
  if (largest === null || largest === row || largest.rssBytes < anatomy.totalBytes / 4) return "";
  const share = percentText(largest.rssBytes, anatomy.totalBytes);
  return `; ${processText(largest.comm, largest.pid)} holds ${share} of it`;
}
