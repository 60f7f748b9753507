import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createHost } from "../host/real.ts";
import { manualClock } from "../sinks/testing/records.ts";
import type { Source } from "../sources/source.ts";
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
    { bootId: "", cursor: () => null, saveCursor() {}, observe() {}, changed() {} },
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
