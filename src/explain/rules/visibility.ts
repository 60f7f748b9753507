import type { TaskRow } from "../../model/report.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { countText, processText } from "../words.ts";

/** Whether anybody will notice: a container whose main process lives on is neither restarted nor reported. */
export const visibility: Rule = {
  name: "visibility",
  tell: (story) => {
    const { record, victim } = story;
    if (victim === null || story.sysrq) return null;
    if (record?.visibility === "invisible") return invisible(story, "certain");
    if (record?.visibility === "visible" || victim.main === true) {
      return told([
        finding("certain", "Its main process died: the container ended, and its runtime knows.", [
          "the victim is the container's main process, or the container ended with it",
        ]),
      ]);
    }
    if (victim.main === false) return invisible(story, "likely");
    return guessed(story);
  },
};

function invisible(story: Story, confidence: "certain" | "likely") {
  return told(
    [
      finding(
        confidence,
        "Nothing was restarted: a child died and the container's main process lives on, so no status shows this kill.",
        ["the victim is not the container's main process"],
      ),
    ],
    [livenessAdvice(story)],
  );
}

function livenessAdvice({ victim }: Story) {
  return advice(
    `Add a liveness check that fails when ${victim?.comm == null ? "the worker" : processText(victim.comm, null)} is gone, and alert on kills instead of restarts.`,
    "The orchestrator restarts a container only when its main process ends; here it went on, perhaps without doing its work.",
  );
}

/** From the table alone: an older process of the same container was left alive. */
function guessed(story: Story) {
  const { row, tasks, group, scope } = story;
  if (row === null || group || (scope !== "container" && scope !== "cgroup")) return null;
  const left = tasks.filter((task) => task !== row && task.comm !== "pause");
  const oldest = left.reduce<TaskRow | null>((a, b) => (a === null || b.pid < a.pid ? b : a), null);
  if (oldest === null || oldest.pid > row.pid) return null;
  return told(
    [
      finding(
        "possible",
        `${countText(left.length, "process", "processes")} of the container stayed alive, ${processText(oldest.comm, oldest.pid)} the oldest: probably nothing was restarted.`,
        ["processes with lower ids in the table were not killed"],
      ),
    ],
    [livenessAdvice(story)],
  );
}
