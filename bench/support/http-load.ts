import { spawn } from "node:child_process";
import { get } from "node:http";
import { setPriority } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestAgent } from "../../test/e2e/support/agent.ts";
import { storm, stormCgroups } from "../../test/e2e/support/storm.ts";
import type { CrowdReport } from "./http-crowd.ts";
import { AGENT_NICE } from "./storm-run.ts";
import { Stream } from "./stream.ts";

const CROWD = resolve(import.meta.dirname, "http-crowd.ts");
/** Evidence of the last kill comes within this. */
const LAST_WORD_MILLISECONDS = 1_000;
/** What a scraper waits for at most. */
const SCRAPE_MILLISECONDS = 2_000;

export interface CrowdSize {
  readonly pagers: number;
  readonly idle: number;
  readonly tricklers: number;
}

export interface LoadRun {
  readonly kills: number;
  /** From the kernel's kill to its first record at a client of the stream, one a kill that came. */
  readonly latenciesMilliseconds: readonly number[];
  /** Of `/metrics`, `/healthz` and `/readyz` in turn; `null` for one that was not answered with 200 in 2 s. */
  readonly scrapesMilliseconds: readonly (number | null)[];
  readonly crowd: CrowdReport | null;
}

/** Makes one real kill and one scrape every `everyMilliseconds`, while a crowd asks. */
export async function underLoad(
  agent: TestAgent,
  turns: { readonly count: number; readonly everyMilliseconds: number },
  size: CrowdSize | null,
): Promise<LoadRun> {
  // A scraper is on another machine: it does not wait for this machine's processors.
  setPriority(AGENT_NICE);
  const stream = await Stream.open(agent.url("/api/v1/events"), AGENT_NICE);
  const crowd = size === null ? null : await gather(agent.port, size);
  const world = stormCgroups(1);
  const [cgroup] = world.cgroups;
  const pids = new Set<number>();
  const scrapes: Promise<number | null>[] = [];
  try {
    for (let turn = 0; turn < turns.count && cgroup !== undefined; turn += 1) {
      const pause = sleep(turns.everyMilliseconds);
      scrapes.push(scrape(agent.url(["/metrics", "/healthz", "/readyz"][turn % 3] ?? "/metrics")));
      for (const { pid } of await storm(cgroup, { kills: 1 })) pids.add(pid);
      await pause;
    }
    await sleep(LAST_WORD_MILLISECONDS);
  } finally {
    world.remove();
  }
  const scrapesMilliseconds = await Promise.all(scrapes);
  const report = (await crowd?.end()) ?? null;
  const arrivals = (await stream.arrivals()).filter(({ record }) =>
    pids.has(record.victim.pid ?? 0),
  );
  const latenciesMilliseconds = arrivals.map(({ microseconds }) => microseconds / 1000);
  return { kills: pids.size, latenciesMilliseconds, scrapesMilliseconds, crowd: report };
}

/** On a connection of its own, as a probe makes it. */
function scrape(url: string): Promise<number | null> {
  const began = performance.now();
  return new Promise((done) => {
    const signal = AbortSignal.timeout(SCRAPE_MILLISECONDS);
    const request = get(url, { agent: false, signal }, (response) => {
      response.resume();
      response.on("error", () => done(null));
      response.on("end", () =>
        done(response.statusCode === 200 ? performance.now() - began : null),
      );
    });
    request.on("error", () => done(null));
  });
}

async function gather(
  port: number,
  { pagers, idle, tricklers }: CrowdSize,
): Promise<{ end(): Promise<CrowdReport> }> {
  const words = [CROWD, port, pagers, idle, tricklers].map(String);
  const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  const ready = new Promise<void>((done) => {
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.startsWith("ready\n")) done();
    });
  });
  const closed = new Promise<void>((done) => child.once("close", () => done()));
  await ready;
  return {
    end: async () => {
      child.stdin.end();
      await closed;
      return JSON.parse(text.slice("ready\n".length)) as CrowdReport;
    },
  };
}
