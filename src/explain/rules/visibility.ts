import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { livedThrough, survivorsOf } from "../survivors.ts";
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
    [livenessAdvice(story), groupAdvice(story)],
  );
}

function livenessAdvice({ victim }: Story) {
  return advice(
    `Add a liveness check that fails when ${victim?.comm == null ? "the worker" : processText(victim.comm, null)} is gone, and alert on kills instead of restarts.`,
    "The orchestrator restarts a container only when its main process ends; here it went on, perhaps without doing its work.",
  );
}

/** With memory.oom.group (cgroup v2) the container dies as a whole, and somebody notices. */
function groupAdvice({ report, record, scope, limitPlace, victimPlace }: Story) {
  const version = report?.version ?? record?.cgroup.version ?? null;
  if (version !== 2 || (scope !== "container" && scope !== "cgroup")) return null;
  const kubernetes = victimPlace?.kubernetes === true || record?.pod != null;
  const how = kubernetes
    ? "kubelet: singleProcessOOMKill: false"
    : limitPlace?.kind === "unit"
      ? "systemd: OOMPolicy=kill"
      : "memory.oom.group=1";
  return advice(
    `Or let all of it die together, so that it is restarted whole: turn the group kill on (${how}).`,
    "A program that cannot do its work without the killed part is better restarted than left half alive.",
  );
}

/** From the table alone: an older process of the same container was left alive. */
function guessed(story: Story) {
  const { row, group, scope, limitPlace } = story;
  if (row === null || group || (scope !== "container" && scope !== "cgroup")) return null;
  const [oldest, ...others] = survivorsOf(story);
  if (oldest === undefined || oldest.pid > row.pid) return null;
  const again = livedThrough(story) !== null;
  const what = limitPlace?.kind === "container" ? "the container" : "it";
  const more = others.length === 0 ? "" : ` and ${countText(others.length, "other")}`;
  return told(
    [
      finding(
        again ? "likely" : "possible",
        again
          ? "Nobody is told: nothing was restarted, and no status shows these kills."
          : `${processText(oldest.comm, oldest.pid)}${more} of ${what} stayed alive, so nothing was restarted and no status shows this kill.`,
        ["processes with lower ids in the table were not killed"],
      ),
    ],
    [livenessAdvice(story), groupAdvice(story)],
  );
}
