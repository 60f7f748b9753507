import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ledger } from "./ledger.ts";
import { count, kill, settle, stamp, withNode } from "./testing.ts";

/** A book of the node that has been at rest for a while. */
function restingNode(): Ledger {
  const ledger = withNode();
  settle(ledger, 2, 20);
  return ledger;
}

for (const source of ["tracefs", "kernel-log", "probe"] as const) {
  test(`what ${source} alone told and no counter has is unconfirmed, and the books balance`, () => {
    const ledger = restingNode();
    ledger.observe({ ...kill(source, 20, 4_000_001), cgroup: stamp("/a") });
    ledger.observe(kill("tracefs", 40, 7));
    ledger.observe(count("node", [39, 40.1], 1));
    const told = settle(ledger, 40, 60);
    const last = new Map(told.map((record) => [record.victim.tid, record]));
    assert.equal(last.get(4_000_001)?.outcome, "unconfirmed");
    assert.equal(last.get(7)?.outcome, "killed");
    const { kernel, recorded, unaccounted } = ledger.summary();
    assert.deepEqual([kernel, recorded, unaccounted], [1, 1, 0]);
    assert.equal(ledger.contradictions, 0);
  });
}

test("forged kills between real ones do not hide that one was missed", () => {
  const ledger = restingNode();
  ledger.observe(kill("tracefs", 20, 4_000_001));
  ledger.observe(kill("tracefs", 22, 4_000_002));
  settle(ledger, 22, 30);
  assert.equal(ledger.summary().unaccounted, 0);
  ledger.observe(count("node", [39, 40.1], 1));
  const told = settle(ledger, 40, 60);
  assert.equal(told.filter(({ outcome }) => outcome === "killed").length, 1);
  assert.deepEqual([ledger.summary().recorded, ledger.summary().unaccounted], [1, 0]);
});

test("a counter that is read late confirms", () => {
  const ledger = restingNode();
  ledger.observe(kill("tracefs", 20, 7));
  settle(ledger, 20, 21);
  ledger.observe(count("node", [19, 21.5], 1));
  const told = settle(ledger, 22, 40);
  assert.ok(told.every(({ outcome }) => outcome === "killed"));
});
