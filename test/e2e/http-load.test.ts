import assert from "node:assert/strict";
import { test } from "node:test";
import { type CrowdSize, underLoad } from "../../bench/support/http-load.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { storm, stormCgroups } from "./support/storm.ts";

// The small form of bench/http-load.ts: what it measures is told there, here it must hold.

const skip = whyNoV1Kills() ?? false;
const TURNS = { count: 20, everyMilliseconds: 100 };
const CROWDS: readonly (readonly [name: string, size: CrowdSize])[] = [
  ["clients that page and clients that say nothing", { pagers: 50, idle: 900, tricklers: 0 }],
  ["slow senders", { pagers: 0, idle: 0, tricklers: 900 }],
];

for (const [name, size] of CROWDS) {
  test(`kills reach the stream and every scrape is answered among ${name}`, { skip }, async (t) => {
    const agent = await TestAgent.create();
    const world = stormCgroups(1);
    try {
      await agent.start();
      for (const cgroup of world.cgroups) await storm(cgroup, { kills: 150 });
      const run = await underLoad(agent, TURNS, size);
      assert.equal(run.latenciesMilliseconds.length, run.kills);
      const answered = run.scrapesMilliseconds.filter((one) => one !== null);
      assert.equal(answered.length, TURNS.count);
      assert.equal(run.crowd?.failed, 0);
      if (size.pagers > 0) assert.ok(run.crowd.pages >= size.pagers);
      const slowest = Math.max(...run.latenciesMilliseconds).toFixed(0);
      t.diagnostic(`slowest kill ${slowest} ms; ${JSON.stringify(run.crowd)}`);
    } finally {
      world.remove();
      await agent.dispose();
    }
  });
}
