import { loweringOf } from "../lowering.ts";
import { finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText, processText } from "../words.ts";

/** Who asked is not who held: the one that ran into the wall, and the one that paid for it. */
export const trigger: Rule = {
  name: "trigger",
  tell: (story) => {
    const { trigger: asker, victim, row, tasks } = story;
    if (asker === null || victim === null || story.sysrq || asker.pid === null) return null;
    if (asker.pid === victim.pid || asker.pid === victim.tid) return null;
    const who = processText(asker.comm, asker.pid);
    // Whoever lowered a limit asked for nothing; rules/lowered.ts speaks of it.
    if (loweringOf(story)?.outside) return null;
    const own = tasks.find((task) => task.pid === asker.pid || task.tid === asker.pid);
    const size = own === undefined ? "" : ` (it holds ${bytesText(own.rssBytes)})`;
    return told([
      finding(
        "certain",
        `${who} asked for memory when there was none${size}; ${victim.words} was killed for it.`,
        [`${who} invoked oom-killer`],
      ),
      innocent(
        story.anatomy?.totalBytes ?? null,
        row?.rssBytes ?? null,
        victim.words,
        story.constraint === "memcg",
      ),
    ]);
  },
};

/** A victim that holds little did not fill the machine. */
function innocent(total: number | null, size: number | null, words: string, memcg: boolean) {
  if (total === null || size === null || size > total * 0.2) return null;
  return finding(
    "likely",
    `${words} is not what filled ${memcg ? "it" : "the machine"}: it held ${bytesText(size)}, ${percentText(size, total)} of ${bytesText(total)}.`,
    ["resident size of the victim against the whole"],
  );
}
