import assert from "node:assert/strict";
import { test } from "node:test";
import { at, count, kill, newLedger, settle, stamp, withNode } from "./testing.ts";

/** The log's stamp is wrong by so much, though it claims a quarter of a second. */
for (const wrongBy of [-3, 5, 9]) {
  test(`one thread is one kill, though the log's clock is wrong by ${wrongBy} s`, () => {
    for (const order of [
      ["tracefs", "kernel-log"],
      ["kernel-log", "tracefs"],
    ] as const) {
      const ledger = withNode();
      const told = [...settle(ledger, 2, 20)];
      for (const source of order) {
        ledger.observe(kill(source, source === "tracefs" ? 20 : 20 + wrongBy, 4219));
        told.push(...ledger.take());
      }
      ledger.observe(count("node", [19, 20.1], 1));
      told.push(...settle(ledger, 20, 40));
      assert.equal(new Set(told.map(({ id }) => id)).size, 1);
      assert.equal(ledger.summary().unaccounted, 0);
    }
  });
}

test("a kill that was known before another one happened is not the same, whatever its thread", () => {
  const ledger = withNode();
  settle(ledger, 2, 10);
  ledger.observe(kill("kernel-log", 10, 4219));
  ledger.observe(count("node", [9, 10.1], 1));
  settle(ledger, 10, 16);
  ledger.observe(kill("tracefs", 16, 4219));
  ledger.observe(count("node", [15, 16.1], 2));
  const told = settle(ledger, 16, 30);
  assert.deepEqual([told.length > 0, ledger.summary().recorded], [true, 2]);
});

test("another user's process of the same number is another kill", () => {
  const ledger = withNode();
  ledger.observe(kill("tracefs", 20, 4219));
  const { victim } = kill("kernel-log", 25, 4219);
  ledger.observe(kill("kernel-log", 25, 4219, { victim: { ...victim, uid: 1000 } }));
  ledger.observe(count("node", [19, 25.1], 2));
  settle(ledger, 26, 40);
  assert.equal(ledger.summary().recorded, 2);
});

test("more records than the kernel counted: the two that are one become one, and the other says so", () => {
  const ledger = withNode();
  ledger.observe(kill("tracefs", 20, 4219, { cgroup: stamp("/a") }));
  ledger.observe(count("node", [19, 20.1], 1));
  ledger.observe(kill("kernel-log", 60, 4219, { sequence: "7" }));
  const told = [...ledger.take(), ...settle(ledger, 60, 70)];
  const ids = [...new Set(told.map(({ id }) => id))];
  assert.equal(ids.length, 2);
  const last = told.findLast(({ id }) => id === ids[1]);
  assert.deepEqual([last?.outcome, last?.incident.id], ["duplicate", ids[0]]);
  const kept = told.findLast(({ id }) => id === ids[0]);
  assert.deepEqual(kept?.witnesses, ["kernel-log", "tracefs", "vmstat"]);
  assert.deepEqual(
    [ledger.summary().kernel, ledger.summary().recorded, ledger.summary().unaccounted],
    [1, 1, 0],
  );
  const next = newLedger(70, structuredClone(ledger.state()));
  next.observe(kill("kernel-log", 60, 4219, { sequence: "7" }));
  assert.deepEqual(settle(next, 70, 90), [], "the next process knows that they are one");
});

test("more records than the kernel counted: what a counter saw and the log dated wrong is one", () => {
  const ledger = withNode();
  ledger.observe(count("node", [19, 20], 1));
  const told = settle(ledger, 20, 30);
  ledger.observe(kill("kernel-log", 30, 4219));
  told.push(...ledger.take(), ...settle(ledger, 30, 40));
  const kept = told.findLast(({ outcome }) => outcome === "killed");
  assert.equal(kept?.victim.tid, 4219);
  assert.equal(ledger.summary().unaccounted, 0);
});

test("more records than the kernel counted: what the log dates just after the book began was before it", () => {
  const ledger = withNode();
  ledger.observe(kill("kernel-log", 6, 4219));
  const told = [...ledger.take(), ...settle(ledger, 6, 20)];
  assert.deepEqual([told.length, ledger.summary().unaccounted], [1, 0]);
  assert.equal(ledger.contradictions, 0);
});

test("more records than the kernel counted and no reason for it is a contradiction, counted once", () => {
  const ledger = withNode();
  for (const tid of [100, 101]) ledger.observe(kill("tracefs", 20, tid));
  ledger.observe(count("node", [19, 20.1], 1));
  settle(ledger, 20, 40);
  assert.deepEqual([ledger.summary().unaccounted, ledger.contradictions], [-1, 1]);
});

test("what comes late and says nothing new makes no revision", () => {
  const ledger = withNode();
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "1" }));
  const group = { source: "kernel-log", incident: "1", at: at(10) } as const;
  ledger.observe({ kind: "group", sequence: "2", cgroup: "/a", ...group });
  ledger.observe(count("node", [9, 10.1], 2));
  ledger.take();
  settle(ledger, 10, 60);
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "3", incident: "1", repeat: true }));
  assert.deepEqual(settle(ledger, 60, 70), []);
});
