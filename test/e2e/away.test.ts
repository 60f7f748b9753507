import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { V1Cgroup, whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { within } from "./support/container-agent.ts";
import { TestPrometheus, whyNoPrometheus } from "./support/prometheus.ts";
import { storm, type TrueKill } from "./support/storm.ts";

// Ten containers lose 3 processes each while the agent watches and 27 while it does not.

const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");
const CONTAINERS = 10;
const SEEN = 3;
const MISSED = 27;
const ALL = SEEN + MISSED;

/** Cgroups as Docker makes them: told apart by id, since no daemon tells their names. */
class Containers {
  readonly #parent = new V1Cgroup(`/oomwitness-away-${process.pid}-${Date.now()}`, null);
  readonly cgroups: readonly V1Cgroup[];

  constructor() {
    const docker = this.#parent.child("docker");
    const id = (index: number) => createHash("sha256").update(`${docker.path} ${index}`);
    const all = Array.from({ length: CONTAINERS }, (_, index) => id(index).digest("hex"));
    this.cgroups = all.map((name) => docker.child(name, 10));
  }

  async kill(each: number): Promise<TrueKill[]> {
    return (await Promise.all(this.cgroups.map((one) => storm(one, { kills: each })))).flat();
  }

  counters(): number[] {
    return this.cgroups.map(({ directory }) => {
      const text = readFileSync(`${directory}/memory.oom_control`, "utf8");
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
    });
  }

  remove(): void {
    this.#parent.remove();
  }
}

/** What a metric says of each container, its series added up. */
async function metric(agent: TestAgent, name: string, { cgroups }: Containers): Promise<number[]> {
  const page = await (await fetch(agent.url("/metrics"))).text();
  const lines = page.split("\n").filter((line) => line.startsWith(`${name}{`));
  return cgroups.map(({ path }) => {
    const id = path.slice(path.lastIndexOf("/") + 1).slice(0, 12);
    const own = lines.filter((line) => line.includes(`"${id}"`));
    return own.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  });
}

/** What Prometheus makes of the counters of all containers over the restart, without its extrapolation. */
async function increaseOf(
  prometheus: TestPrometheus,
  { cgroups }: Containers,
  at: number,
): Promise<number> {
  const ids = cgroups.map(({ path }) => path.slice(path.lastIndexOf("/") + 1).slice(0, 12));
  const series = `container_ooms{container_short_id=~"${ids.join("|")}"}`;
  const [sum] = await prometheus.query(`sum(increase(${series}[5m]))`, at);
  return Math.round(sum?.value ?? 0);
}

for (const how of ["killed", "stopped"] as const) {
  test(`${CONTAINERS * ALL} kills in ${CONTAINERS} containers, ${CONTAINERS * MISSED} of them while the agent is ${how}: every count is right`, {
    skip: whyNoV1Kills() ?? whyNoPrometheus() ?? false,
  }, async (t) => {
    const instance = `OOMWITNESS_TRACE_INSTANCE=oomwitness-away-${process.pid}`;
    const agent = await TestAgent.create(["env", instance, OOMWITNESS]);
    const containers = new Containers();
    let prometheus: TestPrometheus | null = null;
    try {
      await agent.start();
      prometheus = await TestPrometheus.start(agent.port);
      const truth = await containers.kill(SEEN);
      await prometheus.scrapes(2);
      await (how === "killed" ? agent.kill9() : agent.stop());
      truth.push(...(await containers.kill(MISSED)));
      await agent.start();
      const even = Array<number>(CONTAINERS).fill(ALL);
      assert.deepEqual(containers.counters(), even);
      let counted: number[] = [];
      const isCounted = async () => {
        counted = await metric(agent, "oomwitness_incidents_total", containers);
        return counted.join() === even.join();
      };
      await within(40, "incidents of each container", isCounted, () => counted.join());
      assert.deepEqual(await metric(agent, "oomwitness_kills_total", containers), even);
      assert.deepEqual(await metric(agent, "container_ooms", containers), even);
      const kills = agent.own(await agent.kills());
      const pids = new Set(truth.map(({ pid }) => pid));
      const ours = kills.filter(({ victim }) => pids.has(victim.pid ?? 0));
      assert.equal(ours.length, CONTAINERS * ALL);
      const listed = containers.cgroups.map(
        ({ path }) => ours.filter(({ cgroup }) => cgroup.path === path).length,
      );
      assert.deepEqual(listed, even);
      await agent.settle();
      assert.equal((await agent.ledger()).unaccounted, 0);
      const at = await prometheus.scrapes(2);
      const increase = await increaseOf(prometheus, containers, at);
      assert.equal(increase, CONTAINERS * ALL);
      const guessed = ours.filter(({ basis }) => basis === "counter").length;
      t.diagnostic(`${ours.length} records, ${guessed} placed by counters, increase ${increase}`);
    } finally {
      await prometheus?.dispose();
      await agent.dispose();
      containers.remove();
    }
  });
}
