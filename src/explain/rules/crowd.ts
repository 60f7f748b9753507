import type { TaskRow } from "../../model/report.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, clean, countText, percentText } from "../words.ts";

/** So many of one name are a storm, not a pool. */
const STORM = 50;

/** One large process, or many small ones that add up. */
export const crowd: Rule = {
  name: "crowd",
  tell: ({ tasks, row, sysrq }) => {
    if (tasks.length < 8 || sysrq) return null;
    const total = tasks.reduce((sum, task) => sum + task.rssBytes, 0);
    const [name, members] = largestCrowd(tasks);
    const held = members.reduce((sum, task) => sum + task.rssBytes, 0);
    if (members.length < 5 || held < total / 2) return null;
    if (row !== null && row.rssBytes > total / 3) return null;
    const storm = members.length >= STORM;
    const words = clean(name, 32);
    return told(
      [
        finding(
          "certain",
          `Not one large process but many: ${countText(members.length, "process", "processes")} called ${words} hold ${bytesText(held)} (${percentText(held, total)}), ${bytesText(held / members.length)} each.`,
          [`${members.length} of ${tasks.length} processes in the table`],
        ),
        storm
          ? finding(
              "likely",
              "It looks like a fork storm: something starts them faster than they end.",
              [`${members.length} processes of one name`],
            )
          : null,
      ],
      [
        storm
          ? advice(
              `Bound the number of processes (pids.max, TasksMax=, podPidsLimit) and find who starts ${words}.`,
              "Killing one of them frees little; the next takes its place.",
            )
          : advice(
              `Run fewer of ${words} at a time, or give the limit room for all of them.`,
              `${members.length} × ${bytesText(held / members.length)} is what they need together.`,
            ),
      ],
    );
  },
};

/** Processes of the name that holds the most. Resident sizes count shared pages once for each. */
function largestCrowd(tasks: readonly TaskRow[]): [string, readonly TaskRow[]] {
  const crowds = new Map<string, TaskRow[]>();
  for (const task of tasks) {
    const members = crowds.get(task.comm);
    if (members === undefined) crowds.set(task.comm, [task]);
    else members.push(task);
  }
  const size = (members: readonly TaskRow[]) =>
    members.reduce((sum, task) => sum + task.rssBytes, 0);
  let best: [string, readonly TaskRow[]] = ["", []];
  for (const entry of crowds) if (size(entry[1]) > size(best[1])) best = entry;
  return best;
}
