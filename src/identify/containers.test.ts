import assert from "node:assert/strict";
import { test } from "node:test";
import { cgroupOf, idOf, instant, Story } from "./testing/story.ts";

/** Container 1 runs since 10 ms with main pid 500. */
function running(): Story {
  return new Story()
    .list(1, [])
    .container(10, 1, { name: "shop", mainPid: 500, startedAt: instant(10), restarts: 0 });
}

function verdicts(story: Story): string[] {
  return story.exits.map(({ verdict, kills }) => [verdict, ...kills].join(" "));
}

test("the main process is killed: visible at once, and the exit after it is oom-killed", () => {
  const story = running().kill(100, 500, { cgroup: cgroupOf(1) });
  const identity = story.identity(100, 500);
  assert.equal(identity?.container?.name, "shop");
  assert.deepEqual([identity?.main, identity?.visibility], [true, "visible"]);
  story.exit(101, 1, { code: 137, pid: 500, oom: true }).to(3_000);
  assert.deepEqual(verdicts(story), ["oom-killed kill-100-500"]);
});

test("an exit names no record that turned out to be the same kill as another one", () => {
  const story = running()
    .kill(100, 500, { cgroup: cgroupOf(1) })
    .kill(90, 500, { cgroup: cgroupOf(1) })
    .exit(101, 1, { code: 137, pid: 500, oom: true })
    .to(3_000);
  assert.deepEqual(verdicts(story), ["oom-killed kill-90-500 kill-100-500"]);
  story.kill(100, 500, { cgroup: cgroupOf(1), revision: 1, outcome: "duplicate" }).to(4_000);
  assert.equal(verdicts(story).at(-1), "oom-killed kill-90-500");
  assert.equal(story.exits.at(-1)?.revision, 1);
});

test("a child is killed: pending until the main process has outlived it, and its later exit is stale", () => {
  const story = running().kill(100, 501, { cgroup: cgroupOf(1) });
  assert.deepEqual(
    [story.identity(100, 501)?.main, story.identity(100, 501)?.visibility],
    [false, "pending"],
  );
  story.to(3_101);
  assert.equal(story.identity(100, 501)?.visibility, "invisible");
  story.exit(9_000, 1, { code: 143, pid: 500, oom: true }).to(20_000);
  assert.deepEqual(verdicts(story), ["oom-stale kill-100-501"]);
  assert.equal(story.identity(100, 501)?.visibility, "invisible");
});

test("whoever was killed in a life that ended with exit 0, it was not the main process", () => {
  for (const [code, main] of [
    [0, false],
    [143, false],
    [137, null],
    [255, null],
  ] as const) {
    const story = new Story()
      .list(1, [])
      .container(10, 1, { name: "shop", startedAt: instant(10), restarts: 0 })
      .kill(100, 501, { cgroup: cgroupOf(1) });
    assert.equal(story.identity(100, 501)?.main, null);
    story.exit(9_000, 1, { code, oom: null }).to(20_000);
    assert.equal(story.identity(100, 501)?.main, main, `exit ${code}`);
  }
});

test("the exit of a pod's container waits for the CRI's count of restarts, but not for ever", () => {
  const uid = "6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e";
  const pod = { namespace: "a", name: "b", uid, container: "c", qosClass: null, owner: null };
  const facts = { name: "shop", mainPid: 500, startedAt: instant(10), pod };
  const begin = () =>
    new Story()
      .list(1, [], "containerd")
      .list(1, [], "cri")
      .container(10, 1, { ...facts, by: "containerd" })
      .exit(5_000, 1, { code: 1, pid: 500, oom: false, by: "containerd" })
      .to(9_000);
  const story = begin();
  assert.equal(story.exits.length, 0);
  story.container(9_000, 1, { ...facts, restarts: 3, by: "cri" }).to(9_100);
  assert.deepEqual(
    story.exits.map(({ container }) => container.restarts),
    [3],
  );
  const alone = begin().to(15_100);
  assert.deepEqual(
    alone.exits.map(({ container }) => container.restarts),
    [null],
  );
});

test("docker kill, a probe or a userspace killer: 137 and nobody was killed by the kernel", () => {
  const story = running().exit(5_000, 1, { code: 137, pid: 500, oom: false }).to(20_000);
  assert.deepEqual(verdicts(story), ["not-oom"]);
});

test("the runtime says Error because systemd had removed the scope", () => {
  const story = running().kill(100, 500, { cgroup: cgroupOf(1) });
  story.exit(101, 1, { code: 137, pid: 500, oom: false }).to(20_000);
  assert.deepEqual(verdicts(story), ["oom-unreported kill-100-500"]);
});

test("an exit that was told before its kill waits for it", () => {
  const story = running().exit(101, 1, { code: 137, pid: 500, oom: true }).to(1_500);
  assert.deepEqual(verdicts(story), []);
  story.kill(100, 500, { cgroup: cgroupOf(1) }).to(3_000);
  assert.deepEqual(verdicts(story), ["oom-killed kill-100-500"]);
});

