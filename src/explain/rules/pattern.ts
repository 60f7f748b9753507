import type { PastKill } from "../history.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { countText, durationText, processText } from "../words.ts";

const HOUR = 3600;
/** From so many kills on it is a loop. */
const LOOP = 3;

/** First kill or loop, and whether a living parent starts the same child again and again. */
export const pattern: Rule = {
  name: "pattern",
  tell: (story) => {
    const { kills, watchedSeconds } = story.history;
    if (story.sysrq || (story.group && kills.length === 0)) return null;
    if (kills.length === 0) return watchedSeconds === null ? null : first(watchedSeconds);
    const respawn = respawned(story);
    const times = countText(kills.length, "earlier kill");
    const spread = spreadText(kills);
    const loop = kills.length + 1 >= LOOP;
    return told(
      [
        finding(
          "certain",
          `${loop ? "This is a loop" : "It happened before"}: ${times} here${spread}.`,
          [...new Set(kills.slice(-5).map((kill) => processText(kill.comm, kill.pid)))],
        ),
        respawn,
      ],
      [
        loop
          ? advice(
              "Treat it as a leak or a wrong size: take a heap profile before the limit is reached again.",
              "More memory lengthens the time between two kills; a leak reaches every limit.",
            )
          : null,
      ],
    );
  },
};

function first(watchedSeconds: number) {
  return told([
    finding(
      "certain",
      `It is the first kill here in the ${durationText(watchedSeconds)} that were watched.`,
      ["no earlier kill of this container, unit or cgroup"],
    ),
  ]);
}

/** `, 12 in the last hour, the last 4 min ago`. */
function spreadText(kills: readonly PastKill[]): string {
  const times = kills.map((kill) => kill.secondsBefore).filter((seconds) => seconds !== null);
  const newest = times.at(-1);
  if (newest === undefined) return "";
  const recent = times.filter((seconds) => seconds <= HOUR).length;
  const rate = recent >= 2 ? `, ${recent} of them within an hour` : "";
  return `${rate}, the last ${durationText(newest)} before`;
}

/** The Fluentd case: the same program under a main process that lived through all of it. */
function respawned(story: Story) {
  const { kills } = story.history;
  const comm = story.victim?.comm ?? null;
  const same = kills.filter((kill) => kill.comm === comm && comm !== null);
  if (same.length === 0 || kills.some((kill) => kill.main === true)) return null;
  const parent = survivor(story, same.at(-1));
  if (parent === null && story.victim?.main !== false) return null;
  const who = parent ?? "its main process";
  return finding(
    parent === null ? "certain" : "likely",
    `${who} lives through it and starts ${processText(comm, null)} anew each time: the container never restarts.`,
    [`${processText(comm, null)} was killed ${same.length + 1} times under different process ids`],
  );
}

/** The oldest process that is in the tables of both kills. */
function survivor({ tasks, row }: Story, past: PastKill | undefined): string | null {
  if (past === undefined || !past.sameCgroup) return null;
  const both = tasks.filter((task) => task !== row && past.tasks.has(`${task.pid}/${task.comm}`));
  const oldest = both.toSorted((a, b) => a.pid - b.pid)[0];
  return oldest === undefined ? null : processText(oldest.comm, oldest.pid);
}
