import assert from "node:assert/strict";
import { test } from "node:test";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import { type ContainerEnd, exitStorm } from "../../lab/exit-storm.ts";
import { Load } from "../../lab/load.ts";
import { ContainerAgent, within } from "./support/container-agent.ts";
import { wrongWith } from "./support/exit-judge.ts";

// Docker on a containerd that is also followed, on a busy machine: two words for every start and end, seconds apart.

const CONTAINERS = 10;
const LOOPS = 12;

test("Docker on the machine's containerd, under load: one right exit each", {
  skip: whyNoDocker() ?? false,
}, async (t) => {
  const docker = await LabDocker.start(true);
  const load = new Load(LOOPS);
  let agent: ContainerAgent | null = null;
  try {
    const { socket, containerdSocket } = docker;
    agent = await ContainerAgent.start({ docker: socket, containerd: containerdSocket });
    const listener = agent;
    const ends: ContainerEnd[] = [];
    await exitStorm(docker, { count: CONTAINERS, atOnce: 4 }, (end) => void ends.push(end));
    load.stop();
    const isRight = (end: ContainerEnd) => wrongWith(end, listener.told(end.id)).length === 0;
    const wrong = () => ends.filter((end) => !isRight(end));
    const say = () =>
      wrong()
        .map((end) => `${JSON.stringify(end)} ${listener.describe(end.id)}`)
        .join("\n");
    await within(40, "right exits", () => wrong().length === 0, say);
    const causes = ends.map(({ cause, oomKilled }) => `${cause}${oomKilled ? " OOMKilled" : ""}`);
    t.diagnostic(`${ends.length} containers: ${causes.join(", ")}`);
    assert.equal(ends.length, CONTAINERS);
  } finally {
    load.stop();
    await agent?.dispose();
    await docker.dispose();
  }
});
