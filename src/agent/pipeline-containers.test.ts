import assert from "node:assert/strict";
import { test } from "node:test";
import * as evidence from "../ledger/testing.ts";
import type { ContainerObservation, ExitObservation, ListObservation } from "../model/container.ts";
import type { ExitRecord, KillRecord } from "../model/record.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import { manualClock } from "../sinks/testing/records.ts";
import { rig, temporary } from "./testing/rig.ts";

const ID = "17db96a24ae1e9dd".repeat(4);
const PATH = `/docker/${ID}`;
const MAIN = 4_200;

function container(seconds: number, mainPid: number | null): ContainerObservation {
  return {
    kind: "container",
    source: "docker",
    at: evidence.at(seconds),
    container: {
      runtime: "docker",
      id: ID,
      name: "shop",
      image: "shop:1",
      imageId: null,
      restarts: 0,
      pod: null,
      sandbox: false,
      cgroupPath: PATH,
      mainPid,
      startedAt: evidence.at(1),
    },
  };
}

function exit(seconds: number, exitCode: number): ExitObservation {
  return {
    kind: "exit",
    source: "docker",
    at: evidence.at(seconds),
    containerId: ID,
    exitCode,
    mainPid: MAIN,
    oomReported: exitCode === 137,
  };
}

const list = (seconds: number): ListObservation => ({
  kind: "list",
  source: "docker",
  at: evidence.at(seconds),
  containerIds: [ID],
});

const killOf = (seconds: number, pid: number) =>
  evidence.kill("tracefs", seconds, pid, { cgroup: evidence.stamp(PATH) });

const kills = (told: readonly StreamRecord[]): KillRecord[] =>
  told.flatMap(({ record }) => (record.type === "kill" ? [record] : []));
const exits = (told: readonly StreamRecord[]): ExitRecord[] =>
  told.flatMap(({ record }) => (record.type === "exit" ? [record] : []));

test("the kill of a main process is told with its container, and before the exit that it explains", async (t) => {
  const clock = manualClock();
  const { pipeline, told, emit } = rig({ directory: temporary(t), clock });
  clock.advance(2_000);
  emit(container(2, MAIN), list(2));
  clock.advance(1_000);
  emit(exit(3, 137));
  emit(killOf(2.99, MAIN));
  clock.advance(15_000);
  const [kill] = kills(told);
  assert.equal(kill?.container?.name, "shop");
  assert.equal(kills(told).at(-1)?.victim.main, true);
  assert.equal(kills(told).at(-1)?.visibility, "visible");
  const [end, ...others] = exits(told);
  assert.deepEqual(others, []);
  assert.deepEqual([end?.verdict, end?.kills], ["oom-killed", [kill?.id]]);
  const order = told.map(({ record }) => record.type);
  assert.ok(order.indexOf("kill") < order.indexOf("exit"));
  await pipeline.stop();
});

test("a child's kill is invisible once the main process has outlived it", async (t) => {
  const clock = manualClock();
  const { pipeline, told, emit } = rig({ directory: temporary(t), clock });
  clock.advance(2_000);
  emit(container(2, MAIN), list(2), killOf(2, MAIN + 7));
  assert.equal(kills(told)[0]?.visibility, "pending");
  clock.advance(5_000);
  assert.equal(kills(told).at(-1)?.visibility, "invisible");
  assert.equal(kills(told).at(-1)?.victim.main, false);
  clock.advance(10_000);
  const shop = pipeline.view
    .metrics()
    .invisibleKills.find((one) => one.labels["container"] === "shop");
  assert.equal(shop?.value, 1);
  await pipeline.stop();
});

test("a crash of the agent between kill and exit: both are told once, and the exit knows its kill", async (t) => {
  const [directory, before, clock] = [temporary(t), manualClock(), manualClock()];
  const first = rig({ directory, clock: before });
  before.advance(2_000);
  first.emit(container(2, MAIN), list(2));
  before.advance(6_000);
  first.emit(killOf(8, MAIN));
  before.advance(100);
  first.emit(exit(8.05, 137));
  // The process dies here: the last checkpoint knows the container, the journal the kill; the exit was not told.
  assert.equal(exits(first.told).length, 0);
  clock.advance(9_000);
  const second = rig({ directory, clock });
  second.emit(container(9, null), exit(8.05, 137), list(9));
  clock.advance(15_000);
  const [end, ...others] = exits(second.told);
  assert.deepEqual(others, []);
  assert.equal(end?.verdict, "oom-killed");
  assert.deepEqual(end?.kills, [kills(first.told)[0]?.id]);
  await second.pipeline.stop();

  const third = rig({ directory, clock });
  third.emit(container(24, null), exit(8.05, 137), list(24));
  clock.advance(15_000);
  assert.deepEqual(exits(third.told), [], "an exit is told once");
  await third.pipeline.stop();
});

test("a crash of the agent while it holds an exit: it is told, though the runtime has forgotten the container", async (t) => {
  const [directory, before, clock] = [temporary(t), manualClock(), manualClock()];
  const first = rig({ directory, clock: before });
  before.advance(2_000);
  first.emit({ ...list(2), containerIds: [] });
  before.advance(6_000);
  first.emit(container(8, MAIN), killOf(8.1, MAIN), exit(8.15, 137));
  before.advance(100);
  assert.deepEqual(exits(first.told), []);
  // The process dies here: the last checkpoint is older than the container.
  clock.advance(9_000);
  const second = rig({ directory, clock });
  second.emit({ ...list(9), containerIds: [] });
  clock.advance(15_000);
  const [end, ...others] = exits(second.told);
  assert.deepEqual(others, []);
  assert.deepEqual([end?.container.name, end?.exitCode, end?.verdict], ["shop", 137, "oom-killed"]);
  assert.deepEqual(end?.kills, [kills(first.told)[0]?.id]);
  await second.pipeline.stop();
});

test("a crash of the agent right after an exit was told: it is not told again", async (t) => {
  const [directory, before, clock] = [temporary(t), manualClock(), manualClock()];
  const first = rig({ directory, clock: before });
  before.advance(2_000);
  first.emit(container(2, MAIN), list(2));
  before.advance(6_000);
  first.emit(killOf(8, MAIN), exit(8.05, 137));
  for (let turn = 0; turn < 200 && exits(first.told).length === 0; turn++) before.advance(100);
  assert.equal(exits(first.told).length, 1);
  // The process dies here: only the journal has the exit.
  clock.advance(21_000);
  const second = rig({ directory, clock });
  second.emit(container(21, null), exit(8.05, 137), list(21));
  clock.advance(15_000);
  assert.deepEqual(
    exits(second.told).map(({ at }) => at),
    exits(first.told).map(({ at }) => at),
    "told to the sinks once more from the journal, and not a second time",
  );
  await second.pipeline.stop();
});
