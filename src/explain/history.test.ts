import assert from "node:assert/strict";
import { test } from "node:test";
import { type KillFact, KillMemory, placeKey, secondsOf } from "./history.ts";
import { CONTAINER_PATH, ID, POD_PATH } from "./testing.ts";

const fact = (seconds: number | null, parts: Partial<KillFact> = {}): KillFact => ({
  place: "shop/cart-0/api",
  cgroup: CONTAINER_PATH,
  comm: "worker",
  pid: 11,
  main: null,
  seconds,
  tasks: new Set(["10/main"]),
  ...parts,
});

test("a kill is told those before it in the same place, oldest first", () => {
  const memory = new KillMemory(0);
  assert.deepEqual(memory.tell(fact(100)).kills, []);
  memory.tell(fact(150, { place: "elsewhere" }));
  memory.tell(fact(160, { cgroup: `${POD_PATH}/other` }));
  const { kills, watchedSeconds } = memory.tell(fact(200));
  assert.deepEqual(
    kills.map(({ secondsBefore, sameCgroup }) => [secondsBefore, sameCgroup]),
    [
      [100, true],
      [40, false],
    ],
  );
  assert.equal(watchedSeconds, 200);
});

test("times that cannot be compared are unknown: none given, or a clock that went back", () => {
  const memory = new KillMemory(null);
  memory.tell(fact(5000));
  memory.tell(fact(null));
  const { kills, watchedSeconds } = memory.tell(fact(20));
  assert.deepEqual(
    kills.map(({ secondsBefore }) => secondsBefore),
    [null, null],
  );
  assert.equal(watchedSeconds, null);
});

test("a memory is bounded: kills of a place, places, tables", () => {
  const memory = new KillMemory(null);
  for (let count = 0; count < 500; count++) memory.tell(fact(count));
  const { kills, forgotten } = memory.tell(fact(500));
  assert.deepEqual([kills.length, forgotten], [200, 300]);
  for (let count = 0; count < 2000; count++) memory.tell(fact(0, { place: `place ${count}` }));
  assert.deepEqual(memory.tell(fact(501)).kills, []);
  const crowd = new Set(Array.from({ length: 5000 }, (_, index) => `${index}/x`));
  memory.tell(fact(0, { place: "crowd", tasks: crowd }));
  assert.equal(memory.tell(fact(1, { place: "crowd" })).kills[0]?.tasks.size, 0);
});

test("a replaced container is the same place", () => {
  const other = CONTAINER_PATH.replace(ID, "a".repeat(64));
  assert.equal(placeKey(CONTAINER_PATH, "x"), placeKey(other, "x"));
  assert.notEqual(placeKey(CONTAINER_PATH, "x"), placeKey("/system.slice/a.service", "x"));
  assert.notEqual(placeKey(null, "a"), placeKey(null, "b"));
  const [one, two] = ["1", "2"].map((digit) => `/docker/${digit.repeat(64)}`);
  assert.notEqual(placeKey(one ?? "", "x"), placeKey(two ?? "", "x"), "nobody says they are one");
});

test("RFC 3339 to seconds, over months and leap years", () => {
  assert.equal(secondsOf("1970-01-01T00:00:00Z"), 0);
  assert.equal(secondsOf("2000-03-01T00:00:00.5Z"), 951_868_800.5);
  assert.equal(secondsOf("2026-11-21T03:12:44.104512Z"), 1_795_230_764.104512);
  for (const text of [null, "", "yesterday", "2026-11-21T03:12:44+01:00"])
    assert.equal(secondsOf(text), null);
});
