import { availableParallelism, loadavg } from "node:os";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import { type ContainerEnd, exitStorm } from "../../lab/exit-storm.ts";
import { Load } from "../../lab/load.ts";
import { ContainerAgent } from "../../test/e2e/support/container-agent.ts";
import { wrongWith } from "../../test/e2e/support/exit-judge.ts";
import { ByKind } from "./by-kind.ts";
import { say } from "./print.ts";

/** Containers that live at the same time. */
const AT_ONCE = 4;
const PATIENCE_MILLISECONDS = 60_000;

/**
 * `npm run stress -- --exits 200 --load 24`: containers of Docker on a shared containerd, both followed, while busy loops
 * hold the machine. Each must be told as one exit, with its code and verdict. True when all is right.
 */
export async function stressExits(count: number, loops: number): Promise<boolean> {
  const why = whyNoDocker();
  if (why !== null) {
    say(`Cannot run here: ${why}.`);
    return false;
  }
  const docker = await LabDocker.start(true);
  let agent: ContainerAgent | null = null;
  const load = new Load(loops);
  try {
    const { socket, containerdSocket } = docker;
    agent = await ContainerAgent.start({ docker: socket, containerd: containerdSocket });
    const ends: ContainerEnd[] = [];
    const started = Date.now();
    await exitStorm(docker, { count, atOnce: AT_ONCE }, (end) => {
      if (ends.push(end) % 20 === 0) say(`${ends.length} of ${count} containers`);
    });
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    const [average = 0] = loadavg();
    await untilTold(agent, ends);
    return report(agent, ends, `${loops} busy loops, load ${average.toFixed(1)}, ${seconds} s`);
  } finally {
    load.stop();
    await agent?.dispose();
    await docker.dispose();
  }
}

/** Waits until something was told of each, and for what may come too late or twice. */
async function untilTold(agent: ContainerAgent, ends: readonly ContainerEnd[]): Promise<void> {
  const isTold = () => ends.every(({ id }) => agent.told(id).exits.length > 0);
  for (const until = Date.now() + PATIENCE_MILLISECONDS; !isTold() && Date.now() < until; ) {
    await new Promise((done) => setTimeout(done, 500));
  }
  await new Promise((done) => setTimeout(done, 15_000));
}

async function report(
  agent: ContainerAgent,
  ends: readonly ContainerEnd[],
  conditions: string,
): Promise<boolean> {
  const complaints = new ByKind();
  let right = 0;
  for (const end of ends) {
    const wrong = wrongWith(end, agent.told(end.id));
    if (wrong.length === 0) right++;
    else complaints.add(wrong.join(", "), `${JSON.stringify(end)} ${agent.describe(end.id)}`);
  }
  const { unaccounted } = await agent.agent.ledger();
  const amended = agent.events.filter(({ record: r }) => r.type === "exit" && r.revision > 0);
  say(`${right} of ${ends.length} exits right; ${availableParallelism()} cores, ${conditions}`);
  say(`${amended.length} amendments of exits, kills unaccounted: ${unaccounted}`);
  for (const line of complaints.lines()) say(line);
  return right === ends.length && unaccounted === 0;
}
