import { placeOf } from "../place.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { cleanMiddle, countText } from "../words.ts";

/** The group is the container, not a part of it. */
function isWhole({ report, limitPlace, victimPlace }: Story): boolean {
  const path = report?.groupCgroup ?? null;
  const place = victimPlace?.kind === "container" ? victimPlace : limitPlace;
  return path !== null && place?.kind === "container" && placeOf(path).words === place.words;
}

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
        isWhole(story)
          ? finding(
              "likely",
              "The whole container died with it, so it is restarted and its status says OOMKilled.",
              ["the group is the container's cgroup"],
            )
          : null,
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
