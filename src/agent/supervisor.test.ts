import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { FaultOwner, Faults } from "../host/faults.ts";
import { createHost } from "../host/real.ts";
import type { SourceRecord } from "../model/record.ts";
import { manualClock } from "../sinks/testing/records.ts";
import type { Source, SourceContext } from "../sources/source.ts";
import { Supervisor } from "./supervisor.ts";

/** How often a source is started in 10 minutes when it breaks `lasts` ms after it came up. */
async function startsOf(lasts: number): Promise<number> {
  const clock = manualClock();
  let starts = 0;
  const source: Source = {
    name: "tracefs",
    run: ({ up }) => {
      starts++;
      up("");
      return new Promise((_, reject) => clock.after(lasts, () => reject(new Error("broke"))));
    },
  };
  const supervisor = new Supervisor(
    source,
    { ...createHost(), clock },
    { bootId: "", cursor: () => null, saveCursor() {}, observe() {}, changed() {}, broke() {} },
  );
  supervisor.start();
  for (let tick = 0; tick < 2_400; tick++) {
    clock.advance(250);
    await setImmediate();
  }
  return starts;
}

test("a source that comes up and breaks at once is asked ever more seldom", async () => {
  const starts = await startsOf(60);
  assert.ok(starts > 15 && starts < 30, `${starts} starts`);
});

test("a source that breaks after it worked for a while is started again at once", async () => {
  const starts = await startsOf(20_000);
  assert.ok(starts >= 28, `${starts} starts`);
});

test("a source that others call blind says so while it is up, and no longer once it sees or begins anew", async () => {
  const clock = manualClock();
  const told: string[] = [];
  let life = Promise.withResolvers<never>();
  const source: Source = {
    name: "tracefs",
    run: ({ up }) => {
      life = Promise.withResolvers();
      up("");
      return life.promise;
    },
  };
  const supervisor = new Supervisor(
    source,
    { ...createHost(), clock },
    {
      bootId: "",
      cursor: () => null,
      saveCursor() {},
      observe() {},
      broke() {},
      changed: ({ state, reason, missed }) => void told.push(`${state} ${reason} ${missed}`),
    },
  );
  supervisor.start();
  supervisor.judge(2, null);
  supervisor.judge(1, "sees nothing");
  clock.advance(1_000);
  supervisor.judge(0, null);
  supervisor.judge(3, "sees nothing");
  life.reject(new Error("broke"));
  await setImmediate();
  supervisor.judge(0, "sees nothing");
  clock.advance(1_000);
  await setImmediate();
  assert.deepEqual(told, [
    "up null 0",
    "blind sees nothing 3",
    "blind sees nothing 3",
    "up null 3",
    "blind sees nothing 6",
    "down broke 6",
    "down broke 6",
    "up null 6",
  ]);
});

/** A supervised source of which the test has the context and the owner of its uncaught errors. */
function supervised(run: Source["run"]) {
  const clock = manualClock();
  const owners: FaultOwner[] = [];
  const records: SourceRecord[] = [];
  const broke: unknown[] = [];
  const said: string[] = [];
  const faults: Faults = {
    within: (owner, call) => {
      owners.push(owner);
      return call();
    },
    outside: (call) => call(),
    watch: () => () => undefined,
  };
  const supervisor = new Supervisor(
    { name: "docker", run },
    { ...createHost(), clock, faults },
    {
      bootId: "",
      cursor: () => null,
      saveCursor() {},
      observe() {
        throw new Error("the core broke");
      },
      changed: (record) => records.push(record),
      broke: (error) => broke.push(error),
      said: (sentence) => said.push(sentence),
    },
  );
  supervisor.start();
  return { supervisor, clock, owners, records, broke, said };
}

const settled = () => setImmediate();

test("an error that nobody caught ends the source's life, and it is begun again", async () => {
  const stops: AbortSignal[] = [];
  const { clock, owners, records, supervisor } = supervised(({ stop, up }) => {
    stops.push(stop);
    up("");
    return new Promise((resolve) =>
      stop.addEventListener("abort", () => resolve({ kind: "stopped" })),
    );
  });
  owners[0]?.(new Error("Protocol error"));
  await settled();
  assert.deepEqual(
    records.map(({ state, reason }) => [state, reason]),
    [
      ["up", null],
      ["down", "Protocol error"],
    ],
  );
  assert.equal(stops[0]?.aborted, true, "it has to let go");
  for (let times = 0; times < 4; times++) {
    clock.advance(250);
    await settled();
  }
  assert.equal(stops.length, 2);
  assert.equal(supervisor.record.state, "up");
  await supervisor.stop();
});

test("a life that does not let go is no longer heard, and does not keep the next one", async () => {
  let lives = 0;
  const contexts: SourceContext[] = [];
  const { clock, owners, broke } = supervised((context) => {
    lives++;
    contexts.push(context);
    return new Promise(() => {});
  });
  owners[0]?.(new Error("broke"));
  for (let times = 0; times < 30; times++) {
    clock.advance(250);
    await settled();
  }
  assert.equal(lives, 2);
  contexts[0]?.emit([]);
  assert.equal(broke.length, 0, "it was not heard");
});

test("what the program throws when it hears a source is not the source's error", async () => {
  const { broke, supervisor } = supervised(async ({ emit, up }) => {
    emit([]);
    up("");
    return new Promise(() => {});
  });
  await settled();
  assert.deepEqual(broke.map(String), ["Error: the core broke"]);
  assert.equal(supervisor.record.state, "up");
});

test("what a source lost is said the first time, and counted each time", async () => {
  const { supervisor, said } = supervised(async ({ lost }) => {
    for (let times = 0; times < 3; times++) lost(2, "user 1000 claims a container of others");
    for (let kind = 0; kind < 100; kind++) lost(1, `kind ${kind}`);
    return new Promise(() => {});
  });
  await settled();
  assert.equal(supervisor.record.lost, 106);
  assert.equal(said[0], "docker lost evidence: user 1000 claims a container of others.");
  assert.equal(said.length, 16, "a few kinds");
});
