/**
 * Runs inside the guest: makes kills in cgroups (v2) while the probe and the trace source watch, and writes what they told
 * to /job/out/SCENARIO.json. `probe.test.ts` judges it.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Observation } from "../../src/model/observation.ts";
import { createProbeSource } from "../../src/sources/probe.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../../src/sources/source.ts";
import { createTracefsSource } from "../../src/sources/tracefs.ts";
import { eventually, type RunningSource, startSource } from "../source-harness.ts";

const ROOT = "/sys/fs/cgroup";
const TRACING = "/sys/kernel/tracing";
const POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice";

function make(path: string, limitMib: number): void {
  const parts = path.split("/").slice(1);
  parts.forEach((_, index) => {
    const directory = `${ROOT}/${parts.slice(0, index + 1).join("/")}`;
    mkdirSync(directory, { recursive: true });
    if (index + 1 < parts.length) writeFileSync(`${directory}/cgroup.subtree_control`, "+memory");
  });
  writeFileSync(`${ROOT}${path}/memory.max`, String(limitMib << 20));
}

const inode = (path: string) => statSync(ROOT + path).ino;

/** What is left of an observation for the judge. */
function short(observation: Observation): unknown {
  if (observation.kind === "group") {
    const { kind, incident, members } = observation;
    return { kind, incident, members };
  }
  if (observation.kind !== "kill") return observation;
  const { kind, sequence, victim, cgroup, incident, group, repeat, counted, trigger } = observation;
  return { kind, sequence, victim, cgroup, incident, group, repeat, counted, trigger };
}

interface Pair {
  readonly probe: RunningSource;
  readonly tracefs: RunningSource;
}

const kills = (running: RunningSource) =>
  running.observations.filter((seen) => seen.kind === "kill" && !seen.repeat && seen.counted);

async function scenario(
  name: string,
  pair: Pair,
  expected: number,
  act: () => Record<string, unknown>,
): Promise<void> {
  const from = { probe: pair.probe.observations.length, tracefs: pair.tracefs.observations.length };
  const before = { probe: kills(pair.probe).length, tracefs: kills(pair.tracefs).length };
  const truth = act();
  // The judge sees what is missing.
  await eventually(name, () => kills(pair.probe).length >= before.probe + expected).catch(() => {});
  await sleep(700);
  const told = (running: RunningSource, start: number) =>
    running.observations.slice(start).map(short);
  const saved = {
    truth,
    probe: told(pair.probe, from.probe),
    tracefs: told(pair.tracefs, from.tracefs),
  };
  writeFileSync(`/job/out/${name}.json`, JSON.stringify(saved, null, 1));
}

function run(program: string, ...words: string[]): Record<string, unknown>[] {
  const text = execFileSync(program, words, { encoding: "utf8" });
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function storm(path: string, kills: number): Record<string, unknown> {
  make(path, 10);
  const killed = run("storm", "--cgroup", ROOT + path, "--kills", String(kills));
  return {
    id: inode(path),
    path,
    pids: killed.flatMap((row) => ("pid" in row ? [row["pid"]] : [])),
  };
}

function group(path: string): Record<string, unknown> {
  make(path, 24);
  const rows = run("group", "--cgroup", ROOT + path, "--processes", "8", "--mib", "40");
  const events = readFileSync(`${ROOT}${path}/memory.events`, "utf8");
  return {
    id: inode(path),
    path,
    pids: rows.flatMap((row) => ("pid" in row ? [row["pid"]] : [])),
    events,
  };
}

/** The cgroup is gone before anybody can look. */
function vanishing(): Record<string, unknown> {
  const path = "/brief/box.scope";
  make(path, 10);
  const id = inode(path);
  const killed = spawnSync("hog", ["--mib", "30", "--cgroup", ROOT + path]);
  rmdirSync(ROOT + path);
  return { id, path, pids: [killed.pid], signal: killed.signal };
}

function state(): unknown {
  return {
    events: readFileSync(`${TRACING}/kprobe_events`, "utf8"),
    instances: readdirSync(`${TRACING}/instances`),
  };
}

/** A probe of somebody else must outlive ours. */
function foreignProbe(): void {
  appendFileSync(`${TRACING}/kprobe_events`, "p:others/theirs do_exit\n");
}

/** An agent is killed; its probe goes on recording, and the next agent reads what it recorded. */
async function killedAgent(): Promise<void> {
  const agent = spawn("/usr/bin/node", ["test/e2e/guest-probe.ts", "agent"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(agent.stdout, "data");
  agent.kill("SIGKILL");
  await once(agent, "exit");
  const truth = storm("/absent/box", 3);
  const running = startSource(createProbeSource(DEFAULT_SOURCE_OPTIONS));
  await eventually("absent", () => kills(running).length >= 3).catch(() => {});
  await running.stop();
  const probe = running.observations.map(short);
  writeFileSync("/job/out/absent.json", JSON.stringify({ truth, probe, ...(state() as object) }));
}

async function agent(): Promise<void> {
  const running = startSource(createProbeSource(DEFAULT_SOURCE_OPTIONS));
  await running.upOrEnd;
  console.log("up");
  await running.end;
}

async function main(): Promise<void> {
  spawnSync("sh", ["-c", "dmesg -n 1"]);
  foreignProbe();
  const options = { ...DEFAULT_SOURCE_OPTIONS, keepInstance: false };
  // Left behind by an agent of another version, with an event of another shape.
  appendFileSync(
    `${TRACING}/kprobe_events`,
    "p:oomwitness/victim_oomwitness_probe mark_oom_victim pid=+0(%di):s32\n",
  );
  mkdirSync(`${TRACING}/instances/oomwitness-probe`);
  writeFileSync(`${TRACING}/instances/oomwitness-probe/events/oomwitness/enable`, "1");
  const pair = {
    probe: startSource(createProbeSource(options)),
    tracefs: startSource(createTracefsSource(options)),
  };
  const up = await Promise.all([pair.probe.upOrEnd, pair.tracefs.upOrEnd]);
  writeFileSync("/job/out/up.json", JSON.stringify({ up, ...(state() as object) }));
  await scenario("storm", pair, 20, () => storm(`${POD}/cri-containerd-abc.scope`, 20));
  await scenario("group", pair, 9, () => group(`${POD}/cri-containerd-grp.scope`));
  await scenario("vanishing", pair, 1, vanishing);
  await scenario("deep", pair, 1, () => storm("/a/b/c/d/e/f/g/h", 1));
  await scenario("quote", pair, 1, () => storm(`/fake" n1="kubepods`, 1));
  await scenario("sharer", pair, 1, () => {
    make("/shared", 10);
    return {
      rows: run("sharer", "--cgroup", `${ROOT}/shared`),
      path: "/shared",
      id: inode("/shared"),
    };
  });
  const ends = await Promise.all([pair.probe.stop(), pair.tracefs.stop()]);
  writeFileSync("/job/out/end.json", JSON.stringify({ ends, ...(state() as object) }));
}

async function all(): Promise<void> {
  await main();
  await killedAgent();
}

await (process.argv[2] === "agent" ? agent() : all()).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
process.exit();
