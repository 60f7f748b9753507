/** Real kills are explained where people look: in `watch`, in `show`, in the API; and still after a restart. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { killsPossible, type LabCgroup, programPath } from "../../lab/lab.ts";
import { Stage } from "../../lab/stage.ts";
import type { ExplainedKill, Explanation } from "../../src/model/explanation.ts";
import { oomwitness, type Running } from "./run-command.ts";
import { TestAgent } from "./support/agent.ts";

const possible = killsPossible();
const skip = possible.ok ? false : possible.reason;
const MIB = 1 << 20;
/** The kernel prints ten reports in five seconds for the whole machine: those of other tests are over by then. */
const RATE_LIMIT_MILLISECONDS = 5_200;
/** Explained 0.5 s after the kill, and on disk 0.1 s later; on a busy machine some more. */
const TOLD_MILLISECONDS = 15_000;
const ATTEMPTS = 3;
const VOLUME = `/dev/shm/oomwitness-lab-${process.pid}`;

let agent: TestAgent;
let stage: Stage;
let watch: Running;
let cgroups = 0;

before(async () => {
  if (skip) return;
  agent = await TestAgent.create();
  stage = new Stage();
  await agent.start();
  watch = oomwitness(["watch"]);
  await watch.until(/PROCESS +/);
  await sleep(RATE_LIMIT_MILLISECONDS);
});

after(async () => {
  if (skip) return;
  watch.child.kill("SIGINT");
  await watch.ended;
  rmSync(VOLUME, { force: true });
  await stage.clear();
  await agent.dispose();
});

const get = async (id: string) => (await agent.get(`/api/v1/kills/${id}`)) as ExplainedKill;

function explanationOf(kill: ExplainedKill): Explanation {
  return kill.explanation ?? assert.fail("a kill without an explanation");
}

const hasReport = (kill: ExplainedKill) => explanationOf(kill).memory !== null;

function finding(kill: ExplainedKill, rule: string): string {
  const found = explanationOf(kill).findings.filter((one) => one.rule === rule);
  return found.map(({ sentence }) => sentence).join(" ");
}

/** The kills of a cgroup, oldest first, once all are explained from their reports or it is clear that some never will. */
async function killsIn(cgroup: LabCgroup, count: number): Promise<ExplainedKill[]> {
  let kills: ExplainedKill[] = [];
  for (const end = Date.now() + TOLD_MILLISECONDS; Date.now() < end; await sleep(200)) {
    const ours = (await agent.kills()).filter(({ cgroup: { path } }) => path === cgroup.path);
    kills = await Promise.all(ours.map(({ id }) => get(id)));
    if (kills.length >= count && kills.every(hasReport)) break;
  }
  assert.equal(kills.length, count);
  return kills.toReversed();
}

/** Plays it in a cgroup of its own, anew where other kills on this machine have used up the kernel's reports. */
async function withReports(
  play: (cgroup: LabCgroup) => Promise<number>,
): Promise<{ kills: ExplainedKill[]; cgroup: LabCgroup }> {
  for (let attempt = 1; ; attempt++) {
    const cgroup = stage.tree.create(`explained-${cgroups++}`, 20 * MIB);
    const kills = await killsIn(cgroup, await play(cgroup));
    if (kills.every(hasReport)) return { kills, cgroup };
    for (const kill of kills.filter((one) => !hasReport(one)))
      assert.match(finding(kill, "lost-evidence"), /printed no report/);
    assert.ok(attempt < ATTEMPTS, "the kernel printed no report: somebody else's kills?");
    await sleep(RATE_LIMIT_MILLISECONDS);
  }
}

async function show(id: string): Promise<string> {
  const command = oomwitness(["show", id, "--state-dir", agent.stateDirectory]);
  assert.equal(await command.ended, 0, command.errors());
  return command.out();
}

