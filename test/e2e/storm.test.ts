import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame, describeTally } from "./support/compare.ts";
import { storm, stormCgroups } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;
let agent: TestAgent;

before(async () => {
  if (skip) return;
  agent = await TestAgent.create();
  await agent.start();
});

after(async () => {
  if (!skip) await agent.dispose();
});

/** How many kills the kernel's own log names a cgroup for: what a log reader could know. */
function summaryLinesOf(cgroup: string): number {
  const { stdout } = spawnSync("dmesg", [], { encoding: "utf8", maxBuffer: 1 << 26 });
  return stdout.split("\n").filter((line) => line.includes(`task_memcg=${cgroup},`)).length;
}

test("300 kills in one cgroup as fast as a parent can fork", { skip }, async (t) => {
  const world = stormCgroups(1);
  try {
    const truth = await storm(world.cgroups[0] ?? assert.fail(), { kills: 300 });
    await agent.settle();
    const tally = assertSame(agent.own(await agent.kills()), truth);
    const { unaccounted } = await agent.ledger();
    t.diagnostic(`300 records: ${describeTally(tally)}; unaccounted ${unaccounted}`);
    const named = summaryLinesOf(truth[0]?.cgroup ?? assert.fail());
    t.diagnostic(`the kernel log named the cgroup of ${named} of 300`);
    assert.equal(unaccounted, 0);
    assert.equal(tally.none, 0);
  } finally {
    world.remove();
  }
});

test("50 kills in each of 10 cgroups at once", { skip }, async (t) => {
  const world = stormCgroups(10);
  try {
    const storms = await Promise.all(world.cgroups.map((cgroup) => storm(cgroup, { kills: 50 })));
    await agent.settle();
    const tally = assertSame(agent.own(await agent.kills()), storms.flat());
    const { unaccounted } = await agent.ledger();
    t.diagnostic(`500 records: ${describeTally(tally)}; unaccounted ${unaccounted}`);
    assert.equal(unaccounted, 0);
    assert.equal(tally.none, 0);
  } finally {
    world.remove();
  }
});
