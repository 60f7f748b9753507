import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BoundedQueue, type WhenFull } from "./bounded-queue.ts";

test("items leave in the order they came", () => {
  const queue = new BoundedQueue<string>(2, "drop-oldest");
  assert.equal(queue.push("a"), true);
  assert.equal(queue.push("b"), true);
  assert.equal(queue.peek(), "a");
  assert.equal(queue.shift(), "a");
  assert.equal(queue.push("c"), true);
  assert.deepEqual(queue.drain(), ["b", "c"]);
  assert.equal(queue.shift(), null);
  assert.equal(queue.peek(), null);
  assert.equal(queue.dropped, 0);
});

test("what does not fit is lost and counted", () => {
  const oldest = new BoundedQueue<number>(2, "drop-oldest");
  const newest = new BoundedQueue<number>(2, "drop-newest");
  for (const item of [0, 1, 2]) {
    assert.equal(oldest.push(item), item < 2);
    assert.equal(newest.push(item), item < 2);
  }
  assert.deepEqual(oldest.drain(), [1, 2]);
  assert.deepEqual(newest.drain(), [0, 1]);
  assert.equal(oldest.dropped, 1);
  assert.equal(newest.dropped, 1);
});

test("a queue that holds nothing is refused", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new BoundedQueue(capacity, "drop-oldest"), /at least one item/);
  }
});

/** The same queue, written without care for time. */
function createModel(capacity: number, whenFull: WhenFull) {
  const items: number[] = [];
  let dropped = 0;
  const push = (item: number) => {
    if (items.length === capacity) dropped += 1;
    if (items.length === capacity && whenFull === "drop-newest") return;
    if (items.length === capacity) items.shift();
    items.push(item);
  };
  return { items, push, dropped: () => dropped };
}

test("law: it behaves as a slow queue does, and loses nothing uncounted", () => {
  const steps = fc.array(fc.oneof(fc.integer(), fc.constant(null)), { maxLength: 60 });
  const policies = fc.constantFrom<WhenFull>("drop-oldest", "drop-newest");
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), policies, steps, (capacity, whenFull, actions) => {
      const queue = new BoundedQueue<number>(capacity, whenFull);
      const model = createModel(capacity, whenFull);
      for (const action of actions) {
        if (action === null) {
          assert.equal(queue.shift(), model.items.shift() ?? null);
        } else {
          queue.push(action);
          model.push(action);
        }
        assert.equal(queue.length, model.items.length);
      }
      assert.equal(queue.dropped, model.dropped());
      assert.deepEqual(queue.drain(), model.items);
    }),
  );
});
