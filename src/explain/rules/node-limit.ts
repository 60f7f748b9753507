import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, percentText, processText, quantityText, roundedUp } from "../words.ts";

/** The machine ran out and nothing was limited: who holds it, and what would have contained it. */
export const nodeLimit: Rule = {
  name: "node-limit",
  tell: (story) => {
    const { tasks, constraint, scope } = story;
    if (constraint !== "none" || story.sysrq || scope !== "node") return null;
    const sorted = tasks.toSorted((a, b) => b.rssBytes - a.rssBytes);
    const [largest, second] = sorted;
    if (largest === undefined) return null;
    const total = story.anatomy?.totalBytes ?? null;
    const share = total === null ? "" : ` (${percentText(largest.rssBytes, total)} of the machine)`;
    const next =
      second === undefined
        ? ""
        : `, then ${processText(second.comm, second.pid)} with ${bytesText(second.rssBytes)}`;
    return told(
      [
        finding(
          "certain",
          `The largest process is ${processText(largest.comm, largest.pid)} with ${bytesText(largest.rssBytes)}${share}${next}.`,
          [`${tasks.length} processes in the table`],
        ),
      ],
      [contain(story, largest.rssBytes, processText(largest.comm, null))],
    );
  },
};

function contain(story: Story, bytes: number, name: string) {
  const total = story.anatomy?.totalBytes ?? null;
  if (total !== null && bytes < total * 0.1) {
    return advice(
      "Give this machine more memory or fewer programs: no single process is to blame.",
      "The largest process holds less than a tenth of it.",
    );
  }
  const size = roundedUp(bytes);
  const kubernetes = story.victimPlace?.kubernetes === true || story.record?.pod != null;
  return advice(
    kubernetes
      ? `Put a memory limit and an equal request on ${name} (${quantityText(size)} is what it has now), or move it to a larger node.`
      : `Put a limit on ${name} (systemd: MemoryMax=, docker: --memory; it has ${bytesText(bytes)} now), or give the machine more memory.`,
    "No limit was hit, so the shortage hit everybody: a limit makes the one that grows die alone.",
  );
}
