import assert from "node:assert/strict";
import { test } from "node:test";
import { SECOND } from "../model/time.ts";
import { betterStamp } from "./kill.ts";
import { at, count, kill, newLedger, settle, stamp, withNode } from "./testing.ts";

test("an entry that only a counter saw is the second one of a group kill, as the log says later", () => {
  const ledger = withNode();
  ledger.observe(kill("tracefs", 10, 4219));
  ledger.observe(count("node", [9, 10.1], 2));
  const told = [...ledger.take(), ...settle(ledger, 10, 20)];
  assert.equal(ledger.summary().recorded, 2, "two entries, and nobody said that they are one kill");
  const log = { incident: "7", group: true } as const;
  ledger.observe(kill("kernel-log", 10, 4219, { ...log, sequence: "7" }));
  ledger.observe(kill("kernel-log", 10, 4219, { ...log, sequence: "9", repeat: true }));
  told.push(...settle(ledger, 20, 30));
  const first = told.find(({ victim }) => victim.tid === 4219);
  const other = told.findLast(({ victim }) => victim.tid === null);
  assert.deepEqual([other?.outcome, other?.incident.id], ["duplicate", first?.id]);
  const { kernel, recorded, unaccounted } = ledger.summary();
  assert.deepEqual([kernel, recorded, unaccounted], [1, 1, 0]);
});

test("where no counter rose nobody was killed: the log tells of a kill that a counter saw, not of a victim entered once", () => {
  const ledger = withNode();
  ledger.observe(kill("kernel-log", 10, 100, { sequence: "1" }));
  const group = { source: "kernel-log", incident: "1", at: at(10) } as const;
  ledger.observe({ kind: "group", sequence: "2", cgroup: "/a", ...group });
  ledger.observe(count("node", [9, 10.1], 2));
  ledger.observe(count("node", [29, 30], 3));
  const told = [...ledger.take(), ...settle(ledger, 30, 36)];
  ledger.observe(kill("kernel-log", 36, 4219));
  told.push(...ledger.take(), ...settle(ledger, 36, 50));
  const last = new Map(told.map((record) => [record.id, record]));
  const outcomes = [...last.values()].map(({ victim, outcome }) => [victim.tid, outcome]);
  assert.deepEqual(outcomes, [
    [100, "killed"],
    [4219, "killed"],
    [4219, "duplicate"],
  ]);
  assert.deepEqual([ledger.summary().kernel, ledger.summary().recorded], [2, 2]);
});

test("a kill that a counter saw before another one happened keeps its record, and the log's words go to the other", () => {
  const ledger = withNode();
  ledger.observe(count("node", [19, 20], 1));
  ledger.observe(count({ path: "/a", extent: "subtree" }, [19, 20], 1));
  const told = settle(ledger, 20, 22.3);
  ledger.observe(kill("kernel-log", 22.2, 4219, { cgroup: stamp("/a/b", "kernel-log") }));
  told.push(...settle(ledger, 22.4, 22.5));
  const [first] = told;
  assert.deepEqual(
    [told.at(-1)?.id, told.at(-1)?.victim.tid],
    [first?.id, 4219],
    "the log may be wrong by so much: it is that kill",
  );
  ledger.observe(kill("tracefs", 22.3, 4219));
  ledger.observe(count("node", [22.1, 22.5], 2));
  ledger.observe(count({ path: "/a", extent: "subtree" }, [22.1, 22.5], 2));
  told.push(...settle(ledger, 23, 40));
  const last = new Map(told.map((record) => [record.id, record]));
  const said = [...last.values()].map(({ victim, cgroup, witnesses }) => [
    victim.tid,
    cgroup.path,
    witnesses,
  ]);
  assert.deepEqual(said, [
    [null, "/a", ["cgroup", "vmstat"]],
    [4219, "/a/b", ["kernel-log", "tracefs", "vmstat"]],
  ]);
  assert.deepEqual([ledger.summary().recorded, ledger.broken], [2, 0]);
});

test("a kill out of a counter that was before the book, as the trace says, is in no later book either", () => {
  const first = newLedger();
  first.observe(count("node", [null, 10], 5, { baseline: true }));
  first.observe(count({ path: "/a" }, [null, 10.1], 1));
  first.observe(count("node", [10, 12], 6));
  settle(first, 12, 16);
  const state = structuredClone(first.state());
  first.observe(kill("tracefs", 9, 4219, { cgroup: stamp("/a") }));
  const [known] = settle(first, 16, 17);
  assert.equal(known?.victim.tid, 4219);
  const journaled = first.kill(known?.id ?? "");
  const next = newLedger(20, state);
  if (journaled !== undefined) next.restore(structuredClone(journaled));
  assert.deepEqual(
    [first.kill(known?.id ?? "")?.inNodeBook, journaled?.at.monotonicMicroseconds],
    ["no", 9 * SECOND],
  );
  assert.equal(next.kill(known?.id ?? "")?.inNodeBook, "no");
});

test("which of the cgroups of a path it was is no more certain because the path is", () => {
  const guess = { ...stamp("/a", "counter"), id: 73 };
  const log = stamp("/a", "kernel-log");
  assert.equal(betterStamp(guess, log)?.id, null);
  assert.equal(betterStamp(log, { ...stamp("/a"), id: 72 })?.id, 72);
});

test("of kills about when the book was opened it has the one that an exact clock puts after that", () => {
  const ledger = newLedger(10);
  ledger.observe(count("node", [null, 10], 7, { baseline: true }));
  const exact = kill("tracefs", 10.0005, 100);
  const vague = kill("kernel-log", 10.3, 200);
  ledger.observe(exact);
  ledger.observe(vague);
  ledger.observe(count("node", [10, 11], 8));
  settle(ledger, 11, 30);
  assert.equal(ledger.killOf(exact)?.inNodeBook, "yes");
  assert.equal(ledger.killOf(vague)?.inNodeBook, "no");
});

test("two exact sources of one kill are one record, also where the counters had made that record before the kill", () => {
  const ledger = withNode();
  ledger.observe(count("node", [9, 10], 1));
  const told = settle(ledger, 10, 15);
  // The counter's next value shows no kill since: this one must be the one it had.
  ledger.observe(count("node", [10, 20], 1));
  ledger.observe(kill("tracefs", 16, 4219));
  ledger.observe(kill("probe", 15.999_995, 4219));
  told.push(...settle(ledger, 20, 30));
  const last = new Map(told.map((record) => [record.id, record]));
  assert.equal(last.size, 1);
  const [record] = last.values();
  assert.deepEqual(record?.witnesses, ["tracefs", "probe", "vmstat"]);
  assert.equal(ledger.summary().unaccounted, 0);
});
