import assert from "node:assert/strict";
import { test } from "node:test";
import type { KillRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import type { Ledger } from "./ledger.ts";
import { count, kill, newLedger, stamp } from "./testing.ts";

/** All that is told until `until`, in the order told. */
function settle(ledger: Ledger, from: number, until: number): KillRecord[] {
  const told: KillRecord[] = [];
  for (let tenth = from * 10; tenth <= until * 10; tenth++) {
    ledger.advance((tenth * SECOND) / 10);
    told.push(...ledger.take());
  }
  return told;
}

function withNode(): Ledger {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  settle(ledger, 2, 20);
  return ledger;
}

for (const source of ["tracefs", "kernel-log", "probe"] as const) {
  test(`what ${source} alone told and no counter has is unconfirmed, and the books balance`, () => {
    const ledger = withNode();
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
  const ledger = withNode();
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
  const ledger = withNode();
  ledger.observe(kill("tracefs", 20, 7));
  settle(ledger, 20, 21);
  ledger.observe(count("node", [19, 21.5], 1));
  const told = settle(ledger, 22, 40);
  assert.ok(told.every(({ outcome }) => outcome === "killed"));
});
