/** What the agent costs while nothing happens, with 10, 500 and 2,000 cgroups: memory, CPU, scrapes. */
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { TestAgent } from "../test/e2e/support/agent.ts";
import { V1Cgroup, whyNoV1Kills } from "../test/v1-cgroups.ts";
import { median, quantile, say } from "./support/figures.ts";
import { cpuMillisecondsOf, familyOf, memoryOf } from "./support/usage.ts";

const SIZES = [10, 500, 2000];
const IDLE_SECONDS = 20;
const SCRAPES = 20;
/** The first look at all cgroups, the collection after it and 10 s of attention after the last evidence belong to the start. */
const START_MILLISECONDS = 15_000;

/** `count` empty cgroups with names as long as a container's. */
function emptyCgroups(count: number): V1Cgroup {
  const parent = new V1Cgroup(`/owh-bench-${process.pid}-${count}`, null);
  for (let index = 0; index < count; index++) {
    mkdirSync(`${parent.directory}/${index.toString(16).padStart(64, "0")}`);
  }
  return parent;
}

async function idleShare(pid: number): Promise<number> {
  const before = cpuMillisecondsOf(pid);
  const began = performance.now();
  await sleep(IDLE_SECONDS * 1000);
  return (100 * (cpuMillisecondsOf(pid) - before)) / (performance.now() - began);
}

async function scrapes(url: string): Promise<number[]> {
  const times: number[] = [];
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const began = performance.now();
    await (await fetch(url)).text();
    times.push(performance.now() - began);
    await sleep(20);
  }
  return times;
}

async function measure(count: number): Promise<number> {
  const parent = emptyCgroups(count);
  const agent = await TestAgent.create();
  try {
    await agent.start();
    await sleep(START_MILLISECONDS);
    const name = `agent_${count}_cgroups`;
    say(`${name}_idle_cpu`, await idleShare(agent.pid), "% of a core");
    const { residentMegabytes, anonymousMegabytes } = memoryOf(agent.pid);
    say(`${name}_resident`, residentMegabytes, "MB");
    say(`${name}_anonymous`, anonymousMegabytes, "MB");
    const [, ...children] = familyOf(agent.pid);
    const own = children.reduce((sum, child) => sum + memoryOf(child).anonymousMegabytes, 0);
    say(`${name}_children`, children.length, "processes");
    say(`${name}_children_anonymous`, own, "MB");
    const times = await scrapes(agent.url("/metrics"));
    say(`${name}_scrape_median`, median(times), "ms");
    say(`${name}_scrape_worst`, quantile(times, 1), "ms");
    return anonymousMegabytes;
  } finally {
    await agent.dispose();
    parent.remove();
  }
}

async function bench(): Promise<void> {
  process.env["OOMWITNESS_TRACE_INSTANCE"] = `oomwitness-bench-${process.pid}`;
  const anonymous: number[] = [];
  for (const size of SIZES) anonymous.push(await measure(size));
  const [least = Number.NaN, , most = Number.NaN] = anonymous;
  say("agent_memory_each_cgroup", ((most - least) * 1e6) / (2000 - 10), "bytes");
}

const reason = whyNoV1Kills();
if (reason === null) await bench();
else say("cost", "skipped,", reason);
