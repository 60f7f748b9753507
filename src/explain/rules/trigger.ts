import { isInnocent } from "../innocence.ts";
import { loweringOf } from "../lowering.ts";
import { finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, percentText, processText } from "../words.ts";

/** Who asked is not who held: the one that ran into the wall, and the one that paid for it. */
export const trigger: Rule = {
  name: "trigger",
  tell: (story) => {
    const { trigger: asker, victim, tasks } = story;
    if (asker === null || victim === null || story.sysrq || asker.pid === null) return null;
    if (asker.pid === victim.pid || asker.pid === victim.tid) return null;
    const who = processText(asker.comm, asker.pid);
    // Whoever lowered a limit asked for nothing; rules/lowered.ts speaks of it.
    if (loweringOf(story)?.outside) return null;
    const own = tasks.find((task) => task.pid === asker.pid || task.tid === asker.pid);
    const large = tasks.every((task) => task.rssBytes <= (own?.rssBytes ?? 0));
    // The largest one has been spoken of.
    const size = own === undefined || large ? "" : ` (it holds ${bytesText(own.rssBytes)})`;
    return told([
      finding(
        "certain",
        `${who} asked for memory when there was none${size}; ${victim.words} was killed for it.`,
        [`${who} invoked oom-killer`],
      ),
      innocent(story),
    ]);
  },
};

function innocent(story: Story) {
  const { anatomy, row, victim, constraint } = story;
  if (!isInnocent(story) || anatomy === null || row === null || victim === null) return null;
  const { totalBytes } = anatomy;
  return finding(
    "likely",
    `${victim.words} is not what filled ${constraint === "memcg" ? "it" : "the machine"}: it held ${bytesText(row.rssBytes)}, ${percentText(row.rssBytes, totalBytes)} of ${bytesText(totalBytes)}.`,
    ["resident size of the victim against the whole"],
  );
}
