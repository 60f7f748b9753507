import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { test } from "node:test";
import { setPrintkDevkmsg } from "../../lab/lab.ts";
import { HOSTILE_NAMES } from "../../lab/names.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame, describeTally } from "./support/compare.ts";
import { storm, stormCgroups, type TrueKill } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;
const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");
const FLOOD = resolve(import.meta.dirname, "../../lab/build/flood");

test("hostile process names: no false kill, no lost kill", { skip }, async (t) => {
  const agent = await TestAgent.create();
  await agent.start();
  const world = stormCgroups(HOSTILE_NAMES.length);
  try {
    const truth: TrueKill[] = [];
    for (const [index, { name }] of HOSTILE_NAMES.entries()) {
      const cgroup = world.cgroups[index] ?? assert.fail();
      truth.push(...(await storm(cgroup, { kills: 2, name })));
    }
    await agent.settle();
    const tally = assertSame(agent.own(await agent.kills()), truth);
    assert.equal((await agent.ledger()).unaccounted, 0);
    assertCleanList(agent.stateDirectory, truth.length);
    t.diagnostic(`${truth.length} kills of ${HOSTILE_NAMES.length} names: ${describeTally(tally)}`);
  } finally {
    await agent.dispose();
    world.remove();
  }
});

test("a kill line forged from userspace is no kill", { skip }, async () => {
  const agent = await TestAgent.create();
  await agent.start();
  try {
    await agent.settle(1_000);
    const before = await agent.kills();
    await flood(["--lines", "200", "--rate", "400", "--forge"]);
    await agent.settle();
    assert.equal((await agent.kills()).length, before.length);
    assert.equal((await agent.ledger()).unaccounted, 0);
  } finally {
    await agent.dispose();
  }
});

test("the log overrun by a flood in the middle of a storm: losses counted, totals right", {
  skip,
}, async (t) => {
  const agent = await TestAgent.create();
  await agent.start();
  const world = stormCgroups(2);
  let allowFlood = "";
  try {
    allowFlood = setPrintkDevkmsg("on");
    const flooding = spawn(FLOOD, ["--lines", "2000000"], { stdio: "ignore" });
    const storms = await Promise.all(world.cgroups.map((cgroup) => storm(cgroup, { kills: 100 })));
    flooding.kill();
    await agent.settle();
    const tally = assertSame(agent.own(await agent.kills()), storms.flat());
    const log = (await agent.sources()).find((source) => source.source === "kernel-log");
    t.diagnostic(`200 kills: ${describeTally(tally)}; log records lost and counted: ${log?.lost}`);
    assert.ok((log?.lost ?? 0) > 0, "the flood should have overrun the log");
    assert.equal((await agent.ledger()).unaccounted, 0);
  } finally {
    setPrintkDevkmsg(allowFlood);
    await agent.dispose();
    world.remove();
  }
});

/** No name breaks a line of the list, reaches the terminal as it is, or adds a line. */
function assertCleanList(stateDirectory: string, least: number): void {
  const args = ["list", "--state-dir", stateDirectory, "--limit", "1000"];
  const { stdout } = spawnSync(OOMWITNESS, args, { encoding: "utf8" });
  const lines = stdout.split("\n").filter((line) => line !== "");
  const json = spawnSync(OOMWITNESS, [...args, "--json"], { encoding: "utf8" });
  const records = json.stdout.split("\n").filter((line) => line !== "");
  assert.ok(records.length >= least);
  for (const record of records) JSON.parse(record);
  const unclean = lines.filter((line) => /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/.test(line));
  assert.deepEqual(unclean, []);
  const kills = lines.filter((line) => /^\s*\d\d:\d\d|^\d{4}-/.test(line));
  assert.ok(kills.length <= records.length, "more lines than kills");
}

async function flood(args: readonly string[]): Promise<void> {
  const child = spawn(FLOOD, args, { stdio: "ignore" });
  await once(child, "exit");
}
