import { memorySwapLimitOf } from "../memory-swap.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, percentText } from "../words.ts";

const MIB = 1024 * 1024;

/** Swap: whether there was any, whether it was full, and whether memory and swap together were the limit (v1). */
export const swap: Rule = {
  name: "swap",
  tell: (story) => {
    if (story.sysrq || story.report === null) return null;
    return story.constraint === "memcg" ? memcg(story) : node(story);
  },
};

function memcg(story: Story) {
  const { report, limitBytes } = story;
  // rules/limit.ts tells of it.
  if (memorySwapLimitOf(story) !== null) return null;
  const both = report?.memorySwap ?? null;
  const own = report?.swap ?? null;
  if (both?.limitBytes != null && both.usageBytes >= both.limitBytes && limitBytes !== null) {
    const swapRoom = both.limitBytes - limitBytes;
    const text =
      swapRoom <= 0
        ? "It may not swap: memory and swap together have the same limit."
        : `Memory and swap together reached their limit of ${bytesText(both.limitBytes)}: the ${bytesText(swapRoom)} of swap it may use are full too.`;
    return told([
      finding("certain", text, [
        `memory+swap: usage ${both.usageBytes / 1024}kB, limit ${both.limitBytes / 1024}kB`,
      ]),
    ]);
  }
  if (own === null) return null;
  const evidence = [
    `swap: usage ${own.usageBytes / 1024}kB, limit ${own.limitBytes === null ? "none" : `${own.limitBytes / 1024}kB`}`,
  ];
  if (own.limitBytes === 0)
    return told([finding("certain", "It may not swap: its swap limit is 0.", evidence)]);
  if (own.limitBytes !== null && own.usageBytes >= own.limitBytes) {
    return told([
      finding(
        "certain",
        `Its swap was full as well: ${bytesText(own.usageBytes)} of ${bytesText(own.limitBytes)}.`,
        evidence,
      ),
    ]);
  }
  return own.usageBytes > MIB
    ? told([
        finding("certain", `${bytesText(own.usageBytes)} of it are in swap already.`, evidence),
      ])
    : null;
}

function node({ report }: Story) {
  const total = report?.node?.swapTotalBytes ?? null;
  const free = report?.node?.swapFreeBytes ?? null;
  if (total === null || free === null) return null;
  const evidence = [`Free swap = ${free / 1024}kB, Total swap = ${total / 1024}kB`];
  if (total === 0) {
    return told(
      [
        finding(
          "certain",
          "The machine has no swap: idle private memory cannot leave RAM.",
          evidence,
        ),
      ],
      [
        advice(
          "Consider some swap (or zram) for this machine, if its programs tolerate it.",
          "It buys time to react; it does not cure a leak.",
        ),
      ],
    );
  }
  const used = total - free;
  const text =
    free < total / 50
      ? `Swap is full: ${bytesText(used)} of ${bytesText(total)}.`
      : `Swap is not full (${bytesText(free)} of ${bytesText(total)} free): what was asked for could not be swapped out, or not in time.`;
  return told([finding("certain", text, [...evidence, `${percentText(used, total)} used`])]);
}
