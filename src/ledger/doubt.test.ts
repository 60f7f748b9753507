import assert from "node:assert/strict";
import { test } from "node:test";
import type { KillObservation } from "../model/observation.ts";
import { SECOND } from "../model/time.ts";
import type { Ledger } from "./ledger.ts";
import { at, count, kill, newLedger, stamp } from "./testing.ts";

/** Cases that the simulator found: `npm run simulate`. */

function balance(ledger: Ledger): readonly (number | null)[] {
  const { kernel, recorded, unaccounted } = ledger.summary();
  return [kernel, recorded, unaccounted];
}

/** The record this evidence went into. */
function opening(ledger: Ledger, observation: KillObservation): { readonly id?: string } {
  ledger.observe(observation);
  return ledger.killOf(observation) ?? {};
}

function settle(ledger: Ledger, until: number): number {
  let opened = 0;
  for (let second = 0; second <= until; second++) {
    ledger.advance(second * SECOND);
    opened += ledger.take().filter((record) => record.revision === 0).length;
  }
  return opened;
}

test("a log that was read late stamps its lines late: still the same kill", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("tracefs", 10, 4219));
  ledger.observe(kill("kernel-log", 11.5, 4219));
  ledger.observe(count("node", [1, 10.1], 1));
  assert.equal(settle(ledger, 20), 1);
});

test("a kill about when the book was opened may be in it or not", () => {
  for (const inBook of [0, 1]) {
    const ledger = newLedger(1);
    ledger.observe(count("node", [null, 1], 7, { baseline: true }));
    ledger.observe(kill("kernel-log", 1.1, 4219));
    if (inBook === 1) ledger.observe(count("node", [1, 2], 8));
    assert.equal(settle(ledger, 20), 1);
    assert.deepEqual(balance(ledger), [inBook, inBook, 0]);
  }
});

test("better evidence of when it happened decides whether the book has it", () => {
  const ledger = newLedger(1);
  ledger.observe(count("node", [null, 1], 7, { baseline: true }));
  ledger.observe(kill("kernel-log", 1.3, 4219));
  ledger.observe(kill("tracefs", 0.9, 4219));
  assert.equal(settle(ledger, 20), 1);
  assert.deepEqual(balance(ledger), [0, 0, 0]);
});

test("a group's first victim that was gone already is skipped once, however often that is said", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "1" }));
  const group = { source: "kernel-log", incident: "1", at: at(10) } as const;
  ledger.observe({ kind: "group", sequence: "2", cgroup: "/a", ...group });
  const skip = { ...group, kind: "skip", sequence: "3", tid: 100 } as const;
  for (let times = 0; times < 3; times++) ledger.observe(skip);
  ledger.observe(kill("kernel-log", 20, 200, { sequence: "9" }));
  const second = { source: "kernel-log", incident: "9", at: at(20) } as const;
  ledger.observe({ kind: "group", sequence: "10", cgroup: "/a", ...second });
  ledger.observe(count("node", [1, 21], 3));
  assert.equal(settle(ledger, 30), 2);
  assert.deepEqual(balance(ledger), [2, 2, 0]);
});

test("a book of the node that no checkpoint holds begins now, whoever came before", () => {
  const { node: _, ...state } = newLedger().state();
  const ledger = newLedger(5, { ...state, node: null });
  ledger.observe(count("node", [null, 5], 40, { baseline: true }));
  assert.equal(settle(ledger, 10), 0);
  assert.deepEqual(balance(ledger), [0, 0, 0]);
});

test("a journal older than the checkpoint changes nothing", () => {
  const before = newLedger();
  before.observe(kill("tracefs", 10, 4219, { sequence: "0:1" }));
  const [opened] = before.take();
  const old = structuredClone(before.kill(opened?.id ?? ""));
  before.observe(kill("kernel-log", 10, 4219, { cgroup: stamp("/a", "kernel-log") }));
  const ledger = newLedger(11, structuredClone(before.state()));
  if (old !== undefined) ledger.restore(old);
  assert.equal(ledger.kill(opened?.id ?? "")?.cgroup?.path, "/a");
});

test("late evidence of kills that only the node's counter saw finds a place for each", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(count("node", [9, 10], 2));
  ledger.observe(count("node", [10, 11], 3));
  let opened = settle(ledger, 14);
  for (const [index, seconds] of [9.5, 9.6, 10.5].entries()) {
    ledger.observe(kill("tracefs", seconds, 100 + index));
  }
  opened += settle(ledger, 30);
  assert.equal(opened, 3);
  assert.deepEqual(balance(ledger), [3, 3, 0]);
});

