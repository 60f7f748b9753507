import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../src/std/random.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame, describeTally } from "./support/compare.ts";
import { EventStream } from "./support/event-stream.ts";
import { storm, stormCgroups } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;
const ROUNDS = 20;
const KILLS = 60;

test(`kill -9 of the agent in the middle of a storm, ${ROUNDS} times: same totals, nothing twice`, {
  skip,
}, async (t) => {
  const seed = Number(process.env["OOMWITNESS_SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`OOMWITNESS_SEED=${seed}`);
  const random = new Random(seed);
  const agent = await TestAgent.create();
  await agent.start();
  const stream = new EventStream(agent.url("/api/v1/events"));
  const world = stormCgroups(2);
  try {
    const truth = [];
    for (let round = 0; round < ROUNDS; round++) {
      const storms = Promise.all(
        world.cgroups.map((cgroup) => storm(cgroup, { kills: KILLS / 2 })),
      );
      await sleep(random.int(0, 600));
      await agent.kill9();
      await sleep(random.int(0, 400));
      await agent.start();
      truth.push(...(await storms).flat());
    }
    await agent.settle();
    const records = await agent.kills();
    const tally = assertSame(agent.own(records), truth);
    const { unaccounted } = await agent.ledger();
    const recovered = records.filter((record) => record.recovered).length;
    t.diagnostic(
      `${truth.length} kills, ${ROUNDS} crashes: ${describeTally(tally)}, ${recovered} recovered, unaccounted ${unaccounted}`,
    );
    assert.equal(unaccounted, 0);
    assertStream(stream, new Set(records.map((record) => record.id)));
  } finally {
    await stream.close();
    await agent.dispose();
    world.remove();
  }
});

/** Whoever followed the stream through all crashes was told each kill once, in order, with no gap. */
function assertStream(stream: EventStream, ids: ReadonlySet<string>): void {
  const sequences = stream.events.map((event) => event.sequence);
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => (sequences[0] ?? 0) + index),
    "sequences are contiguous",
  );
  const opened = stream.events.flatMap(({ record }) =>
    record.type === "kill" && record.revision === 0 ? [record.id] : [],
  );
  assert.equal(new Set(opened).size, opened.length, "a kill was opened twice on the stream");
  assert.deepEqual(new Set(opened), new Set(ids), "kills on the stream against kills in the store");
}