test("what ended before anybody watched is not told; what ended while the agent was away is", () => {
  const fresh = new Story(50_000).container(51_000, 1, { startedAt: instant(0) });
  fresh.exit(10_000, 1, { code: 137, oom: true }).list(51_000, [1]).to(90_000);
  assert.deepEqual(verdicts(fresh), []);
  const story = running().to(2_000);
  story.restart(story.containers.state(), []).to(60_000);
  story.exit(20_000, 1, { code: 137, oom: false }).list(60_100, [1]).to(90_000);
  assert.deepEqual(verdicts(story), ["not-oom"]);
});

test("an exit that the journal has is not told again, by whichever source and stamp it comes", () => {
  const story = running();
  const before = story.containers.state();
  story.exit(5_000, 1, { code: 0, pid: 500, oom: false }).to(20_000);
  assert.equal(story.exits.length, 1);
  story.restart(before, [...story.exits]);
  story.container(20_100, 1, { name: "shop" }).exit(5_000, 1, { code: 0, pid: 500, oom: false });
  story.exit(5_200, 1, { code: 0, by: "containerd" }).list(20_200, [1]).to(60_000);
  story.gone(61_000, 1).to(99_000);
  assert.equal(story.exits.length, 1);
});

test("an exit that nobody told is concluded once, also after a restart in the middle", () => {
  const story = running();
  const before = story.containers.state();
  story.list(5_000, []).to(30_000);
  assert.deepEqual(verdicts(story), ["unknown"]);
  story
    .restart(before, [...story.exits])
    .list(31_000, [])
    .to(90_000);
  assert.deepEqual(verdicts(story), ["unknown"]);
});

test("a container of which only the path is known has its id, runtime, pod and QoS class", () => {
  const uid = "6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e";
  const path = `/kubepods/burstable/pod${uid}/cri-containerd-${idOf(7)}`;
  const story = new Story().kill(10, 9, { cgroup: { path, id: null, version: 2 } });
  const identity = story.identity(10, 9);
  assert.deepEqual(
    [identity?.container?.id, identity?.container?.runtime],
    [idOf(7), "containerd"],
  );
  assert.deepEqual([identity?.pod?.uid, identity?.pod?.qosClass], [uid, "Burstable"]);
  assert.deepEqual([identity?.main, identity?.visibility], [null, "unknown"]);
});

test("the same end with stamps that were converted anew is the same end", () => {
  const story = running();
  for (const jitter of [0, 3, -4]) {
    const at = instant(5_000);
    story.hear({
      kind: "exit",
      source: "docker",
      at: { ...at, monotonicMicroseconds: at.monotonicMicroseconds + jitter },
      containerId: idOf(1),
      exitCode: 1,
      mainPid: null,
      oomReported: false,
    });
    story.container(5_100, 1, { mainPid: 600, startedAt: instant(5_100) });
  }
  assert.equal(story.to(60_000).exits.length, 1);
});

test("what prepares a container is killed: it never ran, and the runtime speaks of a failed start", () => {
  const pod = { namespace: "shop", name: "cart-0", uid: "6a4c", container: "api" };
  const story = new Story()
    .list(1, [], "cri")
    .container(10, 1, { by: "cri", pod: { ...pod, qosClass: null, owner: null } })
    .kill(100, 786, { cgroup: cgroupOf(1) })
    .to(4_000);
  assert.equal(story.identity(100, 786)?.main, null);
  story.exit(5_800, 1, { by: "cri", code: 128, oom: false }).to(20_000);
  const identity = story.identity(100, 786);
  assert.deepEqual([identity?.main, identity?.visibility], [true, "visible"]);
  assert.deepEqual(verdicts(story), ["oom-unreported kill-100-786"]);
});

test("a main process that ends with 128 by itself was not killed", () => {
  const story = running().kill(100, 501, { cgroup: cgroupOf(1) });
  story.exit(5_800, 1, { code: 128, pid: 500, oom: false }).to(20_000);
  assert.equal(story.identity(100, 501)?.main, false);
  assert.deepEqual(verdicts(story), ["not-oom kill-100-501"]);
});

test("daemons on a busy machine stamp one start seconds apart: one life, one exit", () => {
  const cgroupPath = cgroupOf(1).path;
  const story = new Story()
    .list(1, [])
    .list(1, [], "containerd")
    // containerd makes the process, starts it 2 s later, and dockerd says so 5 s after that.
    .container(10, 1, { by: "containerd", mainPid: 500, cgroupPath })
    .container(2_010, 1, { by: "containerd", mainPid: 500, startedAt: instant(2_010), cgroupPath })
    .to(7_000)
    .container(7_010, 1, { name: "shop", startedAt: instant(7_010) })
    .container(7_200, 1, { name: "shop", mainPid: 500, startedAt: instant(7_005) })
    .to(30_000);
  assert.deepEqual(verdicts(story), []);
  story
    .exit(31_000, 1, { by: "containerd", code: 3, pid: 500 })
    .exit(36_000, 1, { code: 3, oom: false })
    .to(60_000);
  assert.deepEqual(
    story.exits.map(({ exitCode, verdict }) => [exitCode, verdict]),
    [[3, "not-oom"]],
  );
});

