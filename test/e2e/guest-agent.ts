/**
 * Runs inside the guest: the real program (`agent`, `watch --json`, `selftest`) on cgroup v2 while processes are killed, and
 * what it told beside what their parents saw, in /job/out/NAME.json. `agent-v2.test.ts` judges it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CgroupTree, groupKill, storm, type Truth } from "../../lab/lab.ts";
import type { OutputRecord } from "../../src/model/record.ts";
import { TestAgent } from "./support/agent.ts";
import { ATTEMPTS, EMULATOR_FAULT, runMain, save, say, startAgent } from "./support/emulated.ts";
import { EventStream } from "./support/event-stream.ts";

const LIMIT_BYTES = 10 << 20;
const KERNEL_LOG = "/tmp/kernel-log";
const PROGRAM = "bin/oomwitness";
const NOBODY = "65534";
const CRASHES = 2;
const SOURCES = ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"];

/** Kills for which the kernel's log named a cgroup so far: what a reader of the log could know. */
function summaryLines(): number {
  return readFileSync(KERNEL_LOG, "latin1").split("oom-kill:constraint=").length - 1;
}

function followKernelLog(): ChildProcess {
  const file = openSync(KERNEL_LOG, "w");
  const words = ["--pdeathsig", "KILL", "cat", "/dev/kmsg"];
  return spawn("setpriv", words, { stdio: ["ignore", file, "ignore"] });
}

/** `watch --json` as a child, and the records it printed. */
class Watch {
  readonly records: OutputRecord[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  errors = "";

  constructor(program: string, words: readonly string[]) {
    this.#child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = once(this.#child, "close");
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.records.push(JSON.parse(line) as OutputRecord);
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-4000);
    });
  }

  /** Whether Node itself died on the way up, as it does now and then on emulated processors. */
  get stillborn(): boolean {
    return (
      this.records.length === 0 &&
      (this.#child.signalCode !== null || EMULATOR_FAULT.test(this.errors))
    );
  }

  /** Until each of these sources has said whether it is up. */
  async heardOf(...sources: readonly string[]): Promise<void> {
    const told = () =>
      new Set(this.records.flatMap((one) => (one.type === "source" ? [one.source as string] : [])));
    for (const until = Date.now() + 90_000; Date.now() < until; await sleep(50)) {
      if (this.stillborn || sources.every((source) => told().has(source))) return;
    }
    throw new Error(`watch told only of ${[...told()].join(", ")}: ${this.errors}`);
  }

  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    await this.#ended;
    const { exitCode, signalCode } = this.#child;
    // Node leaves by itself on SIGINT: by any other signal only the emulated processor ends it.
    if (signalCode !== null) throw new Error(`watch ended (${signalCode}): ${this.errors}`);
    return exitCode;
  }
}

async function startWatch(program: string, words: readonly string[]): Promise<Watch> {
  for (let attempt = 1; ; attempt++) {
    const watch = new Watch(program, words);
    await watch.heardOf(...SOURCES);
    if (!watch.stillborn || attempt === ATTEMPTS) return watch;
    say(`node died: ${watch.errors.slice(0, 300)}`);
  }
}

/** Makes the kills of one situation, waits for the books, and saves truth and books side by side. */
async function scenario(
  name: string,
  agent: TestAgent,
  act: () => Promise<readonly Truth[]>,
): Promise<void> {
  const named = summaryLines();
  say(`${name}: begins`);
  const truth = await act();
  say(`${name}: ${truth.length} died`);
  await agent.settle();
  save(name, { truth, ledger: await agent.ledger(), named: summaryLines() - named });
  say(`${name}: settled`);
}

const oneStorm = (tree: CgroupTree) => () =>
  storm(tree.create("storm", LIMIT_BYTES), { kills: 300 });

const tenStorms = (tree: CgroupTree) => async () => {
  const cgroups = Array.from({ length: 10 }, (_, index) => tree.create(`c${index}`, LIMIT_BYTES));
  return (await Promise.all(cgroups.map((cgroup) => storm(cgroup, { kills: 50 })))).flat();
};

