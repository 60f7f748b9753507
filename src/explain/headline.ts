import { runtimeOf } from "./runtimes.ts";
import type { Story } from "./story.ts";
import { bytesText, clean, countText } from "./words.ts";

/** The contract's bound, and that of a ticket's title. */
const HEADLINE_LIMIT = 120;

/** One line that says it: who, whose limit, filled with what. */
export function headlineOf(story: Story): string {
  const text = clean(parts(story), 1024);
  return text.length <= HEADLINE_LIMIT ? text : `${text.slice(0, HEADLINE_LIMIT - 1)}…`;
}

function parts(story: Story): string {
  const { outcome, limitWords, victim, sysrq } = story;
  const where = story.scope === "node" ? "the machine" : limitWords;
  if (outcome === "panic")
    return `kernel panic: out of memory in ${where}, and it was told to stop`;
  if (outcome === "none-killable") return `out of memory and nobody to kill in ${where}`;
  if (victim === null) return `out of memory in ${where}: who was killed is not known`;
  if (sysrq) return `${victim.words} killed by hand (sysrq-f), memory had not run out`;
  return `${subject(story)}: ${reason(story)}${filling(story)}`;
}

function subject(story: Story): string {
  const { victim, report, group } = story;
  const count = report?.kills.length ?? 0;
  const words = victim?.words ?? "a process";
  if (group && count > 1)
    return `${countText(count, "process", "processes")} with ${words} killed as a group`;
  return `${words} killed`;
}

function reason(story: Story): string {
  const { scope, limitWords, limitBytes, anatomy } = story;
  const of = limitBytes === null ? "" : ` of ${bytesText(limitBytes)}`;
  switch (scope) {
    case "node": {
      const total = anatomy?.of === "node" ? ` (${bytesText(anatomy.totalBytes)})` : "";
      return `the machine ran out of memory${total}`;
    }
    case "cpuset":
      return "the NUMA nodes of its cpuset ran out of memory";
    case "mempolicy":
      return "the NUMA nodes of a memory policy ran out";
    case "pod":
    case "ancestor":
      return `limit${of} above it was hit (${limitWords})`;
    case "container":
    case "cgroup":
      return `${limitWords} hit its limit${of}`;
    case null:
      return "what ran out is not known";
  }
}

/** `, 97 % private memory`: the largest part, when one part explains it. */
function filling({ anatomy, limitBytes, usageBytes, victim }: Story): string {
  if (usageBytes !== null && limitBytes !== null && usageBytes > limitBytes * 1.02)
    return ", lowered below its usage";
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
  return found === undefined ? "" : `, mostly ${found[0]}`;
}
