import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { LabPodman, whyNoPodman } from "../../lab/podman.ts";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import type { ContainerFacts, ExitObservation } from "../model/container.ts";
import { createPodmanSource } from "./podman.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source } from "./source.ts";

const skip = whyNoPodman() ?? false;
/** Podman stamps, stores and writes down an event before it tells it. */
const SLOW = 15_000;
let podman: LabPodman;

function source(): Source {
  return createPodmanSource({ ...DEFAULT_SOURCE_OPTIONS, sockets: { podman: podman.socket } });
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

test("podman where there is none says what to do", async () => {
  const sockets = { podman: "/nowhere/podman.sock" };
  const end = await startSource(createPodmanSource({ ...DEFAULT_SOURCE_OPTIONS, sockets })).end;
  assert.equal(end.kind, "unavailable");
  assert.match(end.kind === "unavailable" ? end.remedy : "", /podman\.socket.*--podman-socket/);
});

describe("podman, with a real service", { skip }, () => {
  before(async () => {
    podman = await LabPodman.start();
  });
  after(() => podman?.dispose());

  test("main process killed: container, process, cgroup, exit and removal", async (t) => {
    const running = await follow(t, source());
    const words = ["/supervisor", "--kills=0", "--pause=700", "--grow"];
    const id = await podman.start(16, ["--name=victim", "--label=exitCode=3"], words);
    await eventually("the exit", () => exitsOf(running, id).length > 0, SLOW);
    const known = lastOf(running, id);
    assert.equal(known?.runtime, "podman");
    assert.equal(known?.name, "victim");
    assert.equal(known?.image, "localhost/oomwitness/bomb:1");
    assert.match(known?.imageId ?? "", /^sha256:/);
    assert.equal(known?.cgroupPath, `/${podman.cgroupParent}/libpod-${id}`);
    const [exit] = exitsOf(running, id);
    assert.equal(exit?.exitCode, 137);
    assert.ok((exit?.mainPid ?? 0) > 1);
    await podman.run("rm", id);
    await eventually("its removal", () => running.runtime.at(-1)?.kind === "gone", SLOW);
  });

  test("child killed, container lives, is stopped; its exec is no exit", async (t) => {
    const running = await follow(t, source());
    const id = await podman.start(16, [], ["/supervisor", "--kills=1", "--until-term=0"]);
    await eventually("the process", () => typeof lastOf(running, id)?.mainPid === "number", SLOW);
    await assert.rejects(podman.run("exec", id, "/hog"));
    await podman.run("stop", id);
    await eventually("the exit", () => exitsOf(running, id).length > 0, SLOW);
    assert.deepEqual(
      exitsOf(running, id).map(({ exitCode }) => exitCode),
      [0],
    );
  });

  test("a service that is killed: what ended meanwhile is told once it is back", async (t) => {
    const one = source();
    const first = await follow(t, one);
    const id = await podman.start(16, [], ["/supervisor", "--kills=1", "--pause=1500", "--exit=4"]);
    await eventually("the process", () => typeof lastOf(first, id)?.mainPid === "number", SLOW);
    await podman.stopService("SIGKILL");
    await assert.rejects(first.end, "the outage is told");
    await new Promise((done) => setTimeout(done, 2000));
    await podman.startService();
    const second = await follow(t, one, first.cursors.at(-1));
    await eventually("the end", () => exitsOf(second, id).length > 0, SLOW);
    assert.deepEqual(
      [...exitsOf(first, id), ...exitsOf(second, id)].map(({ exitCode }) => exitCode),
      [4],
    );
  });
});

function lastOf(running: RunningSource, id: string): ContainerFacts | undefined {
  return running.runtime
    .flatMap((told) => (told.kind === "container" ? [told.container] : []))
    .findLast((container) => container.id === id);
}

function exitsOf(running: RunningSource, id: string): ExitObservation[] {
  return running.runtime.flatMap((told) =>
    told.kind === "exit" && told.containerId === id ? [told] : [],
  );
}
