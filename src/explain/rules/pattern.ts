import { type History, LOOP, type PastKill } from "../history.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { livedThrough } from "../survivors.ts";
import { durationText, ordinalText, processText } from "../words.ts";

const HOUR = 3600;
/** A rate from less than this is noise. */
const MEANINGFUL_SECONDS = 600;

/** First kill or loop, how often, and whether a living parent starts the same child again and again. */
export const pattern: Rule = {
  name: "pattern",
  tell: (story) => {
    const { watchedSeconds } = story.history;
    const { kills, forgotten } = comparable(story);
    if (story.sysrq || (story.group && kills.length === 0)) return null;
    if (kills.length === 0) return watchedSeconds === null ? null : first(watchedSeconds);
    const times = forgotten + kills.length + 1;
    const loop = times >= LOOP;
    return told(
      [
        finding(
          kills.every((kill) => kill.secondsBefore !== null) ? "certain" : "likely",
          `${loop ? "This is a loop" : "It happened before"}: the ${ordinalText(times)} kill here${spreadText(kills, forgotten)}.`,
          [...new Set(kills.slice(-5).map((kill) => processText(kill.comm, kill.pid)))],
        ),
        respawned(story),
      ],
      [
        loop
          ? advice(
              "Treat it as a leak or a wrong size: take a heap profile before memory is used up again.",
              "More memory only lengthens the time between two kills; a leak fills any room.",
            )
          : null,
      ],
    );
  },
};

/** Undated kills of other programs somewhere on a machine have nothing in common but the text. */
function comparable({ history, scope, victim }: Story): Pick<History, "kills" | "forgotten"> {
  const comm = victim?.comm ?? null;
  const kills = history.kills.filter(
    (kill) => scope !== "node" || kill.secondsBefore !== null || kill.comm === comm,
  );
  return { kills, forgotten: kills.length < history.kills.length ? 0 : history.forgotten };
}

function first(watchedSeconds: number) {
  return told([
    finding(
      "certain",
      `It is the first kill here in the ${durationText(watchedSeconds)} that were watched.`,
      ["no earlier kill of this container, unit or cgroup"],
    ),
  ]);
}

/** ` within 3 h, about 4 an hour; the one before was 12 min earlier`. */
function spreadText(kills: readonly PastKill[], forgotten: number): string {
  const times = kills.map((kill) => kill.secondsBefore).filter((seconds) => seconds !== null);
  const [oldest] = times;
  const newest = times.at(-1);
  if (oldest === undefined || newest === undefined) return "";
  const before = `the one before was ${durationText(newest)} earlier`;
  if (times.length < 2 || times.length < kills.length) return `; ${before}`;
  const last = forgotten === 0 ? "" : `, the last ${kills.length + 1} of them`;
  return `${last} within ${durationText(oldest)}${rateText(times.length, oldest)}; ${before}`;
}

/** Kills an hour, where there is enough of an hour to speak of. */
function rateText(gaps: number, seconds: number): string {
  if (seconds < MEANINGFUL_SECONDS) return "";
  const hourly = (gaps / seconds) * HOUR;
  return hourly >= 1
    ? `, about ${Math.round(hourly)} an hour`
    : `, about ${Math.max(1, Math.round(hourly * 24))} a day`;
}

/** The Fluentd case: the same program under a main process that lived through all of it. */
function respawned(story: Story) {
  const { kills } = story.history;
  const comm = story.victim?.comm ?? null;
  const same = kills.filter((kill) => kill.comm === comm && comm !== null);
  if (same.length === 0 || kills.some((kill) => kill.main === true)) return null;
  const parent = livedThrough(story);
  if (parent === null && story.victim?.main !== false) return null;
  const who = parent === null ? "Its main process" : processText(parent.comm, parent.pid);
  return finding(
    parent === null ? "certain" : "likely",
    `${who} lives through it, and ${processText(comm, null)} is started anew each time: the container never restarts.`,
    [`${processText(comm, null)} was killed ${same.length + 1} times under different process ids`],
  );
}
