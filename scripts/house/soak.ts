import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { memoryOf } from "../../bench/support/usage.ts";
import { CgroupTree, killsPossible, programPath } from "../../lab/cgroups.ts";
import { CONTAINER_LIMIT } from "../../src/agent/metrics-containers.ts";
import { OWNER_LIMIT } from "../../src/agent/metrics-owners.ts";
import { STORE_FILE } from "../../src/sinks/store.ts";
import { TestAgent } from "../../test/e2e/support/agent.ts";
import { say } from "./print.ts";

const USAGE = `Usage: npm run soak -- [--minutes 30] [--every 0.2]

Every 0.2 s a process is killed in a new container's cgroup with a name that never was before, which is then removed, as a crash loop
does it. The memory, descriptors, series and database of the agent are printed at the start, in the middle and at the end, and must
stay within bounds; each kill must have one record.`;

/**
 * What the agent holds of the last kills and containers: 37 MB more after 1,350 kills in as many containers, and 36 MB of live
 * objects once all bounded lists are full (7,000 kills told by hand, 0.9 MB for the last thousand); V8 keeps about as much again.
 */
const GROWTH_MEGABYTES = 128;
/** From the middle of a run of 30 minutes on the lists are full (4,000 containers after 14 minutes, kills of 10 minutes). */
const LATE_GROWTH_MEGABYTES = 24;
const LISTS_FULL_MINUTES = 15;
/** Readers of the log come and go; a scrape and a list are open now and then. */
const MORE_DESCRIPTORS = 8;
/** Series of one name: two scopes, invisible, incidents, the last kill, two verdicts. Of one container: restarts, kills, code. */
const MOST_SERIES = 7 * OWNER_LIMIT + 3 * CONTAINER_LIMIT + 500;
/** The record, its revisions and why it happened. */
const DATABASE_BYTES_A_KILL = 16_384;
const COMM = "soak";
const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");

interface Reading {
  readonly when: string;
  readonly minutes: number;
  readonly kills: number;
  readonly anonymousMegabytes: number;
  readonly descriptors: number;
  readonly series: number;
  readonly databaseBytes: number;
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    every: { type: "string", default: "0.2" },
    help: { type: "boolean", default: false },
  },
});

/** Kills one process in a new cgroup and removes it. True when it was killed. */
async function kill(tree: CgroupTree, parent: string, number: number): Promise<boolean> {
  const id = createHash("sha256").update(`${process.pid} ${number}`).digest("hex");
  const cgroup = tree.create(`${parent}/${id}`, 8 * 1_048_576);
  const words = ["--mib", "16", "--cgroup", cgroup.directory, "--name", COMM];
  const child = spawn(programPath("hog"), words, { stdio: "ignore" });
  const signal = await new Promise((done) => child.once("exit", (_, by) => done(by)));
  await tree.remove(cgroup);
  return signal === "SIGKILL";
}

async function read(agent: TestAgent, when: string, kills: number, began: number) {
  const page = await (await fetch(agent.url("/metrics"))).text();
  const reading: Reading = {
    when,
    minutes: (performance.now() - began) / 60_000,
    kills,
    anonymousMegabytes: memoryOf(agent.pid).anonymousMegabytes,
    descriptors: readdirSync(`/proc/${agent.pid}/fd`).length,
    series: page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length,
    databaseBytes: databaseBytes(agent.stateDirectory),
  };
  say(describe(reading));
  return reading;
}

function databaseBytes(directory: string): number {
  const files = readdirSync(directory).filter((name) => name.startsWith(STORE_FILE));
  return files.reduce((sum, name) => sum + statSync(`${directory}/${name}`).size, 0);
}

