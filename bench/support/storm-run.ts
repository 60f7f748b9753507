import { setTimeout as sleep } from "node:timers/promises";
import type { KillRecord } from "../../src/model/record.ts";
import type { TestAgent } from "../../test/e2e/support/agent.ts";
import { storm, stormCgroups, type TrueKill } from "../../test/e2e/support/storm.ts";
import { type Histogram, latencyHistograms, since } from "./metrics.ts";
import { type Arrival, Stream } from "./stream.ts";
import { cpuMillisecondsOf } from "./usage.ts";

/** The agent's own precedence (src/agent/pipeline.ts). */
export const AGENT_NICE = -15;

export interface Measured {
  readonly truth: readonly TrueKill[];
  readonly arrivals: readonly Arrival[];
  readonly records: readonly KillRecord[];
  readonly histograms: ReadonlyMap<string, Histogram>;
  /** CPU time of the agent and its children from the first kill until the books are at rest. */
  readonly cpuMilliseconds: number;
  readonly milliseconds: number;
}

/** Watches an agent through `kills`, in cgroups of its own. */
export async function measure(
  agent: TestAgent,
  nice: number,
  kills: () => Promise<TrueKill[]>,
): Promise<Measured> {
  const stream = await Stream.open(agent.url("/api/v1/events"), nice);
  const before = await latencyHistograms(agent.url("/metrics"));
  const cpu = cpuMillisecondsOf(agent.pid);
  const began = performance.now();
  const truth = await kills();
  const milliseconds = performance.now() - began;
  await agent.settle();
  const cpuMilliseconds = cpuMillisecondsOf(agent.pid) - cpu;
  const cgroups = new Set(truth.map((kill) => kill.cgroup));
  const pids = new Set(truth.map((kill) => kill.pid));
  const mine = ({ cgroup, victim }: KillRecord) =>
    cgroup.path === null ? pids.has(victim.pid ?? 0) : cgroups.has(cgroup.path);
  const arrivals = (await stream.arrivals()).filter(({ record }) => mine(record));
  const after = await latencyHistograms(agent.url("/metrics"));
  const histograms = new Map([...after].map(([name, one]) => [name, since(one, before.get(name))]));
  const records = (await agent.kills()).filter(mine);
  return { truth, arrivals, records, histograms, cpuMilliseconds, milliseconds };
}

/** 50 kills in each of 10 cgroups at once. */
export async function tenTimesFifty(): Promise<TrueKill[]> {
  const world = stormCgroups(10);
  try {
    return (await Promise.all(world.cgroups.map((one) => storm(one, { kills: 50 })))).flat();
  } finally {
    world.remove();
  }
}

/** `count` kills, one every 200 ms. */
export async function singleKills(count: number): Promise<TrueKill[]> {
  const world = stormCgroups(1);
  const [cgroup] = world.cgroups;
  if (cgroup === undefined) return [];
  const truth: TrueKill[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const pause = sleep(200);
      truth.push(...(await storm(cgroup, { kills: 1 })));
      await pause;
    }
  } finally {
    world.remove();
  }
  return truth;
}
