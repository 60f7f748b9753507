import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import type { ExitObservation } from "../model/container.ts";
import { createDockerSource } from "./docker.ts";
import { DEFAULT_SOURCE_OPTIONS } from "./source.ts";

const skip = whyNoDocker() ?? false;

describe("docker, with a real daemon", { skip }, () => {
  let docker: LabDocker;
  before(async () => {
    docker = await LabDocker.start();
  });
  after(() => docker.dispose());

  const follow = (cursor: string | null = null): RunningSource => {
    const options = { ...DEFAULT_SOURCE_OPTIONS, sockets: { docker: docker.socket } };
    return startSource(createDockerSource(options), { cursor });
  };
  const exitOf = (running: RunningSource, id: string): ExitObservation | undefined =>
    exitsOf(running, id)[0];

  test("main process killed: container, process, cgroup, report and exit", async () => {
    const running = follow();
    await running.upOrEnd;
    const id = await docker.start(16, ["--name=victim"], ["/supervisor", "--pause=300"]);
    await eventually("the exit", () => exitOf(running, id) !== undefined);
    const [created] = containersOf(running, id);
    assert.equal(created?.name, "victim");
    const last = containersOf(running, id).at(-1);
    assert.equal(last?.cgroupPath, `/${docker.cgroupParent}/${id}`);
    assert.ok((last?.mainPid ?? 0) > 1);
    assert.equal(exitOf(running, id)?.mainPid, last?.mainPid);
    assert.equal(exitOf(running, id)?.exitCode, 0);
    assert.equal(exitOf(running, id)?.oomReported, true);
    await running.stop();
  });
});

function containersOf(running: RunningSource, id: string) {
  return running.runtime.flatMap((told) =>
    told.kind === "container" && told.container.id === id ? [told.container] : [],
  );
}

function exitsOf(running: RunningSource, id: string): ExitObservation[] {
  return running.runtime.flatMap((told) =>
    told.kind === "exit" && told.containerId === id ? [told] : [],
  );
}