test("a process that ended before its daemon stamped its start lived once", () => {
  const story = new Story()
    .list(1, [])
    .list(1, [], "containerd")
    .container(10, 1, { by: "containerd", mainPid: 500, startedAt: instant(15) })
    .exit(200, 1, { by: "containerd", code: 3, pid: 500 })
    .container(4_010, 1, { name: "shop", startedAt: instant(4_000) })
    .exit(4_000, 1, { code: 3, oom: false })
    .gone(4_500, 1)
    .gone(4_500, 1, "containerd")
    .to(60_000);
  assert.deepEqual(
    story.exits.map(({ exitCode, verdict }) => [exitCode, verdict]),
    [[3, "not-oom"]],
  );
});

test("an end that was concluded and is then heard is amended, under the same id, and is no second exit", () => {
  const story = running().list(5_000, []).to(30_000);
  const state = structuredClone(story.containers.state());
  const [concluded] = story.exits;
  assert.deepEqual(
    [concluded?.exitCode, concluded?.verdict, concluded?.revision],
    [null, "unknown", 0],
  );
  const hear = (until: number) => {
    story
      .kill(4_990, 500, { cgroup: cgroupOf(1) })
      .exit(4_995, 1, { code: 137, pid: 500, oom: true })
      .to(until);
    return story.exits.at(-1);
  };
  const heard = hear(60_000);
  const words = [137, "oom-killed", ["kill-4990-500"], concluded?.id];
  assert.deepEqual([heard?.exitCode, heard?.verdict, heard?.kills, heard?.id], words);
  assert.ok((heard?.revision ?? 0) >= 1);
  // A process that comes after it goes on from there.
  story.exits.splice(1);
  story.restart(state, []).list(60_100, []).to(90_000);
  const again = hear(99_000);
  assert.deepEqual([again?.exitCode, again?.verdict, again?.kills, again?.id], words);
  const many = story.exits.length;
  story
    .restart(state, [...story.exits])
    .list(99_100, [])
    .exit(4_995, 1, { code: 137, pid: 500, oom: true })
    .to(120_000);
  assert.equal(story.exits.length, many, "what the journal has is not told again");
});

test("a verdict that was given before its kill was known is amended", () => {
  const story = running().exit(5_000, 1, { code: 137, pid: 500, oom: false }).to(20_000);
  assert.deepEqual(verdicts(story), ["not-oom"]);
  story.kill(4_999, 500, { cgroup: cgroupOf(1) }).to(40_000);
  assert.deepEqual(verdicts(story), ["not-oom", "oom-unreported kill-4999-500"]);
  assert.deepEqual(
    story.exits.map(({ id, revision }) => [id === story.exits[0]?.id, revision]),
    [
      [true, 0],
      [true, 1],
    ],
  );
});

test("a kill of another process, some time in half a minute, leaves no doubt about a docker kill", () => {
  const story = running();
  story.kill(5_000, 777, { cgroup: { path: null, id: null, version: null } }, 15_000_000);
  story.exit(15_000, 1, { code: 137, pid: 500, oom: false }).to(40_000);
  assert.deepEqual(verdicts(story), ["not-oom"]);
});

test("Docker calls a container OOMKilled in which the kernel's counters have no kill: stale, once they are read", () => {
  const unread = running().exit(5_000, 1, { code: 137, pid: 500, oom: true }).to(40_000);
  assert.deepEqual(verdicts(unread), ["unknown"]);
  unread.balanced(39_000).oom(4_000, 1).to(41_000);
  assert.deepEqual(verdicts(unread), ["unknown", "oom-stale"]);
  const story = running().exit(5_000, 1, { code: 137, pid: 500, oom: true }).balanced(5_500);
  assert.deepEqual(verdicts(story.to(40_000)), ["oom-stale"]);
});

test("an exit 137 waits, not for ever, until the kernel's counters were read after it", () => {
  const begin = () => running().balanced(4_000).to(5_000);
  const dies = { code: 137, pid: 500, oom: false };
  const read = begin().exit(5_000, 1, dies).to(9_000);
  assert.deepEqual(verdicts(read), []);
  assert.deepEqual(verdicts(read.balanced(8_900).oom(8_900, 2).to(9_100)), []);
  assert.deepEqual(verdicts(read.to(10_000)), ["not-oom"]);
  assert.deepEqual(verdicts(begin().exit(5_000, 1, dies).to(15_100)), ["not-oom"]);
});

test("a victim that may have been the main process, reaped late: nothing is claimed", () => {
  const story = new Story()
    .list(1, [], "podman")
    .container(10, 1, { by: "podman", name: "p3", startedAt: instant(10) })
    .kill(1_000, 410, { cgroup: cgroupOf(1) })
    .exit(2_157, 1, { by: "podman", code: 137, oom: true })
    .to(40_000);
  assert.equal(story.identity(1_000, 410)?.visibility, "unknown");
  assert.deepEqual(verdicts(story), ["unknown kill-1000-410"]);
});
