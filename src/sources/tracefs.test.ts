import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { resolve } from "node:path";
import { after, afterEach, before, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import { V1Cgroup, whyNoV1Kills } from "../../test/v1-cgroups.ts";
import { HostError } from "../host/host.ts";
import { createHost } from "../host/real.ts";
import type { KillObservation } from "../model/observation.ts";
import { DEFAULT_SOURCE_OPTIONS, type SourceOptions } from "./source.ts";
import { createTracefsSource } from "./tracefs.ts";

const INSTANCES = "/sys/kernel/tracing/instances";
const NAME = `owh-trace-test-${process.pid}`;
const BUILD = resolve(import.meta.dirname, "../../lab/build");
const skip = whyNoV1Kills() ?? (existsSync(INSTANCES) ? false : "tracefs is not mounted here");

/** A test that fails must not keep the instance from the next. */
const started: RunningSource[] = [];
afterEach(async () => {
  for (const running of started.splice(0)) await running.stop().catch(() => {});
});

async function start(options: Partial<SourceOptions> = {}): Promise<RunningSource> {
  const merged = { ...DEFAULT_SOURCE_OPTIONS, instanceName: NAME, keepInstance: false, ...options };
  const running = startSource(createTracefsSource(merged));
  started.push(running);
  assert.equal(await running.upOrEnd, "");
  return running;
}

/** Kills in our cgroups, by sequence: the last word on each. */
function kills(running: RunningSource, known: (kill: KillObservation) => boolean) {
  const found = new Map<string, KillObservation>();
  for (const seen of running.observations) {
    if (seen.kind === "kill" && known(seen)) found.set(seen.sequence, seen);
  }
  return [...found.values()];
}

/** Victims as the program that made them tells. */
async function lab(program: string, ...words: readonly string[]): Promise<number[]> {
  const { stdout: text } = await promisify(execFile)(`${BUILD}/${program}`, words);
  return [...text.matchAll(/"pid":(\d+)/g)].map((match) => Number(match[1]));
}

const isOneOf = (pids: readonly number[]) => (kill: KillObservation) =>
  pids.includes(kill.victim.tid);

function tally(t: TestContext, found: readonly KillObservation[]): void {
  const counts: Record<string, number> = {};
  for (const { cgroup } of found) {
    const basis = cgroup?.basis ?? "none";
    counts[basis] = (counts[basis] ?? 0) + 1;
  }
  t.diagnostic(`cgroups of ${found.length} victims: ${JSON.stringify(counts)}`);
}

let box: V1Cgroup;
before(() => {
  if (skip !== false) return;
  execFileSync(resolve(import.meta.dirname, "../../lab/compile"));
  box = new V1Cgroup(`/owh-trace-${process.pid}`, 10);
});
after(() => {
  if (skip === false) box.remove();
});

test("a storm: every kill once, none again, all in the right cgroup", { skip }, async (t) => {
  const running = await start();
  const pids = await lab("storm", "--cgroup", box.directory, "--kills", "100", "--parallel", "2");
  await eventually("storm", () => kills(running, isOneOf(pids)).length === 100);
  await eventually("cgroups", () =>
    kills(running, isOneOf(pids)).every(({ cgroup }) => cgroup !== null),
  ).catch(() => {});
  assert.deepEqual(await running.stop(), { kind: "stopped" });
  const found = kills(running, isOneOf(pids));
  tally(t, found);
  const tids = found.map(({ victim }) => victim.tid).sort((a, b) => a - b);
  assert.deepEqual(
    tids,
    [...pids].sort((a, b) => a - b),
  );
  for (const kill of found) {
    assert.deepEqual([kill.repeat, kill.counted, kill.group], [false, true, false]);
    assert.equal(kill.cgroup?.path ?? box.path, box.path);
    assert.equal(kill.victim.pid ?? kill.victim.tid, kill.victim.tid);
    assert.equal(kill.victim.comm, "storm");
  }
  assert.deepEqual(running.losses, []);
  assert.ok(!readdirSync(INSTANCES).some((name) => name.startsWith(NAME)), "instances are gone");
});

test("without /proc the lineage tells", { skip }, async (t) => {
  const running = await start({ procRoot: "/nonexistent" });
  const pids = await lab("storm", "--cgroup", box.directory, "--kills", "10");
  const all = () => kills(running, isOneOf(pids)).filter(({ cgroup }) => cgroup !== null);
  await eventually("lineage", () => all().length === 10);
  await running.stop();
  tally(t, all());
  for (const { cgroup, victim } of all()) {
    assert.deepEqual([cgroup?.path, cgroup?.basis], [box.path, "lineage"]);
    assert.equal(victim.pid, victim.tid);
  }
});

/** What somebody may change, by one write each, and what it must be again. */
const CHANGES: readonly (readonly [file: string, text: string, again: RegExp])[] = [
  ["tracing_on", "0", /^1/],
  ["events/enable", "0", /^X/],
  ["events/oom/mark_victim/filter", "pid==1", /^none/],
  ["events/signal/signal_generate/filter", "sig==11", /^sig==9 && code==128/],
  ["events/oom/mark_victim/trigger", "traceoff", /^#/],
  ["set_event_pid", "1", /^$/],
  ["tracing_cpumask", "2", /^/],
  ["trace_clock", "global", /\[mono\]/],
  ["buffer_size_kb", "4", /^(?!4$)/],
  ["set_event", "sched:sched_switch", /^signal:signal_generate\noom:mark_victim$/],
  ["options/markers", "1", /^0/],
  ["options/copy_trace_marker", "1", /^0/],
  ["options/raw", "1", /^0/],
  ["options/hex", "1", /^0/],
  ["options/context-info", "0", /^1/],
  ["options/irq-info", "0", /^1/],
  ["options/fields", "1", /^0/],
  ["options/verbose", "1", /^0/],
  ["options/stacktrace", "1", /^0/],
];

test("each setting that somebody changes is put back and told, and the next kill is seen", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const running = await start();
  const setting = (file: string) => readFileSync(`${INSTANCES}/${NAME}/${file}`, "utf8").trim();
  for (const [file, text, again] of CHANGES) {
    const told = running.disturbances.length;
    const before = setting(file);
    const began = performance.now();
    writeFileSync(`${INSTANCES}/${NAME}/${file}`, text);
    await eventually(file, () => running.disturbances.length > told, 4000);
    t.diagnostic(`${file}: ${text} put back after ${Math.round(performance.now() - began)} ms`);
    assert.match(setting(file), again, file);
    if (file === "tracing_cpumask") assert.equal(setting(file), before);
    // What stands close behind a foreign event is not believed.
    if (file === "set_event") await new Promise((done) => setTimeout(done, 300));
    const [pid = 0] = await lab("storm", "--cgroup", box.directory, "--kills", "1");
    await eventually(`a kill after ${file}`, () => kills(running, isOneOf([pid])).length === 1);
    assert.match(running.disturbances.at(-1) ?? "", /somebody else changed .*: put back/);
  }
  assert.equal(running.disturbances.length, CHANGES.length, running.disturbances.join("\n"));
  assert.deepEqual(await running.stop(), { kind: "stopped" });
});

test("a left-over instance is set right before it is read", { skip, timeout: 30_000 }, async () => {
  const first = await start({ keepInstance: true });
  await first.stop();
  for (const [file, text] of CHANGES) writeFileSync(`${INSTANCES}/${NAME}/${file}`, text);
  const second = await start();
  const [pid = 0] = await lab("storm", "--cgroup", box.directory, "--kills", "1");
  await eventually("a kill", () => kills(second, isOneOf([pid])).length === 1);
  await second.stop();
  assert.deepEqual(second.disturbances, []);
});

/** An event of a kill as the ring prints it, now, of a process that nobody killed. */
function forgedKill(pid: number): string {
  const seconds = (Number(process.hrtime.bigint() / 1000n) / 1e6).toFixed(6);
  const head = (name: string) => `             hog-${pid}    [000] d..2. ${seconds}: ${name}: `;
  const sizes = "total-vm:17896kB anon-rss:15232kB file-rss:968kB shmem-rss:0kB";
  return [
    "x",
    `${head("signal_generate")}sig=9 errno=0 code=128 comm=hog pid=${pid} grp=1 res=0`,
    `${head("mark_victim")}pid=${pid} comm=hog ${sizes} uid=0 pgtables:68kB oom_score_adj=0`,
    `${head("mark_victim")}pid=${pid} comm=hog total-vm=17896kB anon-rss=15232kB file-rss:968kB shmem-rss:0kB uid=0 pgtables=68kB oom_score_adj=0`,
    "",
  ].join("\n");
}

test("text that somebody writes into the ring makes no kill, whether markers are on or off", {
  skip,
  timeout: 30_000,
}, async () => {
  const running = await start();
  const write = (file: string, text: string) => writeFileSync(`${INSTANCES}/${NAME}/${file}`, text);
  assert.throws(() => write("trace_marker", forgedKill(4_000_001)), { code: "EINVAL" });
  assert.throws(() => write("trace_marker_raw", "abcdefgh"), { code: "EINVAL" });
  // As root of the host one may switch them on, and be quick.
  write("options/markers", "1");
  write("trace_marker", forgedKill(4_000_002));
  await eventually("it is seen", () => running.disturbances.length === 1);
  assert.throws(() => write("trace_marker", forgedKill(4_000_003)), { code: "EINVAL" });
  const [pid = 0] = await lab("storm", "--cgroup", box.directory, "--kills", "1");
  await eventually("a real kill", () => kills(running, isOneOf([pid])).length === 1);
  await running.stop();
  const forged = kills(running, ({ victim }) => victim.tid >= 4_000_000);
  assert.deepEqual(forged, []);
  assert.ok(running.losses.length > 0, "what was not believed is counted");
});

test("hostile names forge nothing and stay whole", { skip }, async () => {
  const running = await start();
  const names = ["x: mark_victim:", "a\nb", "\n\n\n", "-1 [000] d..1. ", " pid=1 grp=1 "];
  for (const name of names) {
    const [pid = 0] = await lab("storm", "--cgroup", box.directory, "--kills", "1", "--name", name);
    await eventually(name, () => kills(running, isOneOf([pid])).length === 1);
    const [kill] = kills(running, isOneOf([pid]));
    assert.equal(kill?.victim.comm, name);
  }
  await running.stop();
  assert.deepEqual(running.losses, []);
  assert.equal(kills(running, ({ victim }) => victim.tid === 1).length, 0);
});

test("what happened while nobody watched is told at the next start", { skip }, async () => {
  const first = await start({ keepInstance: true });
  await first.stop();
  const pids = await lab("storm", "--cgroup", box.directory, "--kills", "3");
  const second = await start();
  await eventually("left over", () => kills(second, isOneOf(pids)).length === 3);
  await second.stop();
  assert.equal(kills(second, isOneOf(pids)).length, 3);
});

test("who shares memory is told from who only dies with its container", { skip }, async () => {
  const running = await start();
  const pids = await lab("sharer", "--cgroup", box.directory);
  await eventually("sharer", () => kills(running, isOneOf(pids)).length === 2);
  const teardown = `sleep 77 & sleep 77 & echo 0 > ${box.directory}/cgroup.procs; exec ${BUILD}/hog --mib 30`;
  spawnSync("unshare", ["-p", "-f", "--mount-proc", "sh", "-c", teardown], { timeout: 10_000 });
  await eventually("init", () => kills(running, ({ victim }) => victim.comm === "hog").length >= 1);
  await new Promise((done) => setTimeout(done, 500));
  await running.stop();
  const counted = kills(running, isOneOf(pids)).map((kill) => kill.counted);
  assert.deepEqual(counted.sort(), [false, true]);
  assert.equal(kills(running, ({ victim }) => victim.comm === "sleep").length, 0);
});

test("of two agents on one instance the second says who has it, and sees when the first is gone", {
  skip,
  timeout: 60_000,
}, async () => {
  const first = await start({ keepInstance: true });
  const options = { ...DEFAULT_SOURCE_OPTIONS, instanceName: NAME, keepInstance: true };
  const second = startSource(createTracefsSource(options));
  const pid = `pid ${process.pid} \\(.*node.*\\)`;
  await assert.rejects(second.end, new RegExp(`is read by ${pid}: stop it`));
  assert.deepEqual(second.notes, [], "it was never up");
  const elsewhere = spawnSync("unshare", ["-m", "flock", "-n", `${INSTANCES}/${NAME}`, "true"]);
  assert.equal(elsewhere.status, 1, "the lock holds in other mount namespaces");
  const pids = await lab("storm", "--cgroup", box.directory, "--kills", "3");
  await eventually("the first sees", () => kills(first, isOneOf(pids)).length === 3);
  await first.stop();
  const third = await start();
  await third.stop();
});

test("a pipe that somebody else reads: it is never up, gives up after 2 s and leaves nothing", {
  skip,
  timeout: 30_000,
}, async () => {
  mkdirSync(`${INSTANCES}/${NAME}`);
  const other = spawn("cat", [`${INSTANCES}/${NAME}/trace_pipe`], { stdio: "ignore" });
  await new Promise((done) => setTimeout(done, 200));
  const began = performance.now();
  const running = startSource(
    createTracefsSource({ ...DEFAULT_SOURCE_OPTIONS, instanceName: NAME, keepInstance: true }),
  );
  await assert.rejects(running.end, /busy/i);
  assert.ok(performance.now() - began < 5000);
  assert.deepEqual(running.notes, []);
  await ended(other);
  for (const name of [NAME, `${NAME}-lineage`]) rmdirSync(`${INSTANCES}/${name}`);
});

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await exit;
}