function describe(reading: Reading): string {
  const { when, minutes, kills, anonymousMegabytes, descriptors, series, databaseBytes } = reading;
  const megabytes = (value: number) => `${value.toFixed(1)} MB`;
  return `${when.padEnd(7)} ${minutes.toFixed(1)} min: ${kills} kills, RssAnon ${megabytes(anonymousMegabytes)}, ${descriptors} descriptors, ${series} series, database ${megabytes(databaseBytes / 1e6)}`;
}

function complaints(start: Reading, middle: Reading, end: Reading): string[] {
  const grown = end.anonymousMegabytes - start.anonymousMegabytes;
  const late = end.anonymousMegabytes - middle.anonymousMegabytes;
  const database = end.databaseBytes - start.databaseBytes;
  const checks: readonly (readonly [boolean, string])[] = [
    [grown > GROWTH_MEGABYTES, `memory grew by ${grown.toFixed(1)} MB, bound ${GROWTH_MEGABYTES}`],
    [
      middle.minutes >= LISTS_FULL_MINUTES && late > LATE_GROWTH_MEGABYTES,
      `memory still grew by ${late.toFixed(1)} MB in the second half, bound ${LATE_GROWTH_MEGABYTES}`,
    ],
    [
      end.descriptors > start.descriptors + MORE_DESCRIPTORS,
      `${end.descriptors} descriptors, were ${start.descriptors}`,
    ],
    [end.series > MOST_SERIES, `${end.series} series, bound ${MOST_SERIES}`],
    [
      database > DATABASE_BYTES_A_KILL * end.kills + 4_194_304,
      `the database grew by ${database} bytes for ${end.kills} kills`,
    ],
  ];
  return checks.flatMap(([broken, text]) => (broken ? [text] : []));
}

/** One kill every so often, until the time is over; readings at the start, in the middle and at the end. */
async function soak(agent: TestAgent, tree: CgroupTree, minutes: number, everySeconds: number) {
  const began = performance.now();
  const over = () => (performance.now() - began) / 60_000;
  const start = await read(agent, "start", 0, began);
  let middle: Reading | null = null;
  let kills = 0;
  for (let number = 1; over() < minutes; number++) {
    if (await kill(tree, "docker", number)) kills++;
    if (middle === null && over() >= minutes / 2)
      middle = await read(agent, "middle", kills, began);
    await sleep(Math.max(0, began + number * everySeconds * 1000 - performance.now()));
  }
  await agent.settle();
  const end = await read(agent, "end", kills, began);
  return { start, middle: middle ?? end, end };
}

async function books(agent: TestAgent, kills: number): Promise<string[]> {
  const records = agent.own(await agent.kills()).filter(({ victim }) => victim.comm === COMM);
  const { unaccounted } = await agent.ledger();
  const homeless = records.filter(({ cgroup }) => cgroup.path === null).length;
  say(
    `kills made ${kills}, recorded ${records.length}, unaccounted ${unaccounted}, without a cgroup ${homeless}`,
  );
  return records.length === kills && unaccounted === 0 ? [] : ["the kills and the records differ"];
}

async function main(): Promise<number> {
  const possible = killsPossible();
  if (!possible.ok) {
    say(`cannot run here: ${possible.reason}`);
    return 1;
  }
  const tree = new CgroupTree(`oomwitness-soak-${process.pid}`);
  // Its own instance: nothing that others left behind, and nothing stays.
  const instance = `OOMWITNESS_TRACE_INSTANCE=oomwitness-soak-${process.pid}`;
  const agent = await TestAgent.create(["env", instance, OOMWITNESS]);
  try {
    await agent.start();
    // The backlog and the first look at all cgroups belong to the start.
    await agent.settle();
    const readings = await soak(agent, tree, Number(values.minutes), Number(values.every));
    const { start, middle, end } = readings;
    const wrong = [...complaints(start, middle, end), ...(await books(agent, end.kills))];
    for (const one of wrong) say(`FAILED: ${one}`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await agent.dispose();
    await tree.remove();
  }
}

if (values.help) say(USAGE);
else process.exitCode = await main();
