import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import type { KillRecord } from "../../src/model/record.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { ContainerAgent, type Told, within } from "./support/container-agent.ts";

// Containers of a real Docker daemon are killed in every way, and what a real agent tells of them is compared.

const skip = whyNoDocker() ?? false;
let docker: LabDocker;
let agent: ContainerAgent;

/** A main process that forks so many children which are killed. */
function supervisor(kills: number, ...end: readonly string[]): string[] {
  return ["/supervisor", `--kills=${kills}`, "--pause=50", ...end];
}

before(async () => {
  if (skip) return;
  docker = await LabDocker.start();
  agent = await ContainerAgent.start({
    docker: docker.socket,
    containerd: docker.containerdSocket,
  });
});

after(async () => {
  await agent?.dispose();
  await docker?.dispose();
});

describe("Docker: what ended, and what did not", { skip, concurrency: 3 }, () => {
  test("main process killed", async () => {
    const id = await docker.start(16, ["--name=main", "--label=exitCode=3"], ["/hog"]);
    const told = await agent.expect(id, 1, 1);
    assertKills(told, { id, name: "main", main: true });
    const verdict = (await noticed(id)) ? "oom-killed" : "oom-unreported";
    assertExit(told, { exitCode: 137, verdict });
  });

  test("child killed, container lives; then stopped: exit 0", async () => {
    const id = await docker.start(16, ["--name=lives"], supervisor(3, "--until-term=0"));
    const living = await agent.expect(id, 3, 0);
    assertKills(living, { id, name: "lives", main: false });
    await invisible(id);
    await docker.run("stop", id);
    const told = await agent.expect(id, 3, 1);
    assertExit(told, { exitCode: 0, verdict: await staleOrNot(id) });
  });

  test("child killed, later exit 143", async () => {
    const id = await docker.start(16, ["--name=term"], supervisor(1, "--until-term=143"));
    await agent.expect(id, 1, 0);
    await docker.run("stop", id);
    const told = await agent.expect(id, 1, 1);
    assertKills(told, { id, name: "term", main: false });
    assertExit(told, { exitCode: 143, verdict: await staleOrNot(id) });
  });

  test("docker kill: no kill of the kernel", async () => {
    const id = await docker.start(16, ["--name=killed"], supervisor(0, "--until-term=0"));
    await docker.run("kill", id);
    const told = await agent.expect(id, 0, 1);
    // On cgroup v1 Docker now and then reports an OOM kill where a cgroup was removed: then nobody knows.
    assertExit(told, { exitCode: 137, verdict: (await noticed(id)) ? "unknown" : "not-oom" });
  });

  test("docker kill long after a child was killed", async () => {
    const id = await docker.start(16, ["--name=later"], supervisor(1, "--until-term=0"));
    await agent.expect(id, 1, 0);
    await invisible(id);
    await docker.run("kill", id);
    const told = await agent.expect(id, 1, 1);
    assertExit(told, { exitCode: 137, verdict: await staleOrNot(id) });
  });
});