/** A group kill, a limit at the parent, and cgroups that are gone right after their kill; `watch` looks on beside the agent. */
async function smallOnes(tree: CgroupTree, agent: TestAgent, watch: Watch): Promise<void> {
  await scenario("small", agent, async () => [
    ...(await groupKill(tree.create("group", LIMIT_BYTES), 20)),
    ...(await limitAtParent(tree)),
    ...(await removedAtOnce(tree)),
  ]);
  save("watch", { exitCode: await watch.end("SIGINT"), records: watch.records });
}

function limitAtParent(tree: CgroupTree): Promise<Truth[]> {
  tree.limit(tree.create("pod", null), LIMIT_BYTES);
  tree.create("pod/bystander", null);
  return storm(tree.create("pod/container", null), { kills: 1 });
}

async function removedAtOnce(tree: CgroupTree): Promise<Truth[]> {
  const deaths: Truth[] = [];
  for (let index = 0; index < 5; index++) {
    const cgroup = tree.create(`brief${index}/container`, LIMIT_BYTES);
    deaths.push(...(await storm(cgroup, { kills: 1 })));
    await tree.remove(cgroup);
  }
  return deaths;
}

/** The agent is killed in the middle of a storm, twice; who follows its event stream is told everything once. */
async function crashes(tree: CgroupTree, agent: TestAgent): Promise<void> {
  const stream = new EventStream(agent.url("/api/v1/events"));
  const cgroups = ["x", "y"].map((name) => tree.create(name, LIMIT_BYTES));
  let done = false;
  await scenario("crash", agent, async () => {
    const storms = cgroups.map(async (cgroup) => {
      const deaths: Truth[] = [];
      // With pauses, in which a slow machine can start the agent.
      for (; !done; await sleep(1_500)) deaths.push(...(await storm(cgroup, { kills: 15 })));
      return deaths;
    });
    for (let crash = 0; crash < CRASHES; crash++) {
      await sleep(1_000);
      await agent.kill9();
      await sleep(300);
      await startAgent(agent);
      say("crash: started again");
    }
    done = true;
    return (await Promise.all(storms)).flat();
  });
  await stream.close();
  const sequences = stream.events.map(({ sequence }) => sequence);
  const opened = stream.events.flatMap(({ record }) =>
    record.type === "kill" && record.revision === 0 ? [record.id] : [],
  );
  save("stream", { sequences, opened });
}

/** `watch` without any privilege: what it says it cannot see, and the kills that it reports all the same. */
async function unprivileged(tree: CgroupTree, agent: TestAgent): Promise<void> {
  const words = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", PROGRAM];
  const cgroup = tree.create("seen-by-nobody", LIMIT_BYTES);
  const watch = await startWatch("setpriv", [...words, "watch", "--json", "--for", "10"]);
  await scenario("unprivileged", agent, () => storm(cgroup, { kills: 3 }));
  const exitCode = await watch.end();
  save("nobody", { exitCode, records: watch.records, errors: watch.errors });
}

async function selftest(): Promise<void> {
  const child = spawn(PROGRAM, ["selftest", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "close");
  if (child.signalCode !== null) throw new Error(`selftest ended (${child.signalCode})`);
  save("selftest", { exitCode: child.exitCode, result: JSON.parse(output) });
}

async function main(): Promise<void> {
  followKernelLog();
  const agent = await TestAgent.create();
  try {
    await act(agent);
  } catch (error) {
    throw new Error(`${String(error)}\nthe agent ${agent.end ?? "lives"}`, { cause: error });
  }
}

async function act(agent: TestAgent): Promise<void> {
  const tree = new CgroupTree();
  const [watch] = await Promise.all([startWatch(PROGRAM, ["watch", "--json"]), startAgent(agent)]);
  say("agent and watch: ready");
  await smallOnes(tree, agent, watch);
  await scenario("storm", agent, oneStorm(tree));
  await scenario("storms", agent, tenStorms(tree));
  await crashes(tree, agent);
  await unprivileged(tree, agent);
  await selftest();
  await agent.settle();
  const [kills, ledger, sources] = [
    await agent.kills(),
    await agent.ledger(),
    await agent.sources(),
  ];
  save("end", { parent: tree.parent.path, kills, ledger, sources });
  say("end");
  await agent.stop();
}

await runMain(main);