test("a child under a supervisor: its limit, who it is, and that it is started again", {
  skip,
}, async () => {
  const { kills, cgroup } = await withReports(async ({ directory }) => {
    const program = `${programPath("supervisor")} --kills 3 --mib 64 --pause 200`;
    const script = `echo 0 > ${directory}/cgroup.procs; exec ${program}`;
    const part = { comm: "supervisor", cgroup: directory, hold: false };
    const supervisor = await stage.run("sh", ["-c", script], part);
    await supervisor.killed;
    return 3;
  });
  for (const kill of kills) {
    const { headline, rankingAgrees, ranking, advice } = explanationOf(kill);
    assert.equal(kill.victim.comm, "worker");
    assert.match(headline, new RegExp(`^worker\\[${kill.victim.pid}\\] killed: .*20 MiB`));
    assert.equal(rankingAgrees, true);
    assert.deepEqual(
      ranking.map(({ comm, victim }) => [comm, victim]),
      [
        ["worker", true],
        ["supervisor", false],
      ],
    );
    assert.ok(advice.length > 0);
  }
  const [first, second, last] = kills;
  assert.ok(first !== undefined && second !== undefined && last !== undefined);
  assert.match(finding(first, "pattern"), /first kill here/);
  assert.match(finding(last, "pattern"), /the 3rd kill here.*supervisor\[\d+\] lives through it/s);
  const page = await show(last.id);
  assert.match(page, /WHAT HAPPENED\n.*the 3rd kill here.*WHAT TO DO\n.*PROCESSES: all 2/s);
  assert.ok(page.includes(`Kill ${last.id}`), "the facts of the record follow");
  await watch.until(new RegExp(`why worker\\[${first.victim.pid}\\] killed: .*20 MiB`));
  assert.doesNotMatch(watch.out(), new RegExp(`why worker\\[${last.victim.pid}\\]`), "said once");
  assert.equal(cgroup.path, first.cgroup.path);
});

test("a memory-backed volume that was filled", { skip }, async () => {
  const { kills } = await withReports(async (cgroup) => {
    const before = stage.deaths.length;
    await stage.start({ comm: "web", cgroup, mib: 4, hold: true });
    const write = `exec dd if=/dev/zero of=${VOLUME} bs=1M count=40`;
    const script = `echo 0 > ${cgroup.directory}/cgroup.procs; ${write}`;
    const part = { comm: "dd", cgroup: cgroup.path, hold: false };
    const writer = await stage.run("sh", ["-c", script], part);
    await writer.killed;
    await (await stage.run("rm", ["-f", VOLUME], part)).killed;
    return stage.deaths.length - before;
  });
  const web = kills.find(({ victim }) => victim.comm === "web");
  assert.ok(web !== undefined, "the innocent one is killed first");
  assert.match(explanationOf(web).headline, /tmpfs/);
  assert.match(finding(web, "memory-volume"), /memory-backed volume/);
  assert.equal(explanationOf(web).memory?.parts[0]?.name.includes("tmpfs"), true);
  assert.match(await show(web.id), /memory-backed volume/);
  await watch.until(new RegExp(`why web\\[${web.victim.pid}\\] killed: .*tmpfs`));
});

test("what was told is told again when the agent has ended, and after a crash and a restart", {
  skip,
}, async () => {
  const kills = await agent.kills();
  const told = await Promise.all(kills.slice(0, 5).map(({ id }) => get(id)));
  assert.ok(told.some(hasReport));
  await sleep(500);
  await agent.kill9();
  for (const kill of told) {
    const json = oomwitness(["show", kill.id, "--json", "--state-dir", agent.stateDirectory]);
    assert.equal(await json.ended, 0);
    const stored: ExplainedKill = JSON.parse(json.out());
    assert.deepEqual(stored.explanation, kill.explanation);
  }
  await agent.start();
  for (const kill of told) assert.deepEqual((await get(kill.id)).explanation, kill.explanation);
});
