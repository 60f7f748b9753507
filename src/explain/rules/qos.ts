import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { percentText } from "../words.ts";

/**
 * What oom_score_adj says of the pod (kubelet, pkg/kubelet/qos/policy.go): −997 Guaranteed or node-critical, 1000
 * BestEffort, else 1000 − 1000 · request / memory of the node, between 3 and 999.
 */
export const qos: Rule = {
  name: "qos",
  tell: (story) => {
    const adj = story.victim?.oomScoreAdj ?? null;
    const kubernetes = story.victimPlace?.kubernetes === true || story.record?.pod != null;
    if (!kubernetes || adj === null || story.sysrq) return null;
    if (adj === 1000) return bestEffort(story);
    if (adj === -997 || adj === -998) return guaranteed(story, adj);
    return adj >= 3 && adj <= 999 ? burstable(story, adj) : null;
  },
};

/** The kubelet evicts pods only while it has time to: what it keeps free decides that. */
function reserve({ constraint }: Story) {
  return constraint === "none"
    ? advice(
        "Keep more of the node free (kubelet: --system-reserved, --kube-reserved, --eviction-hard memory.available).",
        "Then pods are refused or evicted with notice before the kernel has to kill one without.",
      )
    : null;
}

function guaranteed(story: Story, adj: number) {
  return told(
    [
      finding(
        "likely",
        "Its pod is Guaranteed (request equal to limit): the kernel takes it last.",
        [`oom_score_adj ${adj}`],
      ),
    ],
    [reserve(story)],
  );
}

function bestEffort(story: Story) {
  return told(
    [
      finding(
        "certain",
        "Its pod is BestEffort (no requests, no limits): the kernel takes it first.",
        ["oom_score_adj 1000"],
      ),
    ],
    [
      story.constraint === "memcg"
        ? null
        : advice(
            "Give the pod a memory request of what it really uses.",
            "Without one the scheduler counts it as nothing, and the kernel kills it first when the node runs out.",
          ),
      reserve(story),
    ],
  );
}

function burstable(story: Story, adj: number) {
  const { constraint, row, report } = story;
  const node = report?.node?.usableBytes ?? null;
  const over =
    constraint !== "memcg" &&
    row !== null &&
    node !== null &&
    row.rssBytes > ((1000 - adj) / 1000) * node;
  return told(
    [
      finding(
        "likely",
        `Its pod is Burstable and requests about ${percentText(1000 - adj, 1000)} of the node's memory${over ? ", less than it uses" : ""}.`,
        [`oom_score_adj ${adj} = 1000 - 1000 · request / memory of the node`],
      ),
    ],
    [
      over
        ? advice(
            "Raise the memory request to what it really uses.",
            "The request decides both where the pod is placed and whom the kernel kills first.",
          )
        : null,
      reserve(story),
    ],
  );
}
