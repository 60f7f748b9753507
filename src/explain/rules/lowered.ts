import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, processText } from "../words.ts";

/** Programs that write limits: runtimes, managers, and shells under an operator's fingers. */
const WRITERS =
  /^(?:runc|crun|youki|runsc|systemd|kubelet|dockerd|containerd|containerd-shim.*|conmon|podman|crio|tee|sh|bash|dash|zsh|python[\d.]*|docker-init|lxc-.*)$/;
/** What the kernel's rounding and per-CPU stocks explain. */
const TOLERANCE = 1.02;

/**
 * memory.max below the usage: the kernel kills on behalf of whoever writes the limit, so the one that "invoked" it is
 * not among the processes under the limit (seen on 6.12 and 7.2, lowering memory.max with a shell).
 */
export const lowered: Rule = {
  name: "lowered",
  tell: (story) => {
    const { constraint, usageBytes, limitBytes } = story;
    if (constraint !== "memcg" || story.sysrq) return null;
    const over = usageBytes !== null && limitBytes !== null && usageBytes > limitBytes * TOLERANCE;
    const outside = triggerOutside(story);
    if (!over && !outside) return null;
    const writer = WRITERS.test(story.trigger?.comm ?? "");
    if (!over && !writer) return null;
    const who = processText(story.trigger?.comm ?? null, story.trigger?.pid ?? null);
    const by = outside ? ` by ${who}, which is not one of its processes` : "";
    const above = over
      ? ` (${bytesText(usageBytes)} were in use, ${bytesText(limitBytes)} allowed)`
      : "";
    const confidence = over && outside ? "certain" : "likely";
    return told(
      [
        finding(confidence, `The limit was lowered below what was in use${by}${above}.`, [
          ...(over ? [`usage ${usageBytes} above limit ${limitBytes} bytes`] : []),
          ...(outside
            ? [`${who} invoked the OOM killer and is not in the table of processes`]
            : []),
        ]),
      ],
      [
        advice(
          "Undo the change, or shrink the program first and its limit afterwards.",
          "Nothing in it grew: the new limit alone killed it. Look for a resize (in-place pod resize, systemctl set-property, docker update) at this moment.",
        ),
      ],
    );
  },
};

/** The table lists every process under the limit, so a trigger missing from a whole table is an outsider. */
function triggerOutside({ report, trigger, tasks }: Story): boolean {
  if (report === null || report.tasksDropped > 0 || tasks.length === 0) return false;
  const { pid = null, comm = null } = trigger ?? {};
  if (pid === null) return false;
  // A thread of a listed process has an id of its own and often its name.
  return !tasks.some((task) => task.pid === pid || task.tid === pid || task.comm === comm);
}
