/**
 * Runs inside a Debian guest under systemd: kills in plain units, and in pods of a containerd whose cgroups are scopes of
 * systemd, while the agent looks on. What happened and what the agent told goes to /job/out/NAME.json for
 * `containerd-systemd.test.ts` to judge.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeOomKills } from "../../lab/cgroups.ts";
import { LabContainerd } from "../../lab/containerd.ts";
import type { LabPod, LabPods, LabStatus } from "../../lab/containerd-pods.ts";
import { TestAgent } from "./support/agent.ts";
import { runMain, save, say, startAgent } from "./support/emulated.ts";
import { EventStream } from "./support/event-stream.ts";
import type { ContainerDeath, FailedStart } from "./support/systemd-findings.ts";
import { killInUnits } from "./support/systemd-units.ts";

const PODS = Number(process.env["PODS"] ?? 4);
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const LIMIT_MEBIBYTES = 15;
/** containerd's own test of its OOM events (integration/oom_linux_test.go, TestOOMEventMonitor). */
const COMMAND = ["dd", "if=/dev/zero", "of=/dev/null", "bs=20M"];
/** Its main process outlives the child long enough for everybody to see it. */
const SURVIVOR = ["sh", "-c", `${COMMAND.join(" ")}; sleep 5; exit 0`];
const USUAL_SOCKET = "/run/containerd/containerd.sock";
const START_ATTEMPTS = 10;
const PATIENCE_MILLISECONDS = 60_000;
/** A kill is counted by then, also one whose owner nobody tells (docs/metrics.md). */
const COUNTED_MILLISECONDS = 6_000;

const failures: FailedStart[] = [];

async function runPods(pods: LabPods): Promise<readonly ContainerDeath[]> {
  const names = Array.from({ length: PODS }, (_, index) => `pod-${index}`);
  const deaths = await Promise.all(names.map((name) => runPod(pods, name)));
  return deaths.flat();
}

async function runPod(pods: LabPods, name: string): Promise<ContainerDeath[]> {
  const pod = await pods.run(name);
  const deaths: ContainerDeath[] = [];
  for (let round = 0; round < ROUNDS; round++) deaths.push(await runContainer(pods, pod, round));
  return deaths;
}

async function runContainer(
  pods: LabPods,
  pod: LabPod,
  round: number,
  command = COMMAND,
): Promise<ContainerDeath> {
  const id = await start(pods, pod, round, command);
  const { exitCode, reason } = await exited(pods, id);
  // Removed at once, as containerd's own test does: who asks later gets no answer.
  await pods.remove(id);
  const { name, uid, namespace } = pod;
  return { id, pod: name, podUid: uid, namespace, exitCode, reason };
}

async function runSurvivor(pods: LabPods): Promise<ContainerDeath> {
  return runContainer(pods, await pods.run("survivor"), 0, SURVIVOR);
}

/** A kubelet tries again too. */
async function start(
  pods: LabPods,
  pod: LabPod,
  round: number,
  command: readonly string[],
): Promise<string> {
  for (let failed = 0; ; failed++) {
    const attempt = round * START_ATTEMPTS + failed;
    const box = { name: "box", command, limitMebibytes: LIMIT_MEBIBYTES, attempt };
    const id = await pods.create(pod, box);
    try {
      await pods.start(id);
      return id;
    } catch (error) {
      failures.push({ id, pod: pod.name, podUid: pod.uid, error: String(error) });
      say(`not started: ${String(error).slice(-150)}`);
      // It stays, as with a kubelet, so that everybody can ask what became of it.
      if (failed + 1 === START_ATTEMPTS) throw error;
    }
  }
}

async function exited(pods: LabPods, id: string): Promise<LabStatus> {
  for (const until = Date.now() + PATIENCE_MILLISECONDS; Date.now() < until; await sleep(100)) {
    const status = await pods.status(id);
    if (status.exited) return status;
  }
  throw new Error(`container ${id} did not end`);
}

/** Ids of containers of which containerd tells an OOM, as its own client hears it. */
function listenForOoms(socket: string): Set<string> {
  const found = new Set<string>();
  const words = ["--pdeathsig", "KILL", "ctr", "--address", socket, "events"];
  const child = spawn("setpriv", words, { stdio: ["ignore", "pipe", "inherit"] });
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((one) => one.includes(" /tasks/oom "))) {
      const id = /"container_id":"([0-9a-f]{64})"/.exec(line)?.[1];
      if (id !== undefined) found.add(id);
    }
  });
  return found;
}

async function startContainerd(): Promise<LabContainerd> {
  const containerd = await LabContainerd.start("systemd");
  mkdirSync("/run/containerd", { recursive: true });
  symlinkSync(containerd.socket, USUAL_SOCKET);
  say("containerd: up");
  return containerd;
}

async function killInContainers(containerd: LabContainerd, agent: TestAgent): Promise<void> {
  const pods = await containerd.pods();
  const version = await pods.version();
  const ooms = listenForOoms(containerd.socket);
  await sourceUp(agent, "containerd");
  const before = nodeOomKills() ?? 0;
  const [deaths, survivor] = await Promise.all([runPods(pods), runSurvivor(pods)]);
  say(`${deaths.length} containers and the survivor ended`);
  await agent.settle();
  const kernel = (nodeOomKills() ?? 0) - before;
  const slice = killsBelow("/sys/fs/cgroup/kubepods.slice");
  const oomEvents = [...ooms];
  save("containers", { version, kernel, slice, oomEvents, failures, deaths, survivor });
}

/** What the kernel counted in a cgroup and all that ever were below it. */
function killsBelow(directory: string): number {
  const text = readFileSync(`${directory}/memory.events`, "utf8");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

async function sourceUp(agent: TestAgent, name: string): Promise<void> {
  for (const until = Date.now() + PATIENCE_MILLISECONDS; Date.now() < until; await sleep(200)) {
    const sources = await agent.sources();
    if (sources.some(({ source, state }) => source === name && state === "up")) return;
  }
  throw new Error(`source ${name} is not up: ${JSON.stringify(await agent.sources())}`);
}

async function main(): Promise<void> {
  const containerd = await startContainerd();
  const agent = await TestAgent.create();
  await startAgent(agent);
  say("agent: ready");
  const stream = new EventStream(agent.url("/api/v1/events"));
  try {
    save("units", await killInUnits());
    await killInContainers(containerd, agent);
  } catch (error) {
    throw new Error(`${String(error)}\nthe agent ${agent.end ?? "lives"}`, { cause: error });
  }
  const kills = await agent.kills();
  const [ledger, sources] = [await agent.ledger(), await agent.sources()];
  const records = stream.events.map(({ record }) => record);
  await sleep(COUNTED_MILLISECONDS);
  const metrics = await (await fetch(agent.url("/metrics"))).text();
  save("end", { kills, ledger, sources, records, metrics });
  say("end");
  await stream.close();
  await agent.stop();
}

await runMain(main);
