import { advice, finding, type Rule, told } from "../rule.ts";
import { countText } from "../words.ts";

/** "Out of memory and no killable processes": nobody could be killed, and the shortage goes on. */
export const noneKillable: Rule = {
  name: "none-killable",
  tell: ({ outcome, tasks, limitWords, scope, report }) => {
    // Where the kernel then panicked, `panic` tells both.
    if (outcome !== "none-killable" || report?.panicCause === "none-killable") return null;
    const immune = tasks.filter((task) => task.oomScoreAdj === -1000).length;
    const why =
      tasks.length === 0
        ? "No process belongs to it: what fills it is memory without an owner, such as tmpfs or page cache of ended processes."
        : `${countText(immune, "process")} of ${tasks.length} had oom_score_adj -1000, which forbids killing them.`;
    const where = scope === "node" ? "the machine" : limitWords;
    return told(
      [
        finding("certain", `Memory ran out in ${where} and there was nobody to kill.`, [
          "Out of memory and no killable processes",
        ]),
        finding(tasks.length === 0 ? "likely" : "certain", why, [
          tasks.length === 0
            ? "the table of processes is empty"
            : `${countText(tasks.length, "process")} in the table`,
        ]),
      ],
      [
        immune > 0
          ? advice(
              "Give up oom_score_adj -1000 for all but the one process that must survive.",
              "Where nobody may be killed, every allocation fails and the log fills up instead.",
            )
          : advice(
              "Empty or size the memory-backed volumes of this cgroup, or remove the cgroup.",
              "Killing cannot free memory that no process owns.",
            ),
      ],
    );
  },
};
