import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Random } from "./random.ts";

const seeds = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
const draw = (random: Random, count: number) => Array.from({ length: count }, () => random.word());

test("the numbers are sfc32's and stay so: a seed in a bug report must repeat", () => {
  // From the C of the reference, with a = 0, b = low word, c = high word, counter = 1 and 15 rounds.
  assert.deepEqual(
    draw(new Random(0x123456789a), 4),
    [2863672934, 532621913, 1490364682, 3567524765],
  );
});

test("law: a seed repeats, and another seed differs", () => {
  fc.assert(
    fc.property(seeds, seeds, (seed, other) => {
      assert.deepEqual(draw(new Random(seed), 20), draw(new Random(seed), 20));
      if (seed !== other)
        assert.notDeepEqual(draw(new Random(seed), 20), draw(new Random(other), 20));
    }),
  );
});

test("law: int stays within its bounds and reaches both", () => {
  fc.assert(
    fc.property(seeds, fc.integer(), fc.nat(5), (seed, lowest, span) => {
      const random = new Random(seed);
      const drawn = new Set(Array.from({ length: 300 }, () => random.int(lowest, lowest + span)));
      assert.equal(drawn.size, span + 1);
      assert.equal(Math.min(...drawn), lowest);
      assert.equal(Math.max(...drawn), lowest + span);
    }),
  );
});

test("law: shuffle keeps the items and leaves its argument alone", () => {
  fc.assert(
    fc.property(seeds, fc.array(fc.integer()), (seed, items) => {
      const before = [...items];
      const shuffled = new Random(seed).shuffle(items);
      assert.deepEqual(items, before);
      assert.deepEqual(shuffled.toSorted(), before.toSorted());
    }),
  );
});

test("each order of three is about as likely", () => {
  const random = new Random(7);
  const counts = new Map<string, number>();
  for (let round = 0; round < 6000; round++) {
    const order = random.shuffle(["a", "b", "c"]).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  for (const [order, count] of counts) assert.ok(count > 850 && count < 1150, `${order}: ${count}`);
});

test("chance and pick are fair", () => {
  const random = new Random(11);
  let hits = 0;
  const picked = new Map<string, number>();
  for (let round = 0; round < 10_000; round++) {
    if (random.chance(0.25)) hits += 1;
    const item = random.pick(["x", "y"]);
    picked.set(item, (picked.get(item) ?? 0) + 1);
    assert.equal(random.chance(0), false);
    assert.equal(random.chance(1), true);
  }
  assert.ok(hits > 2300 && hits < 2700, `${hits} hits`);
  assert.ok((picked.get("x") ?? 0) > 4800 && (picked.get("y") ?? 0) > 4800);
});

test("a fork goes on by itself", () => {
  const one = new Random(3);
  const two = new Random(3);
  const fork = one.fork();
  two.fork();
  draw(fork, 100);
  assert.deepEqual(draw(one, 5), draw(two, 5));
  assert.notDeepEqual(draw(fork, 5), draw(one, 5));
});

test("what makes no sense is refused", () => {
  const random = new Random(1);
  assert.throws(() => new Random(0.5), /seed/);
  assert.throws(() => random.int(2, 1), /in order/);
  assert.throws(() => random.int(0.5, 1), /integers/);
  assert.throws(() => random.pick([]), /something to pick/);
  assert.throws(() => random.chance(1.1), /probability/);
});
