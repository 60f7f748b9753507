/**
 * What the history of containers costs: µs for each word of a runtime and each kill, with 500 containers that stay and with
 * 1,000 that crash in a loop, and the memory it takes.
 */
import { Containers } from "../src/identify/containers.ts";
import { cgroupOf, instant, killRecord, Story } from "../src/identify/testing/story.ts";
import { say } from "./support/figures.ts";

const STAYING = 500;
const LOOPING = 1_000;
const ROUNDS = 10;

function microseconds(work: () => void, times: number): number {
  const started = performance.now();
  work();
  return ((performance.now() - started) * 1000) / times;
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function described(story: Story, ms: number, number: number, pid: number): void {
  const pod = {
    namespace: "shop",
    name: `web-${number}`,
    uid: null,
    container: "web",
    qosClass: null,
    owner: null,
  };
  const cgroupPath = cgroupOf(number).path;
  const said = { name: `web-${number}`, image: "shop/web:2", pod, cgroupPath };
  story.container(ms, number, { ...said, mainPid: pid, startedAt: instant(ms), restarts: 0 });
}

function staying(): void {
  const before = heapBytes();
  const story = new Story();
  const all = Array.from({ length: STAYING }, (_, index) => index);
  const list = microseconds(() => {
    for (const number of all) described(story, 10, number, 300 + number);
    story.list(11, all);
  }, STAYING);
  say("identify_list_of_500_microseconds_per_container", list, "us");
  const kills = all.flatMap((number) => [1, 2, 3].map((child) => ({ number, child })));
  const opened = microseconds(() => {
    for (const { number, child } of kills) {
      story.kill(100 + child, 10_000 + number * 4 + child, { cgroup: cgroupOf(number) });
    }
  }, kills.length);
  say("identify_kill_told_microseconds", opened, "us");
  const records = kills.map(({ number, child }) =>
    killRecord(100 + child, 10_000 + number * 4 + child, { cgroup: cgroupOf(number) }),
  );
  const identified = microseconds(() => {
    for (const record of records) story.containers.identify(record, instant(101));
  }, records.length);
  say("identify_microseconds_per_call", identified, "us");
  const settled = microseconds(() => story.to(5_000), kills.length);
  say("identify_settle_microseconds_per_kill", settled, "us");
  const turns = 10_000;
  const idle = microseconds(() => {
    for (let turn = 0; turn < turns; turn++) story.to(6_000 + turn);
  }, turns);
  say("identify_idle_turn_microseconds", idle, "us");
  say("identify_heap_of_500_containers_1500_kills", (heapBytes() - before) / 1024, "KiB");
  const state = story.containers.state();
  const saved = microseconds(() => JSON.stringify(state), 1);
  say("identify_checkpoint_milliseconds", saved / 1000, "ms");
  say("identify_checkpoint", JSON.stringify(state).length / 1024, "KiB");
  const resumed = microseconds(() => new Containers(JSON.parse(JSON.stringify(state))), 1);
  say("identify_resume_milliseconds", resumed / 1000, "ms");
}

/** Each is killed and started again: the same containers, or always new ones under the same names. */
function looping(recreated: boolean): void {
  const name = recreated ? "recreated" : "restarted";
  const before = heapBytes();
  const story = new Story();
  const many = LOOPING * ROUNDS;
  const each = microseconds(() => {
    for (let step = 0; step < many; step++) {
      const number = recreated ? step : step % LOOPING;
      const pid = 300 + (step % 30_000);
      story.to(step);
      described(story, step, number, pid);
      story.kill(step, pid, { cgroup: cgroupOf(number) });
      story.exit(step, number, { code: 137, pid, oom: true });
      if (recreated) story.gone(step, number);
    }
  }, many);
  story.to(many + 60_000);
  say(`identify_loop_${name}_microseconds_per_life`, each, "us");
  say(`identify_loop_${name}_exits_told`, story.exits.length);
  story.exits.splice(0);
  story.said.clear();
  say(`identify_loop_${name}_heap`, (heapBytes() - before) / 1024, "KiB");
  say(`identify_loop_${name}_remembered`, story.containers.state().inventory.entries.length);
}

staying();
looping(false);
looping(true);