test("instances of killed watchers are removed, those of living ones stay", { skip }, async () => {
  const { pid: dead } = spawnSync("true");
  const stale = [`oomwitness-watch-${dead}`, `oomwitness-watch-${dead}-lineage`];
  const living = `oomwitness-watch-${process.pid}`;
  for (const name of [...stale, living]) mkdirSync(`${INSTANCES}/${name}`);
  const running = await start();
  await running.stop();
  const left = readdirSync(INSTANCES);
  rmdirSync(`${INSTANCES}/${living}`);
  for (const name of stale) assert.ok(!left.includes(name), name);
  assert.ok(left.includes(living));
});

test("without tracefs it says what is missing and what to do", async () => {
  const host = createHost();
  const run = (inode: (path: string) => null) => {
    const files = { ...host.files, exists: () => false, inode };
    return startSource(createTracefsSource(DEFAULT_SOURCE_OPTIONS), { host: { ...host, files } })
      .end;
  };
  const user = await run((path) => {
    throw new HostError("EACCES", path, "permission denied");
  });
  assert.ok(user.kind === "unavailable");
  assert.match(user.reason, /root only/);
  assert.match(user.remedy, /CAP_DAC_OVERRIDE/);
  const root = await run(() => null);
  assert.ok(root.kind === "unavailable");
  assert.match(root.reason, /CONFIG_TRACING/);
});
