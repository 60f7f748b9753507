import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerRecord } from "../../src/model/record.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame, describeTally } from "./support/compare.ts";
import { within } from "./support/container-agent.ts";
import { EventStream } from "./support/event-stream.ts";
import { storm, stormCgroups } from "./support/storm.ts";

const skip = whyNoV1Kills() ?? false;
const ROUNDS = 6;
const KILLS = 40;

test(`SIGTERM in the middle of a storm, ${ROUNDS} times: the last word on the books is that they balance`, {
  skip,
}, async (t) => {
  const agent = await TestAgent.create();
  const world = stormCgroups(4);
  try {
    const truth = [];
    for (let round = 0; round < ROUNDS; round++) {
      await agent.start();
      const stream = new EventStream(agent.url("/api/v1/events"));
      await within(10, "the event stream", () => stream.connected);
      const storms = Promise.all(world.cgroups.map((one) => storm(one, { kills: KILLS / 4 })));
      await sleep(20 + round * 25);
      const asked = performance.now();
      await agent.stop();
      const took = performance.now() - asked;
      const last = lastWord(stream);
      await stream.close();
      const { kernel, recorded, unaccounted } = last;
      t.diagnostic(`${recorded} of ${kernel}, unaccounted ${unaccounted}, ${Math.round(took)} ms`);
      assert.equal(unaccounted, 0);
      truth.push(...(await storms).flat());
    }
    await agent.start();
    await agent.settle();
    const tally = assertSame(agent.own(await agent.kills()), truth);
    const { unaccounted } = await agent.ledger();
    t.diagnostic(`${truth.length} kills: ${describeTally(tally)}, unaccounted ${unaccounted}`);
    assert.equal(unaccounted, 0);
  } finally {
    await agent.dispose();
    world.remove();
  }
});

function lastWord(stream: EventStream): LedgerRecord {
  const records = stream.events.flatMap(({ record }) => (record.type === "ledger" ? [record] : []));
  return records.at(-1) ?? assert.fail("the books were never told");
}
