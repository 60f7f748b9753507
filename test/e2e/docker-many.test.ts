import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { programPath } from "../../lab/cgroups.ts";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import { FakeEngine } from "../fake-engine.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { ContainerAgent, within } from "./support/container-agent.ts";
import { footprint, samplesOf, scrapeTimes } from "./support/cost.ts";

// Many containers: what it costs to know them, and that series stay bounded however often they come and go.

const CREATED = 480;
const RUNNING = 20;

test("500 containers are there at the start", { skip: whyNoDocker() ?? false }, async (t) => {
  const docker = await LabDocker.start();
  let agent: ContainerAgent | null = null;
  try {
    await docker.create(Array.from({ length: CREATED }, (_, index) => `made-${index}`));
    const words = ["/supervisor", "--kills=0", "--until-term=0"];
    for (let index = 0; index < RUNNING; index++) {
      await docker.start(16, [`--name=runs-${index}`, "--stop-timeout=1"], words);
    }
    const began = performance.now();
    agent = await ContainerAgent.start({ docker: docker.socket });
    const readyMilliseconds = performance.now() - began;
    const { residentMegabytes, privateMegabytes } = footprint(agent.agent);
    const all = await samplesOf(agent.agent, "container_ooms");
    // Other daemons of this machine are followed, too.
    const series = all.filter(({ labels }) => /name="(made|runs)-/.test(labels));
    const { median, worst } = await scrapeTimes(agent.agent);
    t.diagnostic(
      `500 containers: ready after ${readyMilliseconds.toFixed(0)} ms, ${residentMegabytes} MB resident, ` +
        `${privateMegabytes} MB private, scrape ${median.toFixed(1)} ms (worst ${worst.toFixed(1)} ms)`,
    );
    assert.equal(series.length, CREATED + RUNNING, "each has its series at 0 from the start");
    assert.ok(series.every(({ value }) => value === 0));
    assert.ok(readyMilliseconds < 10_000, `ready after ${readyMilliseconds} ms`);
    assert.ok(residentMegabytes < 150, `${residentMegabytes} MB resident`);
    assert.ok(median < 50, `a scrape takes ${median} ms`);
  } finally {
    await agent?.dispose();
    await docker.dispose();
  }
});

const NAMES = 1_000;
const LIVES = 5;
const KILLED_NAMES = 200;
const AT_ONCE = 4;
const VERDICTS = 5;
/** Some 300 containers a second: far more than a daemon starts. */
const PAUSE_MILLISECONDS = 10;
/** Bounds of docs/metrics.md: owners by name, and containers by id; a few may just have changed their labels. */
const MOST_OWNERS = 2_000;
const MOST_CONTAINERS = 4_000 + 40;

/**
 * A thousand names crash in a loop, each time in a container of its own. dockerd starts some five a second here, so the
 * daemon is simulated. The kills are real: one for each of 200 names, in a cgroup that is called as its container is.
 */
test("1,000 crash-looping names", { skip: whyNoV1Kills() ?? false }, async (t) => {
  const parent = `/oomwitness-loop-${process.pid}`;
  mkdirSync(`/sys/fs/cgroup/memory${parent}`);
  const engine = new FakeEngine();
  await engine.start();
  const agent = await ContainerAgent.start({ docker: engine.socket });
  try {
    await eachName((name) => crashLoop(engine, parent, name));
    const exitsTold = async () => {
      const samples = await samplesOf(agent.agent, "oomwitness_container_exits_total");
      return samples.filter(({ labels }) => labels.includes('container="loop-'));
    };
    const sum = (samples: readonly { value: number }[]) =>
      samples.reduce((total, { value }) => total + value, 0);
    await within(40, "all exits", async () => sum(await exitsTold()) >= NAMES * LIVES);
    const kills = await samplesOf(agent.agent, "oomwitness_kills_total");
    const counted = new Map<string, number>();
    for (const { labels, value } of kills) {
      const name = /container="(loop-\d+)"/.exec(labels)?.[1];
      if (name !== undefined) counted.set(name, (counted.get(name) ?? 0) + value);
    }
    const ofLoops = [...counted.values()].filter((value) => value > 0);
    assert.ok(counted.size <= NAMES);
    assert.equal(ofLoops.length, KILLED_NAMES, "names with kills");
    assert.deepEqual(new Set(ofLoops), new Set([1]), "one kill for each of them");
    const exits = await exitsTold();
    const containers = await samplesOf(agent.agent, "container_ooms");
    const ended = sum(exits);
    const { residentMegabytes } = footprint(agent.agent);
    const { median } = await scrapeTimes(agent.agent);
    t.diagnostic(
      `${NAMES} names, ${NAMES * LIVES} containers, ${ofLoops.length} kills, ${ended} exits: ${exits.length} series of exits, ` +
        `${containers.length} of containers, ${residentMegabytes} MB resident, scrape ${median.toFixed(1)} ms`,
    );
    assert.equal(ended, NAMES * LIVES);
    assert.ok(exits.length <= NAMES * VERDICTS, `${exits.length} series of exits`);
    assert.ok(kills.length <= MOST_OWNERS, `${kills.length} series of kills`);
    assert.ok(containers.length <= MOST_CONTAINERS, `${containers.length} of containers`);
    assert.ok(residentMegabytes < 250, `${residentMegabytes} MB resident`);
  } finally {
    await agent.dispose();
    await engine.dispose();
    rmdirSync(`/sys/fs/cgroup/memory${parent}`);
  }
});

async function eachName(work: (name: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < NAMES) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const HOG = programPath("hog");
/** Pids that no process of this machine has. */
const FIRST_PID = 10_000_000;

async function crashLoop(engine: FakeEngine, parent: string, name: number): Promise<void> {
  for (let life = 0; life < LIVES; life++) {
    const number = name * LIVES + life;
    const container = engine.create(number, `loop-${name}`);
    engine.run(container, FIRST_PID + number);
    const isKilled = life === 0 && name < KILLED_NAMES;
    if (isKilled) {
      await realKill(`/sys/fs/cgroup/memory${parent}/${container.id}`);
      engine.oom(container);
    } else await sleep(PAUSE_MILLISECONDS);
    engine.end(container, isKilled ? 137 : 1);
    engine.remove(container);
  }
}

async function realKill(directory: string): Promise<void> {
  mkdirSync(directory);
  writeFileSync(`${directory}/memory.limit_in_bytes`, String(4 << 20));
  const child = spawn(HOG, ["--mib", "12", "--cgroup", directory], { stdio: "ignore" });
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
  rmdirSync(directory);
}
