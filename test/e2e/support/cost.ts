import { readFileSync } from "node:fs";
import type { TestAgent } from "./agent.ts";

const SCRAPES = 20;

/** What an agent has in memory, in MB (10^6 bytes). */
export interface Footprint {
  readonly residentMegabytes: number;
  readonly privateMegabytes: number;
}

export function footprint({ pid }: TestAgent): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string) => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    return Math.round((Number(kibibytes) * 1024) / 1e6);
  };
  return { residentMegabytes: megabytes("VmRSS"), privateMegabytes: megabytes("RssAnon") };
}

/** Median and worst of some scrapes, in ms. */
export async function scrapeTimes(agent: TestAgent): Promise<{ median: number; worst: number }> {
  const times: number[] = [];
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const began = performance.now();
    await (await fetch(agent.url("/metrics"))).text();
    times.push(performance.now() - began);
  }
  times.sort((one, other) => one - other);
  return { median: times[SCRAPES / 2] ?? Number.NaN, worst: times.at(-1) ?? Number.NaN };
}

/** Samples of one metric: labels as they were printed, and the value. */
export async function samplesOf(
  agent: TestAgent,
  metric: string,
): Promise<{ readonly labels: string; readonly value: number }[]> {
  const page = await (await fetch(agent.url("/metrics"))).text();
  return page.split("\n").flatMap((line) => {
    const match = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line);
    return match?.[1] === metric ? [{ labels: match[2] ?? "", value: Number(match[3]) }] : [];
  });
}
