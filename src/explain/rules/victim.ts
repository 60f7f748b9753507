import type { TaskRow } from "../../model/report.ts";
import { atLeast, kernelVersion } from "../kernel-version.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { type Sacrifice, sacrificeOf } from "../sacrifice.ts";
import type { Story, StoryVictim } from "../story.ts";
import { bytesText, countText, percentText, processText } from "../words.ts";

/** Why this process: its place in the kernel's own ranking, computed again. */
export const victim: Rule = {
  name: "victim",
  tell: (story) => {
    const { victim: who } = story;
    if (who === null) return null;
    const sacrifice = sacrificeOf(story);
    if (sacrifice !== null) return told([sacrificed(who, sacrifice), bySize(story, who)]);
    const others = story.group && !isChosen(story);
    if (!others && isAnybody(story)) return anybody(story, who);
    return told([others ? null : (byRank(story, who) ?? bySize(story, who)), disagreement(story)]);
  },
};

function sacrificed(who: StoryVictim, { chosen, sure }: Sacrifice) {
  return finding(
    sure ? "certain" : "likely",
    sure
      ? `The kernel chose ${chosen} and killed its child ${who.words} in its place, as kernels before 5.1 do.`
      : `The kernel chose ${chosen} and killed ${who.words}: a child in its place, as kernels before 5.1 do, or a thread of the same process.`,
    [`Kill process ${chosen} or sacrifice child; Killed process ${who.words}`],
  );
}

/** Whether it is the one that the kernel chose, and not a member that went with it. */
function isChosen({ report, kill }: Story): boolean {
  return report === null || kill === null || report.kills[0] === kill;
}

/** Before 5.9 nobody ranked below 1: among well protected processes the first one of a list was the worst. */
function isAnybody({ ranking, row, report }: Story): boolean {
  const version = kernelVersion(report?.kernelRelease ?? null);
  if (ranking === null || row === null || version === null || atLeast(version, 5, 9)) return false;
  const [first, second] = ranking.order;
  return first?.task === row && first.badness === 1 && second?.badness === 1;
}

function anybody({ ranking }: Story, who: StoryVictim) {
  const equals = ranking?.order.filter(({ badness }) => badness === 1).length ?? 0;
  return told(
    [
      finding(
        "certain",
        `${who.words} was no worse than others: oom_score_adj puts ${equals} processes at the lowest badness, 1, and this kernel takes the first of them.`,
        ["kernels before 5.9 (9066e5cfb73c) know no badness below 1"],
      ),
    ],
    [
      advice(
        "Update the kernel to 5.9 or later.",
        "Then the largest of well protected processes is taken, as among all others.",
      ),
    ],
  );
}

function byRank(story: Story, who: StoryVictim) {
  const { ranking, row, tasks } = story;
  if (ranking === null || row === null || ranking.order[0]?.task !== row) return null;
  const largest = tasks.reduce((a, b) => (heldBytes(b) > heldBytes(a) ? b : a), row);
  const evidence = [
    rankLine(story),
    `${countText(tasks.length, "process", "processes")} in the table`,
  ];
  if (largest !== row) {
    const adj = row.oomScoreAdj ?? 0;
    const worth =
      ranking.adjBytes === null ? "" : ` (as much as ${bytesText(adj * ranking.adjBytes)} more)`;
    const why =
      adj > 0
        ? `its oom_score_adj ${adj}${worth} put it first`
        : (largest.oomScoreAdj ?? 0) < adj
          ? `the other is protected by oom_score_adj ${largest.oomScoreAdj ?? 0}`
          : "by the kernel's measure the other is no larger";
    return finding(
      "certain",
      `${who.words} was killed with ${heldText(row)} although ${processText(largest.comm, largest.pid)} holds ${heldText(largest)}: ${why}.`,
      evidence,
    );
  }
  const next = ranking.order[1]?.task;
  const rival =
    next === undefined
      ? ": there was no other"
      : `; next is ${processText(next.comm, next.pid)} with ${heldText(next)}`;
  return finding(
    "certain",
    `${who.words} was chosen because it is the largest: ${heldText(row)}${rival}.`,
    evidence,
  );
}

/** Both count for the kernel. */
function heldBytes({ rssBytes, swapBytes }: TaskRow): number {
  return rssBytes + (swapBytes ?? 0);
}

/** `82 MiB`, `82 MiB and 1 GiB in swap`. */
function heldText({ rssBytes, swapBytes }: TaskRow): string {
  const swapped = swapBytes ?? 0;
  return swapped === 0
    ? bytesText(rssBytes)
    : `${bytesText(rssBytes)} and ${bytesText(swapped)} in swap`;
}

function rankLine({ ranking }: Story): string {
  const pages = ranking?.order[0]?.badness ?? null;
  return pages === null
    ? "largest in the table"
    : `badness ${pages} pages, the highest in the table`;
}

function bySize({ usageBytes, ranking }: Story, who: StoryVictim) {
  const size = who.rssBytes;
  if (size === null || ranking?.agrees === false) return null;
  const of =
    usageBytes === null || usageBytes < size
      ? ""
      : ` (${percentText(size, usageBytes)} of what was in use)`;
  return finding("certain", `${who.words} held ${bytesText(size)}${of} when it was killed.`, [
    `anon ${who.anonBytes ?? "?"}, file ${who.fileBytes ?? "?"}, shmem ${who.shmemBytes ?? "?"} bytes`,
  ]);
}

/** The kernel's choice was not ours: said, never hidden. */
function disagreement({ ranking, row }: Story) {
  if (ranking === null || row === null) return null;
  if (ranking.agrees === false) {
    const top = ranking.order[0]?.task;
    const other = top === undefined ? "another" : processText(top.comm, top.pid);
    return finding(
      "certain",
      `By the table ${other} ranks higher: memory moved while the kernel chose, or a table of other processes is meant.`,
      ["the ranking computed again from the table differs from the kernel's choice"],
    );
  }
  if (ranking.agrees === null && ranking.doubt !== null && ranking.order[0]?.task !== row) {
    return finding("possible", `It is not the highest in the table: ${ranking.doubt}.`, [
      "computed from the table",
    ]);
  }
  return null;
}
