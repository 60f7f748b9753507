import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { LabContainerd, whyNoContainerd } from "../../lab/containerd.ts";
import { type ContainerDeath, PodStorm } from "../../lab/pod-storm.ts";
import { ContainerAgent } from "../../test/e2e/support/container-agent.ts";
import {
  type Judgement,
  judge,
  NOTHING_JUDGED,
  sum,
  untilTold,
} from "../../test/e2e/support/pod-judge.ts";
import { table } from "../../test/e2e/support/pod-table.ts";
import { say } from "./print.ts";
import { stressExits } from "./stress-exits.ts";

/**
 * `npm run stress -- --pods 100 --rounds 100`: containerd's own stress test of its OOM events, with us looking on. What is
 * done is kept in a state file after each round of all pods; the same command goes on from there.
 */
interface State {
  readonly pods: number;
  readonly roundsDone: number;
  readonly seconds: number;
  readonly runtime: string;
  readonly judged: Judgement;
  /** Kills that the kernel's books had too many or too few at the end of a session. */
  readonly unaccounted: number;
  readonly sessions: number;
}

const USAGE = `Usage: npm run stress -- [--pods 100] [--rounds 100] [--state FILE] [--fresh]
       npm run stress -- --exits 200 [--load 24]

Pods × rounds of a container that is limited to 15 MiB and wants 20: each must be told as a kill, with its pod, before its
exit, with the right verdict. With --exits: so many containers of Docker on a shared containerd, both followed, while so many
busy loops run: each must be told as one exit, with its code and verdict. Goes on where FILE (node_modules/.cache/oomwitness/stress.json) says it stopped.`;

/** All pods go through so many rounds before they are judged and the state is kept. */
const ROUNDS_AT_ONCE = 2;

const { values } = parseArgs({
  options: {
    pods: { type: "string", default: "100" },
    rounds: { type: "string", default: "100" },
    state: { type: "string", default: "node_modules/.cache/oomwitness/stress.json" },
    fresh: { type: "boolean", default: false },
    exits: { type: "string" },
    load: { type: "string", default: "24" },
    help: { type: "boolean", default: false },
  },
});
const wanted = { pods: Number(values.pods), rounds: Number(values.rounds) };
const path = resolve(values.state);

function emptyState(): State {
  const judged = NOTHING_JUDGED;
  const rest = { roundsDone: 0, seconds: 0, runtime: "", unaccounted: 0, sessions: 0 };
  return { pods: wanted.pods, judged, ...rest };
}

function readState(): State {
  if (values.fresh) rmSync(path, { force: true });
  if (!existsSync(path)) return emptyState();
  const state = JSON.parse(readFileSync(path, "utf8")) as State;
  if (state.pods === wanted.pods) return state;
  throw new Error(`${path} is of ${state.pods} pods: give --fresh, or another --state`);
}

function keep(state: State): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

async function session(begun: State, isStopped: () => boolean): Promise<State> {
  const containerd = await LabContainerd.start();
  const { socket } = containerd;
  let agent: ContainerAgent | null = null;
  let state = begun;
  try {
    agent = await ContainerAgent.start({ containerd: socket, cri: socket });
    const storm = await PodStorm.create(containerd, wanted.pods);
    const runtime = await containerd.version();
    while (state.roundsDone < wanted.rounds && !isStopped()) {
      const rounds = Math.min(ROUNDS_AT_ONCE, wanted.rounds - state.roundsDone);
      const started = Date.now();
      const deaths = await oneStep(storm, rounds, state);
      await untilTold(agent, deaths);
      const records = agent.events.splice(0).map(({ record }) => record);
      state = {
        ...state,
        runtime,
        roundsDone: state.roundsDone + rounds,
        seconds: state.seconds + (Date.now() - started) / 1000,
        judged: sum(state.judged, judge(deaths, records)),
      };
      keep(state);
    }
    const { unaccounted } = await agent.agent.ledger();
    state = { ...state, unaccounted: state.unaccounted + Math.abs(unaccounted ?? 0) };
    storm.close();
  } finally {
    await agent?.dispose();
    await containerd.dispose();
  }
  state = { ...state, sessions: state.sessions + 1 };
  keep(state);
  return state;
}

async function oneStep(storm: PodStorm, rounds: number, state: State): Promise<ContainerDeath[]> {
  const deaths: ContainerDeath[] = [];
  const started = Date.now();
  const line = () => {
    const seconds = (Date.now() - started) / 1000;
    const done = state.judged.containers + deaths.length;
    const all = wanted.pods * wanted.rounds;
    const rate = (deaths.length / Math.max(seconds, 0.1)).toFixed(1);
    const wrong = state.judged.complaints.length;
    return `${done} of ${all} containers, ${rate} a second, ${wrong} complaints`;
  };
  const timer = setInterval(() => say(line()), 10_000);
  try {
    await storm.rounds(rounds, (death) => void deaths.push(death));
  } finally {
    clearInterval(timer);
  }
  say(line());
  return deaths;
}

async function main(): Promise<void> {
  if (values.help) return say(USAGE);
  const isCount = (count: number) => Number.isSafeInteger(count) && count > 0 && count <= 1000;
  if (values.exits !== undefined && isCount(Number(values.exits))) {
    const allRight = await stressExits(Number(values.exits), Number(values.load));
    process.exitCode = allRight ? 0 : 1;
    return;
  }
  if (!isCount(wanted.pods) || !isCount(wanted.rounds)) {
    process.exitCode = 2;
    return say(`--pods and --rounds take 1 to 1000.\n${USAGE}`);
  }
  const why = whyNoContainerd();
  if (why !== null) {
    process.exitCode = 1;
    return say(`Cannot run here: ${why}.`);
  }
  let stopped = false;
  process.once("SIGINT", () => {
    stopped = true;
    say("Stopping after this round; the same command goes on from there.");
  });
  let state = readState();
  if (state.roundsDone > 0) say(`Going on after ${state.roundsDone} rounds (${path}).`);
  if (state.roundsDone < wanted.rounds) state = await session(state, () => stopped);
  say(table(state.runtime, state.judged));
  const { roundsDone, sessions, seconds, unaccounted, judged } = state;
  say(`${roundsDone} of ${wanted.rounds} rounds, ${wanted.pods} pods, ${seconds.toFixed(0)} s`);
  say(`kills unaccounted in the kernel's books: ${unaccounted}, in ${sessions} session(s)`);
  for (const complaint of judged.complaints) say(complaint);
  if (judged.complaints.length > 0 || unaccounted > 0) process.exitCode = 1;
}

await main();
