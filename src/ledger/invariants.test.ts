import assert from "node:assert/strict";
import { test } from "node:test";
import { SECOND } from "../model/time.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import { BOOT_ID, count, kill, newLedger, stamp } from "./testing.ts";

/** What the next process says of a state, after evidence that moves a kill and ten seconds. */
function brokenIn(state: LedgerState): string[] {
  const said: string[] = [];
  const options = { bootId: BOOT_ID, node: "n", startedAt: 11 * SECOND };
  const ledger = new Ledger({ ...options, broken: (what) => said.push(what) }, state);
  ledger.observe(kill("kernel-log", 10, 4219, { cgroup: stamp("/a", "kernel-log") }));
  ledger.advance(30 * SECOND);
  assert.equal(ledger.broken > 0, said.length > 0);
  return said;
}

function soundState(): LedgerState {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("tracefs", 10, 4219, { sequence: "0:1" }));
  ledger.observe(count("node", [9, 10.1], 1));
  ledger.take();
  return structuredClone(ledger.state());
}

test("books that hold say nothing", () => {
  assert.deepEqual(brokenIn(soundState()), []);
});

test("books that cannot be right are counted and said once, and the ledger goes on", () => {
  const { totals, ...state } = soundState();
  const said = brokenIn({ ...state, totals: { ...totals, recorded: 0, unattributed: 0 } });
  assert.deepEqual(said, [
    "no total of the node's book is negative",
    "the node's totals have every kill that is known",
  ]);
});

test("a kill that is kept twice is said", () => {
  const { kills, ...state } = soundState();
  const said = brokenIn({ ...state, kills: [...kills, ...structuredClone(kills)] });
  assert.ok(said.includes("every kill that is known is in every index"), said.join());
});