test("of two kills and one entry of a cgroup's counter one was there, and the other may have been anywhere", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("tracefs", 10, 100));
  ledger.observe(kill("tracefs", 10.001, 200));
  ledger.observe(count("node", [9, 10.1], 2));
  ledger.observe(count({ path: "/a", id: 7 }, [9, 10.1], 1));
  assert.equal(settle(ledger, 20), 2);
  assert.equal(ledger.summary().unattributed, 1);
});

test("the second entry of a group's first victim is known when the log lost what stood between", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "5" }));
  ledger.observe(kill("kernel-log", 10.001, 100, { sequence: "900" }));
  ledger.observe(count("node", [9, 10.1], 2));
  assert.equal(settle(ledger, 20), 1);
  assert.deepEqual(balance(ledger), [1, 1, 0]);
});

test("what a kill had not told when its process died is told by the next", () => {
  const before = newLedger();
  before.observe(kill("tracefs", 10, 100));
  before.take();
  before.observe(kill("kernel-log", 10, 100, { cgroup: stamp("/a", "kernel-log") }));
  const ledger = newLedger(11, structuredClone(before.state()));
  ledger.advance(12 * SECOND);
  assert.deepEqual(
    ledger.take().map(({ revision, cgroup }) => [revision, cgroup.path]),
    [[1, "/a"]],
  );
});

test("a member of a group kill stays one when its own evidence comes again", () => {
  const ledger = newLedger();
  const [first, member] = [
    kill("tracefs", 10, 100, { sequence: "0:1" }),
    kill("tracefs", 10, 200, { sequence: "0:2" }),
  ];
  ledger.observe(first);
  ledger.observe(member);
  const group = { kind: "group", source: "tracefs", incident: "0:1", cgroup: null } as const;
  ledger.observe({ ...group, sequence: "0:3", at: at(10), members: ["0:1", "0:2"] });
  ledger.observe(member);
  ledger.advance(12 * SECOND);
  const incidents = ledger.take().map(({ incident }) => incident);
  assert.equal(new Set(incidents.map(({ id }) => id)).size, 1);
  assert.ok(incidents.every((incident) => incident.group));
});

test("the kernel's word of a cgroup is never given up for the cgroup of a counter that must mean the same kill", () => {
  for (const [path, seconds] of [
    ["/p/x", 10.8],
    ["/p/y", 10.8],
    ["/q", 10.8],
    ["/p/x", 9.5],
  ] as const) {
    const ledger = newLedger();
    ledger.observe(count("node", [null, 1], 0, { baseline: true }));
    ledger.observe(count("node", [9, 10], 2));
    ledger.observe(count({ path: "/p/y", id: 7 }, [9, 10], 1));
    ledger.observe(count({ path: "/p", id: 6, extent: "subtree" }, [9, 10], 2));
    ledger.observe(count("node", [10, 11], 2));
    let opened = settle(ledger, 14);
    const cgroup = { ...stamp(path, "kernel-log"), id: 8 };
    const { id = "" } = opening(ledger, kill("probe", seconds, 4219, { cgroup }));
    opened += settle(ledger, 30);
    assert.equal(opened, 2);
    assert.equal(ledger.kill(id)?.cgroup?.path, path);
    assert.deepEqual(balance(ledger), [2, 2, 0]);
  }
});

test("a kill that was entered twice may claim two entries of a cgroup below the one it was seen in", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "5" }));
  const group = { source: "kernel-log", incident: "5", at: at(10) } as const;
  ledger.observe({ kind: "group", sequence: "6", cgroup: "/p", ...group });
  const again = { group: true, repeat: true, incident: "5", cgroup: stamp("/p", "group") };
  ledger.observe(kill("kernel-log", 10.001, 100, { sequence: "7", ...again }));
  ledger.observe(count("node", [9, 11], 5));
  ledger.observe(count({ path: "/p/c", id: 7 }, [9, 11], 3));
  assert.equal(settle(ledger, 20), 4);
  const places = ledger.state().kills.filter(({ cgroup }) => cgroup?.basis === "local-counter");
  assert.equal(places.length, 1, "one entry of /p/c is surely nobody else's");
});

test("entries of long ago that nobody explained are not taken for kills of today", () => {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  for (const [index, path] of ["/a", "/b"].entries()) {
    ledger.observe(kill("tracefs", 10, 100 + index, { cgroup: stamp("/x") }));
    ledger.observe(count({ path, id: 7 + index }, [9, 10.1], 1));
  }
  ledger.observe(count("node", [9, 10.1], 2));
  settle(ledger, 700);
  ledger.observe(count("node", [700, 701], 3));
  ledger.observe(count({ path: "/c", id: 9 }, [700, 701], 1));
  settle(ledger, 710);
  const [latest] = ledger.state().kills;
  assert.deepEqual([latest?.cgroup?.path, latest?.cgroup?.basis], ["/c", "local-counter"]);
});
