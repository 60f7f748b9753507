import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LabPodman, whyNoPodman } from "../../lab/podman.ts";
import { ContainerAgent, type Told, within } from "./support/container-agent.ts";

// Containers of a real Podman, rootful, are killed, and what a real agent tells of them is compared.

const skip = whyNoPodman() ?? false;
let podman: LabPodman;
let agent: ContainerAgent;

before(async () => {
  if (skip) return;
  podman = await LabPodman.start();
  agent = await ContainerAgent.start({ podman: podman.socket });
});

after(async () => {
  await agent?.dispose();
  await podman?.dispose();
});

describe("Podman, rootful", { skip, concurrency: 3 }, () => {
  test("main process killed", async () => {
    const words = ["/supervisor", "--kills=0", "--pause=1000", "--grow"];
    const id = await podman.start(16, ["--name=main", "--label=exitCode=3"], words);
    const told = await agent.expect(id, 1, 1);
    assertKills(told, { id, name: "main", main: true });
    assert.equal(told.kills[0]?.visibility, "visible");
    await assertExit(told, 137, ["oom-killed", "oom-unreported"]);
  });

  test("child killed, container lives; then stopped: exit 0", async () => {
    const words = ["/supervisor", "--kills=3", "--pause=300", "--until-term=0"];
    const id = await podman.start(16, ["--name=lives"], words);
    assertKills(await agent.expect(id, 3, 0), { id, name: "lives", main: false });
    const all = () => agent.told(id).kills.every(({ visibility }) => visibility === "invisible");
    await within(10, "all kills invisible", all, () => agent.describe(id));
    await podman.run("stop", id);
    await assertExit(await agent.expect(id, 3, 1), 0, ["oom-stale", "not-oom"]);
  });

  test("podman kill: no kill of the kernel", async () => {
    const words = ["/supervisor", "--kills=0", "--until-term=0"];
    const id = await podman.start(16, ["--name=killed"], words);
    await podman.run("kill", id);
    await assertExit(await agent.expect(id, 0, 1), 137, ["oom-stale", "not-oom"]);
  });

  test("podman exec: a kill, and no exit of the container", async () => {
    const words = ["/supervisor", "--kills=0", "--until-term=0"];
    const id = await podman.start(16, ["--name=exec"], words);
    await assert.rejects(podman.run("exec", id, "/hog"));
    assertKills(await agent.expect(id, 1, 0), { id, name: "exec", main: false });
    await podman.run("stop", id);
    await assertExit(await agent.expect(id, 1, 1), 0, ["oom-stale", "not-oom"]);
  });

  test("--rm and --restart: as many kills and ends as lives", async () => {
    const words = ["/supervisor", "--kills=0", "--pause=600", "--grow"];
    const [gone, again] = await Promise.all([
      podman.start(16, ["--name=gone", "--rm"], words),
      podman.start(16, ["--name=again", "--restart=on-failure:2"], words),
    ]);
    assertKills(await agent.expect(gone, 1, 1), { id: gone, name: "gone", main: true });
    const told = await agent.expect(again, 3, 3);
    assertKills(told, { id: again, name: "again", main: true });
    for (const [index, exit] of told.exits.entries()) {
      assert.deepEqual(exit.kills, [told.kills[index]?.id], agent.describe(again));
    }
  });
});

function assertKills(
  { kills }: Told,
  expected: { readonly id: string; readonly name: string; readonly main: boolean },
): void {
  const seen = agent.describe(expected.id);
  for (const kill of kills) {
    assert.equal(kill.container?.runtime, "podman", seen);
    assert.equal(kill.container?.name, expected.name, seen);
    assert.equal(kill.victim.main, expected.main, seen);
    // The kernel names the limit of ten kills in five seconds, whoever's.
    const isNamed = kill.limit.cgroup !== null;
    assert.equal(kill.limit.scope, isNamed ? "container" : null, seen);
    assert.ok(kill.witnesses.includes("podman"), seen);
  }
}

/** `verdicts`: when Podman calls it an OOM kill, and when it does not (conmon 2.1 never does with cgroup v1). */
async function assertExit(
  { exits, kills }: Told,
  exitCode: number,
  verdicts: readonly [string, string],
): Promise<void> {
  const [exit] = exits;
  assert.ok(exit);
  const { id } = exit.container;
  const said = await podman.run("inspect", "--format={{.State.OOMKilled}}", id);
  assert.equal(exit.exitCode, exitCode);
  if (exit.verdict === "unknown" && agent.isMuddled(exit)) return;
  // On cgroup v1 runtimes now and then report an OOM kill where a cgroup was removed: then nobody knows.
  const isFalse = said === "true" && kills.length === 0 && exitCode === 137;
  const verdict = isFalse ? "unknown" : verdicts[said === "true" ? 0 : 1];
  assert.equal(exit.verdict, verdict, `${said} ${agent.describe(id)}`);
  assert.deepEqual(
    exit.kills,
    kills.map((kill) => kill.id),
  );
}
