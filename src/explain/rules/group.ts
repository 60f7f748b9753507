import { advice, finding, type Rule, told } from "../rule.ts";
import { cleanMiddle, countText } from "../words.ts";

/** memory.oom.group: all processes of a cgroup die together; one incident, not many. */
export const group: Rule = {
  name: "group",
  tell: (story) => {
    if (!story.group) return null;
    const { report, kill } = story;
    const count = report?.kills.length ?? 0;
    const first = report?.kills[0] ?? null;
    const path = report?.groupCgroup ?? story.victimPath;
    const went = kill !== null && first !== null && kill !== first;
    const sum =
      count > 1 ? `${countText(count, "process", "processes")} died` : "All its processes died";
    return told(
      [
        finding(
          "certain",
          `This was a group kill: ${sum} together, because memory.oom.group is set.`,
          [path === null ? "memory.oom.group" : `memory.oom.group of ${cleanMiddle(path, 200)}`],
        ),
        went
          ? finding("certain", "This process was not chosen: it died as a member of the group.", [
              `the kernel chose ${first.victim.comm ?? "the first"} (${first.victim.pid ?? first.victim.tid ?? "?"})`,
            ])
          : null,
      ],
      [
        advice(
          "Keep the group kill if its program cannot go on without a part; else turn it off (kubelet: singleProcessOOMKill: true; systemd: OOMPolicy=continue).",
          "With it one process over the limit ends all; without it only the largest dies, and perhaps nobody notices.",
        ),
      ],
    );
  },
};
