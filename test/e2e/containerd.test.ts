import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LabContainerd, whyNoContainerd } from "../../lab/containerd.ts";
import type { LabPod, LabPods } from "../../lab/containerd-pods.ts";
import { type ContainerDeath, PodStorm } from "../../lab/pod-storm.ts";
import type { KillRecord } from "../../src/model/record.ts";
import { ContainerAgent, within } from "./support/container-agent.ts";
import { type Judgement, judge, untilTold } from "./support/pod-judge.ts";
import { table } from "./support/pod-table.ts";

// Pods of a real containerd are killed for memory, and what a real agent tells of them is compared.

const skip = whyNoContainerd() ?? false;
const HUNGRY = "dd if=/dev/zero of=/dev/null bs=20M";
let containerd: LabContainerd;
let agent: ContainerAgent;
let pods: LabPods;
let pod: LabPod;

before(async () => {
  if (skip) return;
  containerd = await LabContainerd.start();
  const { socket } = containerd;
  agent = await ContainerAgent.start({ containerd: socket, cri: socket });
  pods = await containerd.pods();
  pod = await pods.run("cart-0");
});

after(async () => {
  pods?.close();
  await agent?.dispose();
  await containerd?.dispose();
});

async function run(name: string, script: string): Promise<string> {
  const command = ["sh", "-c", script];
  const id = await pods.create(pod, { name, command, limitMebibytes: 15 });
  await pods.start(id);
  return id;
}

/** Kills below this daemon's cgroup. */
function killsHere(): KillRecord[] {
  const latest = new Map<string, KillRecord>();
  for (const { record } of agent.events) if (record.type === "kill") latest.set(record.id, record);
  return [...latest.values()].filter(({ cgroup }) => cgroup.path?.startsWith(containerd.cgroup));
}

async function stormed(
  storm: Promise<void>,
  deaths: ContainerDeath[],
  away: boolean,
): Promise<Judgement> {
  await storm;
  await untilTold(agent, deaths);
  const records = agent.events.map(({ record }) => record);
  return judge(deaths, records, away);
}

/** What must be right of every container, also of those that begin and end while containerd is away. */
function assertRight(judged: Judgement): void {
  const { containers, recorded, rightPod, beforeExit, rightVerdict } = judged;
  const all = { recorded: containers, rightPod: containers, beforeExit: containers };
  assert.deepEqual(
    { recorded, rightPod, beforeExit, rightVerdict },
    { ...all, rightVerdict: containers },
    judged.complaints.join("\n"),
  );
}

test("8 pods, 10 rounds: every kill, its pod, before the exit, with the verdict", {
  skip,
}, async (t) => {
  const deaths: ContainerDeath[] = [];
  const before = killsHere().length;
  const storm = await PodStorm.create(containerd, 8);
  const judged = await stormed(
    storm.rounds(10, (death) => void deaths.push(death)),
    deaths,
    false,
  );
  storm.close();
  for (const line of table(await containerd.version(), judged).split("\n")) t.diagnostic(line);
  assert.equal(judged.containers, 80);
  assert.equal(storm.forgotten.size, 0);
  assertRight(judged);
  assert.equal(judged.rightVictim, 80, judged.complaints.join("\n"));
  assert.equal(killsHere().length - before, 80, "nothing is invented");
  // The limit of a container that is gone before anybody could look is unknown, and not guessed.
  assert.ok(judged.rightLimit >= 60, `${judged.rightLimit} limits known`);
  // The kubelet's count comes with the status, for which a container that is gone cannot be asked.
  assert.ok(judged.rightCount >= 76, `${judged.rightCount} counts of restarts known`);
  const wrong = judged.complaints.filter((complaint) => !complaint.startsWith("rightCount:"));
  assert.deepEqual(wrong, []);
  assert.equal((await agent.agent.ledger()).unaccounted, 0);
});

