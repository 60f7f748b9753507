import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { test } from "node:test";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame, describeTally } from "./support/compare.ts";
import { storm, stormCgroups, type TrueKill } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;
const FLOOD = resolve(import.meta.dirname, "../../lab/build/flood");

/** At most 15 bytes of a name reach the kernel's task; `\xNN` is what the laboratory's programs unescape. */
const NAMES = [
  "x) Killed proce",
  ") Killed 1 (ini",
  "a\\x0aoom-kill:co",
  "q\"uo'te\\x5c",
  "\\xff\\xfe\\xc3(",
  "oom-kill:constr",
  ",pid=1,uid=0",
  "\\x1b[2J\\x1b[31m",
  "mark_victim: p",
  "\\xe2\\x80\\xaegpj.exe",
];

test("hostile process names: no false kill, no lost kill", { skip }, async (t) => {
  const agent = await TestAgent.create();
  await agent.start();
  const world = stormCgroups(NAMES.length);
  try {
    const truth: TrueKill[] = [];
    for (const [index, name] of NAMES.entries()) {
      const cgroup = world.cgroups[index] ?? assert.fail();
      truth.push(...(await storm(cgroup, { kills: 2, name })));
    }
    await agent.settle();
    const tally = assertSame(await agent.kills(), truth);
    assert.equal((await agent.ledger()).unaccounted, 0);
    t.diagnostic(`${truth.length} kills of ${NAMES.length} names: ${describeTally(tally)}`);
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
  try {
    const flooding = spawn(FLOOD, ["--lines", "2000000"], { stdio: "ignore" });
    const storms = await Promise.all(world.cgroups.map((cgroup) => storm(cgroup, { kills: 100 })));
    flooding.kill();
    await agent.settle();
    const tally = assertSame(await agent.kills(), storms.flat());
    const log = (await agent.sources()).find((source) => source.source === "kernel-log");
    t.diagnostic(`200 kills: ${describeTally(tally)}; log records lost and counted: ${log?.lost}`);
    assert.ok((log?.lost ?? 0) > 0, "the flood should have overrun the log");
    assert.equal((await agent.ledger()).unaccounted, 0);
  } finally {
    await agent.dispose();
    world.remove();
  }
});

async function flood(args: readonly string[]): Promise<void> {
  const child = spawn(FLOOD, args, { stdio: "ignore" });
  await once(child, "exit");
}
