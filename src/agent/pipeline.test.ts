import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as evidence from "../ledger/testing.ts";
import type { KillObservation } from "../model/observation.ts";
import type { Sink, StreamRecord } from "../sinks/sink.ts";
import { createStore } from "../sinks/store.ts";
import { manualClock } from "../sinks/testing/records.ts";
import type { Pipeline } from "./pipeline.ts";
import { rig, temporary } from "./testing/rig.ts";

const kill = (tid: number): KillObservation => evidence.kill("tracefs", 1, tid);

const opened = (told: readonly StreamRecord[]): string[] =>
  told.flatMap(({ record }) =>
    record.type === "kill" && record.revision === 0 ? [record.id] : [],
  );

const drops = (pipeline: Pipeline, name: string): number | undefined =>
  pipeline.view.metrics().drops.find(({ what }) => what === name)?.count;

test("a full disk: kills are told all the same, it is said once, and the books go on", async (t) => {
  const [directory, clock, disk] = [temporary(t), manualClock(), { full: false }];
  clock.advance(2_000);
  const first = rig({ directory, clock, disk });
  disk.full = true;
  first.emit(kill(1));
  first.emit(kill(2));
  clock.advance(20_000);
  assert.equal(opened(first.told).length, 2);
  assert.equal(first.reports.length, 1, first.reports.join("\n"));
  assert.match(first.reports[0] ?? "", /journal\.jsonl: ENOSPC/);
  assert.ok((drops(first.pipeline, "journal") ?? 0) >= 2);

  disk.full = false;
  first.emit(kill(3));
  clock.advance(6_000);
  assert.match(first.reports[1] ?? "", /again/);
  await first.pipeline.stop();

  const second = rig({ directory, clock });
  assert.deepEqual(second.pipeline.problems, []);
  second.emit(kill(1), kill(2), kill(3), kill(4));
  assert.equal(opened(second.told).length, 1, "what is known is not opened again");
  clock.advance(6_000);
  assert.equal(second.pipeline.view.metrics().kills[0]?.value, 4);
  await second.pipeline.stop();
});

test("an agent that stops while the disk is full still closes its sinks", async (t) => {
  const [directory, clock, disk] = [temporary(t), manualClock(), { full: true }];
  let closed = false;
  const sink: Sink = {
    name: "closing",
    accept: () => {},
    close: async () => {
      closed = true;
    },
  };
  const { pipeline, emit } = rig({ directory, clock, disk, sinks: [sink] });
  emit(kill(1));
  await pipeline.stop();
  assert.ok(closed);
});

test("entries behind half a line in the journal are found after the next crash", (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  fs.writeFileSync(path.join(directory, "journal.jsonl"), '{"sequence":7,"record":{"ty');
  rig({ directory, clock }).emit(kill(1));
  // The process dies here: no checkpoint was made.
  const next = rig({ directory, clock });
  assert.equal(opened(next.told).length, 1);
});

test("when the checkpoint is lost the stream goes on behind what the store has", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const store = () => createStore({ path: `${directory}/db`, clock, report: () => {} });
  const first = rig({ directory, clock, sinks: [store()] });
  for (let tid = 1; tid <= 5; tid++) first.emit(kill(tid));
  await first.pipeline.stop();
  const last = first.told.at(-1)?.sequence ?? 0;
  fs.writeFileSync(path.join(directory, "checkpoint.json"), "{");

  const second = rig({ directory, clock, sinks: [store()] });
  assert.equal(second.pipeline.problems.length, 1);
  second.emit(kill(6));
  assert.equal(
    second.told.at(-1)?.sequence,
    last + 2,
    "behind what the store has, and a source record",
  );
  await second.pipeline.stop();
});

test("every kill without a cgroup is counted, in a storm and over a restart", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const first = rig({ directory, clock });
  for (let tid = 1; tid <= 1_500; tid++) first.emit(kill(tid));
  clock.advance(6_000);
  assert.equal(first.pipeline.view.metrics().unattributedKills, 1_500);
  first.emit(kill(2_000));
  await first.pipeline.stop();

  const second = rig({ directory, clock });
  assert.equal(second.pipeline.view.metrics().unattributedKills, 1_500);
  second.emit(kill(2_001));
  // The process dies here: the journal has the last kill.
  const third = rig({ directory, clock });
  clock.advance(6_000);
  assert.equal(third.pipeline.view.metrics().unattributedKills, 1_502);
  await third.pipeline.stop();
});

test("a kill is counted for the cgroup that counters give it, also when the machine is so busy that this comes late", (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const docker = { path: `/docker/${"a".repeat(64)}` };
  const { pipeline, emit } = rig({ directory, clock });
  emit(evidence.count("node", [null, 2], 5, { baseline: true }));
  emit(evidence.kill("tracefs", 2.1, 1));
  emit(evidence.count("node", [2, 2.2], 6), evidence.count(docker, [2, 2.2], 1));
  clock.advance(3_900);
  clock.stall(2_500);
  clock.advance(100);
  const counted = pipeline.view.metrics().kills.filter(({ value }) => value > 0);
  assert.deepEqual(
    counted.map(({ labels }) => labels["container"]),
    ["a".repeat(12)],
  );
  assert.equal(pipeline.view.metrics().unattributedKills, 0);
});

test("what the store could not take is told to it by the next process", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const broken: Sink = {
    name: "broken",
    accept: () => {},
    flush: () => false,
    close: async () => {},
  };
  const first = rig({ directory, clock, sinks: [broken] });
  first.emit(evidence.count("node", [null, 2], 5, { baseline: true }));
  first.emit(evidence.kill("tracefs", 2.1, 1));
  first.emit(evidence.count("node", [2, 2.2], 6));
  clock.advance(20_000);
  await first.pipeline.stop();
  const second = rig({ directory, clock });
  assert.deepEqual(opened(second.told), opened(first.told));
  clock.advance(6_000);
  assert.equal(second.pipeline.view.metrics().kills[0]?.value, 1, "and counted once");
  await second.pipeline.stop();
});

test("a clean end: what the counters read last have and nobody told of has a record, and the last word on the books is 0", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const { pipeline, emit, told } = rig({ directory, clock });
  emit(evidence.count("node", [null, 2], 5, { baseline: true }));
  emit(evidence.kill("tracefs", 2.1, 1), evidence.count("node", [2, 2.2], 8));
  const ended = pipeline.stop();
  for (let turn = 0; turn < 200; turn++) {
    clock.advance(10);
    await Promise.resolve();
  }
  await ended;
  const ledger = told.flatMap(({ record }) => (record.type === "ledger" ? [record] : [])).at(-1);
  assert.deepEqual([ledger?.kernel, ledger?.recorded, ledger?.unaccounted], [3, 3, 0]);
  assert.equal(opened(told).length, 3);
});

test("kills after the last reading of the counter are no records too many", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  clock.advance(2_000);
  const { pipeline, emit, told } = rig({ directory, clock });
  emit(evidence.count("node", [null, 2], 5, { baseline: true }));
  emit(evidence.kill("tracefs", 2.1, 1), evidence.count("node", [2, 2.2], 6));
  for (let tid = 2; tid <= 12; tid++) emit(evidence.kill("tracefs", 2.3, tid));
  await pipeline.stop();
  const ledger = told.flatMap(({ record }) => (record.type === "ledger" ? [record] : [])).at(-1);
  assert.deepEqual([ledger?.kernel, ledger?.recorded, ledger?.unaccounted], [1, 1, 0]);
  assert.equal(opened(told).length, 12);
});
