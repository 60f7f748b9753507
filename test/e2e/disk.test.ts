import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame } from "./support/compare.ts";
import { storm, stormCgroups, type TrueKill } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;

async function isStored(agent: TestAgent): Promise<boolean> {
  const page = await agent.get("/api/v1/kills?limit=1");
  return typeof page === "object" && page !== null && "stored" in page && page.stored === true;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await condition()) return;
    await sleep(100);
  }
  assert.fail(`not within 60 s: ${what}`);
}

/** All kills are told, and after a `kill -9` the next agent knows them, each once. */
async function assertKept(agent: TestAgent, truth: readonly TrueKill[]): Promise<void> {
  assertSame(agent.own(await agent.kills()), truth);
  await agent.kill9();
  await agent.start();
  await agent.settle();
  assertSame(agent.own(await agent.kills()), truth);
  assert.equal((await agent.ledger()).unaccounted, 0);
}

test("the disk is full: kills are told from memory as not stored, and stored when there is room", {
  skip,
}, async () => {
  const agent = await TestAgent.create();
  const [world, directory] = [stormCgroups(1), agent.stateDirectory];
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "none", directory]);
  try {
    await agent.start();
    const [cgroup] = world.cgroups;
    assert.ok(cgroup !== undefined);
    const truth = await storm(cgroup, { kills: 10 });
    await until("stored", () => isStored(agent));
    const filler = path.join(directory, "filler");
    assert.throws(() => fs.writeFileSync(filler, Buffer.alloc(60_000_000)), { code: "ENOSPC" });
    // The log of the database has room of its own for some.
    for (let round = 0; round < 10 && (await isStored(agent)); round += 1) {
      truth.push(...(await storm(cgroup, { kills: 60 })));
      await sleep(500);
    }
    assert.equal(await isStored(agent), false);
    await agent.settle();
    assertSame(agent.own(await agent.kills()), truth);
    fs.rmSync(filler);
    await until("stored again", () => isStored(agent));
    // The next checkpoint holds what the journal could not take.
    await until("kept", async () => /kept on disk again/.test(agent.output));
    await assertKept(agent, truth);
  } finally {
    await agent.stop();
    execFileSync("umount", [directory]);
    await agent.dispose();
    world.remove();
  }
});

test("the state directory of a running agent is removed: it is made again with all it held", {
  skip,
}, async () => {
  const agent = await TestAgent.create();
  const world = stormCgroups(1);
  try {
    await agent.start();
    const [cgroup] = world.cgroups;
    assert.ok(cgroup !== undefined);
    const truth = await storm(cgroup, { kills: 10 });
    await agent.settle();
    fs.rmSync(agent.stateDirectory, { recursive: true });
    truth.push(...(await storm(cgroup, { kills: 10 })));
    await agent.settle();
    assert.match(agent.output, /state directory was removed: it is made again/);
    assert.match(agent.output, /oomwitness\.db was removed: it is made again with what it held/);
    await assertKept(agent, truth);
  } finally {
    await agent.dispose();
    world.remove();
  }
});
