import { isFarBelow } from "../blamed.ts";
import { memorySwapLimitOf } from "../memory-swap.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, countText, processText } from "../words.ts";

/** The limit that was hit belongs to something above the victim: a pod, a QoS class, a slice. */
export const ancestor: Rule = {
  name: "ancestor",
  tell: (story) => {
    const { scope, constraint, limitPath, victimPath } = story;
    if (constraint !== "memcg" || story.sysrq) return null;
    if (scope !== "pod" && scope !== "ancestor") return null;
    const evidence = [
      `limit of ${limitPath ?? "an unknown cgroup"}`,
      `victim in ${victimPath ?? "an unknown cgroup"}`,
    ];
    const text =
      scope === "pod"
        ? "The pod as a whole was over its limit: its containers, and volumes in memory, share it."
        : `The limit belongs to ${story.limitWords}, not to ${ownWords(story)}: everything below it shares it.`;
    // A larger limit of memory would have changed nothing; rules/limit.ts says why.
    const elsewhere = isFarBelow(story) || memorySwapLimitOf(story) !== null;
    return told(
      [finding("certain", text, evidence), others(story)],
      [elsewhere ? null : adviceFor(story)],
    );
  },
};

function ownWords(story: Story): string {
  return story.victimPath === story.limitPath ? "one container" : story.victimWords;
}

function others({ tasks, row }: Story) {
  if (row === null || tasks.length < 2) return null;
  const rest = tasks.filter((task) => task !== row);
  const bytes = rest.reduce((sum, task) => sum + task.rssBytes, 0);
  return finding(
    "certain",
    `Beside the victim's ${bytesText(row.rssBytes)}, ${countText(rest.length, "other process", "other processes")} under this limit held ${bytesText(bytes)}.`,
    ["the table lists all processes under the limit"],
  );
}

/** ` (report[181] holds 58.6 MiB)`: the largest beside the victim. */
function neighbour({ tasks, row }: Story): string {
  const [largest] = tasks
    .filter((task) => row !== null && task !== row)
    .toSorted((a, b) => b.rssBytes - a.rssBytes);
  return largest === undefined
    ? ""
    : ` (${processText(largest.comm, largest.pid)} holds ${bytesText(largest.rssBytes)})`;
}

function adviceFor(story: Story) {
  const { limitPlace, limitBytes } = story;
  const size = limitBytes === null ? "" : ` (${bytesText(limitBytes)})`;
  switch (limitPlace?.kind) {
    case "root":
      return null;
    case "pod":
      return advice(
        `Add up the limits of the pod's containers and its volumes in memory, and raise the pod's limit${size} to the sum.`,
        "The killed container may be within its own limit: a neighbour or a volume used up the pod's.",
      );
    case "kubepods":
    case "qos":
      return advice(
        `Move pods off this node, or make it larger; the limit${size} is the node's allocatable memory.`,
        "All pods together used what the kubelet sets aside for pods; one pod's limit does not change that.",
      );
    default:
      return advice(
        `Raise the limit${size} of ${story.limitWords}, or bound what else runs in it${neighbour(story)}.`,
        "The victim's own limit, if it has one, was not reached: raising that changes nothing.",
      );
  }
}