describe("Docker: limits, restarts, removals", { skip, concurrency: 3 }, () => {
  test("a limited container under a parent with a lower limit", async (t) => {
    const noLimit = whyNoV1Kills();
    if (noLimit !== null) return t.skip(noLimit);
    const parent = `/${docker.cgroupParent}/limited`;
    const id = await underLimit(parent, 12);
    const told = await agent.expect(id, 1, 1);
    assertKills(told, { id, name: "under", main: true, scope: "ancestor" });
    const limit = told.kills[0]?.limit;
    if (limit?.cgroup === null) t.diagnostic("the kernel's log had no room for its limit");
    else assert.equal(limit?.cgroup, parent);
    const verdict = (await noticed(id)) ? "oom-killed" : "oom-unreported";
    assertExit(told, { exitCode: 137, verdict });
  });

  test("--restart on-failure: three lives, three kills, three exits", async () => {
    const options = ["--name=again", "--restart=on-failure:2"];
    const id = await docker.start(16, options, supervisor(0, "--pause=100", "--grow"));
    const told = await agent.expect(id, 3, 3);
    assertKills(told, { id, name: "again", main: true });
    for (const [index, exit] of told.exits.entries()) {
      assert.match(exit.verdict, /^oom-(killed|unreported)$/, agent.describe(id));
      assert.deepEqual(exit.kills, [told.kills[index]?.id]);
      assert.equal(exit.container.restarts, index);
    }
  });

  test("--rm: gone within 50 ms of its end", async () => {
    const id = await docker.start(16, ["--name=gone", "--rm"], ["/hog"]);
    const told = await agent.expect(id, 1, 1);
    assertKills(told, { id, name: "gone", main: true });
    // Its inspect is gone, too; but Docker keeps the last 256 events.
    const where = [`--filter=container=${id}`, "--since=0", `--until=${Date.now() / 1000}`];
    const noticed = (await docker.run("events", "--filter=event=oom", ...where)) !== "";
    assertExit(told, { exitCode: 137, verdict: noticed ? "oom-killed" : "oom-unreported" });
  });

  test("docker exec: a kill, and no exit of the container", async () => {
    const id = await docker.start(16, ["--name=exec"], supervisor(0, "--until-term=0"));
    await assert.rejects(docker.run("exec", id, "/hog"));
    assertKills(await agent.expect(id, 1, 0), { id, name: "exec", main: false });
    await docker.run("stop", id);
    const told = await agent.expect(id, 1, 1);
    assertExit(told, { exitCode: 0, verdict: await staleOrNot(id) });
  });

  test("an ordinary end", async () => {
    const id = await docker.start(16, ["--name=fine"], supervisor(0, "--exit=3"));
    assertExit(await agent.expect(id, 0, 1), { exitCode: 3, verdict: "not-oom" });
  });
});

interface Expected {
  readonly id: string;
  readonly name: string;
  readonly main: boolean;
  readonly scope?: KillRecord["limit"]["scope"];
}

function assertKills({ kills }: Told, expected: Expected): void {
  const { id, name, main, scope = "container" } = expected;
  for (const kill of kills) {
    const seen = agent.describe(id);
    assert.equal(kill.container?.runtime, "docker", seen);
    assert.equal(kill.container?.name, name, seen);
    assert.equal(kill.container?.image, "oomwitness/bomb:1", seen);
    assert.equal(kill.victim.main, main, seen);
    // The kernel names the limit of ten kills in five seconds, whoever's; a container's own is concluded, if it is the only one.
    const isNamed = kill.limit.cgroup !== null;
    assert.equal(kill.limit.scope, isNamed ? scope : null, seen);
    assert.ok(kill.witnesses.includes("docker"), seen);
    if (main) assert.equal(kill.visibility, "visible", seen);
  }
}

function assertExit(
  { exits, kills }: Told,
  expected: { readonly exitCode: number; readonly verdict: string },
): void {
  const [exit] = exits;
  assert.ok(exit);
  assert.equal(exit.exitCode, expected.exitCode);
  assert.equal(exit.signal, expected.exitCode > 128 ? expected.exitCode - 128 : null);
  if (exit.verdict === "unknown" && agent.isMuddled(exit)) return;
  assert.equal(exit.verdict, expected.verdict, agent.describe(exit.container.id));
  assert.deepEqual(
    exit.kills,
    kills.map(({ id }) => id),
  );
}

/** Whether Docker itself says OOMKilled: on cgroup v1 it does not notice every kill. */
async function noticed(id: string): Promise<boolean> {
  return (await docker.run("inspect", "--format={{.State.OOMKilled}}", id)) === "true";
}

/** What an end is that had another reason than the child's kill before it. */
async function staleOrNot(id: string): Promise<"oom-stale" | "not-oom"> {
  return (await noticed(id)) ? "oom-stale" : "not-oom";
}

/** A kill is invisible once its main process outlived it for three seconds. */
async function invisible(id: string): Promise<void> {
  const all = () => agent.told(id).kills.every(({ visibility }) => visibility === "invisible");
  await within(10, "all kills invisible", all, () => agent.describe(id));
}

/** A container with 64 MiB of its own in a cgroup with `limitMib`. */
async function underLimit(parent: string, limitMib: number): Promise<string> {
  const directory = `/sys/fs/cgroup/memory${parent}`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/memory.limit_in_bytes`, String(limitMib << 20));
  assert.ok(readdirSync(directory).includes("cgroup.procs"));
  await sleep(50);
  const words = supervisor(0, "--pause=100", "--grow");
  return docker.start(64, ["--name=under", `--cgroup-parent=${parent}`], words);
}
