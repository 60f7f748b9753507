import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import type { ContainerFacts, ExitObservation } from "../model/container.ts";
import { createDockerSource } from "./docker.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source } from "./source.ts";

const skip = whyNoDocker() ?? false;
/** The machine may be busy with other tests. */
const SLOW = 15_000;
let docker: LabDocker;

function source(): Source {
  return createDockerSource({ ...DEFAULT_SOURCE_OPTIONS, sockets: { docker: docker.socket } });
}

async function follow(
  t: TestContext,
  one: Source,
  cursor: string | null = null,
): Promise<RunningSource> {
  const running = startSource(one, { cursor });
  t.after(() => running.stop().catch(() => {}));
  assert.equal(typeof (await running.upOrEnd), "string");
  return running;
}

test("docker where there is none says what to do", async () => {
  const sockets = { docker: "/nowhere/docker.sock" };
  const end = await startSource(createDockerSource({ ...DEFAULT_SOURCE_OPTIONS, sockets })).end;
  assert.equal(end.kind, "unavailable");
  assert.match(end.kind === "unavailable" ? end.remedy : "", /--docker-socket/);
});

describe("docker, with a real daemon", { skip }, () => {
  before(async () => {
    docker = await LabDocker.start();
  });
  after(() => docker?.dispose());

  test("is up once, stops within 1 s of the abort, also of one before it is up", async (t) => {
    const running = await follow(t, source());
    for (const one of [running, startSource(source())]) {
      const before = performance.now();
      assert.deepEqual(await one.stop(), { kind: "stopped" });
      assert.ok(performance.now() - before < 1000);
    }
    assert.equal(running.notes.length, 1);
    assert.match(running.notes[0] ?? "", /docker\.sock, 0 containers$/);
  });

  test("main process killed: container, process, cgroup, report and exit", async (t) => {
    const running = await follow(t, source());
    const id = await docker.start(
      16,
      ["--name=victim"],
      ["/supervisor", "--kills=0", "--pause=300", "--grow"],
    );
    await eventually("the exit", () => exitsOf(running, id).length > 0, SLOW);
    const known = lastOf(running, id);
    assert.equal(known?.name, "victim");
    assert.equal(known?.image, "oomwitness/bomb:1");
    assert.equal(known?.cgroupPath, `/${docker.cgroupParent}/${id}`);
    const [exit] = exitsOf(running, id);
    assert.ok((exit?.mainPid ?? 0) > 1);
    assert.equal(exit?.exitCode, 137);
    assert.equal(exit?.oomReported, true);
  });

  test("lives by a policy, which emits no restart: each has its process and its end", async (t) => {
    const running = await follow(t, source());
    const words = ["/supervisor", "--kills=0", "--pause=100", "--grow"];
    const id = await docker.start(16, ["--restart=on-failure:2"], words);
    await eventually("three ends", () => exitsOf(running, id).length === 3, SLOW);
    const pids = exitsOf(running, id).map(({ mainPid }) => mainPid);
    assert.equal(new Set(pids).size, 3, String(pids));
    assert.ok(!pids.includes(null), String(pids));
    await eventually("the count", () => lastOf(running, id)?.restarts === 2, SLOW);
  });

  test("a daemon that is killed: what ended meanwhile is told once it is back", async (t) => {
    const one = source();
    const first = await follow(t, one);
    const dies = await docker.start(16, [], ["/supervisor", "--kills=1", "--pause=1500"]);
    const lives = await docker.start(16, [], ["/supervisor", "--kills=0", "--until-term=0"]);
    await eventually(
      "both processes",
      () => isRunning(first, dies) && isRunning(first, lives),
      SLOW,
    );
    await docker.stopDaemon("SIGKILL");
    await assert.rejects(first.end, "the outage is told");
    assert.deepEqual(exitsOf(first, dies), []);
    await new Promise((done) => setTimeout(done, 2000));
    await docker.startDaemon();
    const second = await follow(t, one, first.cursors.at(-1));
    await eventually("the end", () => exitsOf(second, dies).length > 0, SLOW);
    assert.equal(exitsOf(second, dies)[0]?.exitCode, 0);
    assert.equal(exitsOf(second, dies)[0]?.oomReported, true);
    assert.deepEqual(exitsOf(second, lives), []);
    await docker.run("kill", lives);
    await eventually("the other end", () => exitsOf(second, lives).length > 0, SLOW);
    assert.equal(exitsOf(second, dies).length, 1);
  });
});

function lastOf(running: RunningSource, id: string): ContainerFacts | undefined {
  return running.runtime
    .flatMap((told) => (told.kind === "container" ? [told.container] : []))
    .findLast((container) => container.id === id);
}

function isRunning(running: RunningSource, id: string): boolean {
  return typeof lastOf(running, id)?.mainPid === "number";
}

function exitsOf(running: RunningSource, id: string): ExitObservation[] {
  return running.runtime.flatMap((told) =>
    told.kind === "exit" && told.containerId === id ? [told] : [],
  );
}