test("containerd is killed and started in the middle of a storm", { skip }, async (t) => {
  const deaths: ContainerDeath[] = [];
  const before = killsHere().length;
  const seen = agent.events.length;
  const storm = await PodStorm.create(containerd, 6);
  const rounds = storm.rounds(6, (death) => void deaths.push(death));
  rounds.catch(() => {});
  await within(60, "ten containers", () => deaths.length >= 10);
  await containerd.stopDaemon("SIGKILL");
  await sleep(2_000);
  await containerd.startDaemon();
  const judged = await stormed(rounds, deaths, true);
  storm.close();
  for (const line of table("containerd, killed", judged).split("\n")) t.diagnostic(line);
  // Of these nobody but the agent knows how they ended.
  const forgotten = [...storm.forgotten].map((id) => agent.told(id).kills.length);
  t.diagnostic(
    `forgotten by containerd itself: ${forgotten.length}, our kills in them: ${forgotten}`,
  );
  assertRight(judged);
  const kills = killsHere().slice(before);
  const ids = kills.map(({ container }) => container?.id ?? "unknown");
  assert.equal(new Set(ids).size, kills.length, "nothing is told twice");
  assert.deepEqual(
    ids.filter((id) => !storm.created.has(id)),
    [],
    "nothing is invented",
  );
  // Which process is the main one, only containerd knows: of those it could not tell us, it is unknown and not guessed.
  assert.deepEqual(
    kills.filter(({ victim, visibility }) => victim.main === false || visibility !== "visible"),
    [],
  );
  const states = agent.events
    .slice(seen)
    .flatMap(({ record }) =>
      record.type === "source" ? [`${record.source} ${record.state}`] : [],
    );
  for (const source of ["containerd", "cri"]) {
    assert.ok(states.includes(`${source} down`), `the gap of ${source} is stated: ${states}`);
    assert.ok(states.lastIndexOf(`${source} up`) > states.indexOf(`${source} down`), `${states}`);
  }
});

describe("what ended, and what did not", { skip, concurrency: 4 }, () => {
  test("a child is killed, the container lives; later exit 0", async () => {
    const id = await run("parent", `sleep 1; ${HUNGRY}; sleep 4`);
    await within(15, "the kill", () => agent.told(id).kills.length === 1);
    await within(10, "that it was invisible", () => {
      return agent.told(id).kills[0]?.visibility === "invisible";
    });
    const { kills, exits } = await agent.expect(id, 1, 1);
    assert.deepEqual([kills[0]?.victim.main, kills[0]?.pod?.name], [false, "cart-0"]);
    const { reason } = await pods.status(id);
    const verdict = reason === "OOMKilled" ? "oom-stale" : "not-oom";
    assert.deepEqual([exits[0]?.exitCode, exits[0]?.verdict], [0, verdict], reason);
  });

  test("processes of exec, and a container that is stopped: no kill of the kernel", async () => {
    const id = await run("calm", "while sleep 1; do :; done");
    assert.equal(await pods.execute(id, ["sh", "-c", "exit 7"]), 7);
    assert.equal(await pods.execute(id, ["sh", "-c", "kill -9 $$"]), 137);
    await sleep(500);
    assert.equal(agent.told(id).exits.length, 0, "exec is no exit");
    await pods.stop(id, 0);
    const { exits } = await agent.expect(id, 0, 1);
    assert.deepEqual([exits[0]?.exitCode, exits[0]?.verdict], [137, "not-oom"]);
  });

  test("an exec is killed for memory: a child, and the container lives", async () => {
    const id = await run("probed", "while sleep 1; do :; done");
    assert.equal(await pods.execute(id, ["sh", "-c", `exec ${HUNGRY}`]), 137);
    const { kills } = await agent.expect(id, 1, 0);
    assert.equal(kills[0]?.victim.main, false);
    await within(10, "visibility", () => agent.told(id).kills[0]?.visibility === "invisible");
    await pods.stop(id, 0);
    await agent.expect(id, 1, 1);
  });

  test("another namespace than Kubernetes'", async () => {
    const name = `bare-${process.pid}`;
    containerd.runBare(name, HUNGRY.split(" "), 15);
    const { kills, exits } = await agent.expect(name, 1, 1);
    const { container, pod: none, victim } = kills[0] ?? assert.fail();
    assert.deepEqual([container?.name, none, victim.main], [name, null, true]);
    assert.deepEqual([exits[0]?.verdict, exits[0]?.exitCode], ["oom-killed", 137]);
  });
});

test("pause containers are nobody's workload", { skip }, async () => {
  const other = await pods.run("short-lived");
  await pods.removePod(other);
  await sleep(4_000);
  assert.deepEqual(agent.told(other.id), { kills: [], exits: [] });
});
