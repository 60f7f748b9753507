import { isFarBelow } from "../blamed.ts";
import { loweringOf } from "../lowering.ts";
import { machineRanOut } from "../machine.ts";
import { type MemorySwapLimit, memorySwapLimitOf } from "../memory-swap.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, capital, percentText, quantityText, roundedUp } from "../words.ts";

/** Which limit was hit, at what level, and by how much. */
export const limit: Rule = {
  name: "limit",
  tell: (story) => {
    if (story.sysrq || story.constraint === null) return null;
    if (story.constraint === "memcg") return memcg(story);
    // rules/numa.ts tells of a part of the machine.
    if (story.constraint !== "none") return null;
    return told([node(story)]);
  },
};

function memcg(story: Story) {
  if (isFarBelow(story)) return farBelow(story);
  const both = memorySwapLimitOf(story);
  return both === null ? own(story) : withSwap(story, both);
}

/** Seen where kernels of 3.10 blamed a limit that was not reached; a larger one would not have helped. */
function farBelow({ limitWords, usageBytes, limitBytes }: Story) {
  const figures = [usageLine("memory", usageBytes ?? 0, limitBytes ?? 0)];
  return told([
    finding(
      "certain",
      `The kernel blames the limit of ${limitWords}, but the usage it prints is far below: ${bytesText(usageBytes ?? 0)} of ${bytesText(limitBytes ?? 0)}.`,
      figures,
    ),
    finding(
      "possible",
      "Memory was freed or the limit raised meanwhile, the text is cut or mixed, or the kernel has a bug.",
      figures,
    ),
  ]);
}

/** Memory itself has room; what it has swapped out counts as well. */
function withSwap(story: Story, { usageBytes, limitBytes, sure, words }: MemorySwapLimit) {
  const { report, usageBytes: used, limitBytes: most } = story;
  const [ownUsage, ownLimit] = [used ?? 0, most ?? 0];
  const alone = `${bytesText(ownUsage)} of ${bytesText(ownLimit)}`;
  const from = `${bytesText(limitBytes)} to ${bytesText(roundedUp(limitBytes * 1.5))}`;
  const how = "memory.memsw.limit_in_bytes, docker --memory-swap";
  return told(
    [
      finding(
        sure && story.limitSure ? "certain" : "likely",
        `${capital(story.limitWords)} reached its limit${words}, not that of memory alone (${alone}).`,
        [
          `${usageLine("memory+swap", usageBytes, limitBytes)}, failcnt ${report?.memorySwap?.failCount ?? "?"}`,
          `${usageLine("memory", ownUsage, ownLimit)}, failcnt ${report?.memory?.failCount ?? "?"}`,
        ],
      ),
    ],
    [
      raise(story) === null
        ? null
        : advice(
            `Raise the limit of memory and swap together from ${from} (${how}).`,
            "What is swapped out counts against it: a larger limit of memory alone changes nothing.",
          ),
    ],
  );
}

function own(story: Story) {
  const { limitWords, limitPlace, limitBytes, usageBytes, report } = story;
  const many = limitPlace?.kind === "qos" || limitPlace?.kind === "kubepods";
  const its = many ? "their" : "its";
  const verb = loweringOf(story)?.over ? (many ? "are over" : "is over") : "reached";
  const failed = report?.memory?.failCount ?? null;
  const used = usageBytes === null ? "" : `: ${bytesText(usageBytes)} used`;
  const of = limitBytes === null ? "" : ` of ${bytesText(limitBytes)}`;
  const text =
    limitBytes === null && usageBytes === null
      ? `${capital(limitWords)} reached ${its} memory limit; this report does not say how large it is.`
      : usageBytes === null
        ? `${capital(limitWords)} reached ${its} memory limit of ${bytesText(limitBytes ?? 0)}.`
        : `${capital(limitWords)} ${verb} ${its} memory limit${used}${of}.`;
  const evidence = [
    story.limitPath === null ? "the kernel calls it a memory cgroup kill" : story.limitPath,
    ...(usageBytes === null || limitBytes === null
      ? []
      : [usageLine("memory", usageBytes, limitBytes)]),
    ...(failed === null ? [] : [`the limit had been reached ${failed} times (failcnt)`]),
  ];
  const sure = story.limitSure ? "certain" : "likely";
  return told([finding(sure, text, evidence)], [raise(story)]);
}

/** As the kernel prints it. */
function usageLine(what: string, usageBytes: number, limitBytes: number): string {
  return `${what}: usage ${usageBytes / 1024}kB, limit ${limitBytes / 1024}kB`;
}

/** Advice for the own limit of a container or unit; limits further up have their own rule. */
function raise(story: Story) {
  const { limitBytes, scope, anatomy } = story;
  if (limitBytes === null || (scope !== "container" && scope !== "cgroup")) return null;
  // Advice about volumes, lowered limits and loops comes from the rules that saw them.
  if (anatomy !== null && (anatomy.shmemBytes ?? 0) > anatomy.totalBytes / 3) return null;
  if (loweringOf(story) !== null) return null;
  return advice(
    `${raiseText(story, limitBytes)}, then compare with the peak you see.`,
    `Usage is cut off at the limit, so nobody saw how much it wants; half as much again is a step you can measure${
      isKubernetes(story)
        ? ", and a request below the limit promises memory the node may not have"
        : ""
    }.`,
  );
}

function isKubernetes({ victimPlace, record }: Story): boolean {
  return (
    victimPlace?.kubernetes === true || (record?.pod?.uid ?? record?.pod?.name ?? null) !== null
  );
}

/** In the words of whoever sets it. */
function raiseText(story: Story, limitBytes: number): string {
  const { limitPlace, limitPath, limitWords } = story;
  const next = roundedUp(limitBytes * 1.5);
  if (isKubernetes(story))
    return `Raise resources.limits.memory to ${quantityText(next)} and set the request to the same value`;
  const from = `from ${bytesText(limitBytes)} to ${bytesText(next)}`;
  if (limitPlace?.kind === "unit") return `Raise MemoryMax= of ${limitWords} ${from}`;
  if (limitPlace?.kind === "container" && /docker/.test(limitPath ?? ""))
    return `Raise the limit of ${limitWords} ${from} (docker update --memory)`;
  return `Raise the limit ${from}`;
}

function node(story: Story) {
  const sure = machineRanOut(story);
  if (sure === null)
    return finding(
      "certain",
      "No memory cgroup's limit was hit: the whole machine ran out of memory, or the NUMA nodes that the process may use.",
      ["'Out of memory' without 'Memory cgroup', and no 'constraint='"],
    );
  return finding(sure, nodeSentence(story), [
    "constraint=CONSTRAINT_NONE, or 'Out of memory' without 'Memory cgroup'",
  ]);
}

function nodeSentence(story: Story): string {
  const { report } = story;
  const usable = report?.node?.usableBytes ?? null;
  const size = usable === null ? "" : ` (${bytesText(usable)} usable)`;
  const free = story.anatomy?.freeBytes ?? null;
  const left =
    usable === null || free === null
      ? ""
      : `: ${bytesText(free)} free (${percentText(free, usable)})`;
  return `The whole machine ran out of memory${size}${left}. No cgroup's limit was involved.`;
}
