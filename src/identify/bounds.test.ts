import assert from "node:assert/strict";
import { test } from "node:test";
import { Containers } from "./containers.ts";
import { cgroupOf, idOf, instant, killRecord, Story } from "./testing/story.ts";

const CONTAINERS = 10_000;
/** Characters of a checkpoint per container that has lived once; measured 1,100. */
const CHARACTERS_PER_CONTAINER = 1_500;

test("of containers that are gone a thousand are remembered, the latest, and the checkpoint stays small", () => {
  const story = new Story();
  for (let number = 0; number < CONTAINERS; number++) {
    const ms = number * 10;
    story.to(ms).container(ms, number, { name: `job-${number}`, mainPid: 300 + (number % 30_000) });
    story.kill(ms + 5, 300 + (number % 30_000), { cgroup: cgroupOf(number) });
    story.exit(ms + 6, number, { code: 137, pid: 300 + (number % 30_000), oom: true });
    story.gone(ms + 7, number);
  }
  story.to(CONTAINERS * 10 + 60_000);
  assert.equal(story.exits.length, CONTAINERS);
  assert.ok(
    story.exits.every(({ verdict, kills }) => verdict === "oom-killed" && kills.length === 1),
  );
  const state = story.containers.state();
  assert.ok(state.inventory.entries.length <= 1_200, `${state.inventory.entries.length} entries`);
  assert.ok(state.kills.length <= 2_000, `${state.kills.length} kills`);
  assert.ok(state.inventory.entries.some(({ id }) => id === idOf(CONTAINERS - 1)));
  assert.ok(JSON.stringify(state).length < 1_200 * CHARACTERS_PER_CONTAINER + 2_000 * 500);
});

test("of containers that are there ten thousand are known, and more do no harm", () => {
  const story = new Story();
  const many = CONTAINERS + 2_000;
  for (let number = 0; number < many; number++) {
    story.container(number, number, { name: `web-${number}`, mainPid: 300 + number });
  }
  const state = story.containers.state();
  assert.ok(state.inventory.entries.length <= CONTAINERS, `${state.inventory.entries.length}`);
  assert.ok(JSON.stringify(state).length < CONTAINERS * CHARACTERS_PER_CONTAINER);
});

test("a container in a loop, with hostile words, keeps a bounded history", () => {
  const story = new Story();
  const name = '\u0000\n"'.repeat(10_000);
  for (let round = 0; round < 300; round++) {
    const ms = 1_000 + round * 300;
    const pid = 300 + round;
    story.to(ms).container(ms, 1, { name, image: name, mainPid: pid, startedAt: instant(ms) });
    story.oom(ms + 50, 1).kill(ms + 50, pid, { cgroup: cgroupOf(1) });
    story.exit(ms + 51, 1, { code: 137, pid, oom: true });
    story.exit(ms + 52, 1, { code: 137, pid, by: "containerd" });
  }
  story.to(300 * 300 + 60_000);
  assert.equal(story.exits.length, 300);
  assert.equal(new Set(story.exits.flatMap(({ kills }) => kills)).size, 300);
  const [entry] = story.containers.state().inventory.entries;
  assert.ok(JSON.stringify(entry).length < 40_000, `${JSON.stringify(entry).length} characters`);
});

test("an exit lists its last hundred kills", () => {
  const story = new Story().container(10, 1, { mainPid: 500, startedAt: instant(10) });
  for (let index = 0; index < 300; index++) {
    story.kill(100 + index, 1_000 + index, { cgroup: cgroupOf(1) });
  }
  story.exit(5_000, 1, { code: 1, pid: 500 }).to(60_000);
  assert.equal(story.exits[0]?.kills.length, 100);
  assert.equal(story.exits[0]?.kills.at(-1), "kill-399-1299");
});

test("exits told by an earlier process are bounded before the clocks are known", () => {
  const containers = new Containers(null);
  const story = new Story().container(10, 1, { mainPid: 500, startedAt: instant(10) });
  story.exit(100, 1, { code: 0, pid: 500 }).to(20_000);
  const [exit] = story.exits;
  assert.ok(exit !== undefined);
  for (let index = 0; index < 20_000; index++) containers.exitTold(exit);
  assert.ok(containers.state().toldBefore.length <= 2_000);
});

test("numbers that no runtime should say make no harm", () => {
  const story = new Story();
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 60]) {
    const at = { monotonicMicroseconds: odd, wallMicroseconds: odd, uncertaintyMicroseconds: 0 };
    const said = { source: "docker", at, containerId: idOf(1) } as const;
    story.container(5, 1, { mainPid: odd, startedAt: at, restarts: odd });
    story.hear({ kind: "exit", ...said, exitCode: odd, mainPid: odd, oomReported: true });
    story.hear({ kind: "oom-report", ...said }).hear({ kind: "gone", ...said });
    story.hear({ kind: "list", source: "docker", at, containerIds: [] });
    story.containers.killTold(killRecord(1, odd, { cgroup: cgroupOf(1) }), at);
    story.take();
  }
  story.to(60_000);
});
