import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { Observation, SourceName } from "../src/model/observation.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source, type SourceOptions } from "../src/sources/source.ts";
import {
  eventually,
  type RunningSource,
  type StartOptions,
  startSource,
} from "./source-harness.ts";
import { V1Cgroup, whyNoV1Kills } from "./v1-cgroups.ts";

export type SourceFactory = (options: SourceOptions) => Source;

/** Why a case does not apply to a source. */
export interface Skipped {
  readonly skip: string;
}

export interface Killed {
  readonly pid: number;
  readonly path: string;
}

/** What the suite must know of a source. A case is left out only with a reason. */
export interface SourceCases {
  /** Why the source cannot be tried on this machine; `null` when it can. */
  readonly unavailableHere: string | null;
  /** Whether the source told of this kill. */
  saw(observations: readonly Observation[], kill: Killed): boolean;
  readonly resumes: "with its cursor" | Skipped;
  /** Starts it where it must lose `count` pieces of evidence. */
  readonly loses: Skipped | { readonly count: number; start(): RunningSource };
}

let ordinal = 0;

/** Holds a source to the contract in `src/sources/source.ts`, with real kills in cgroups of this process. */
export function testSource(name: SourceName, factory: SourceFactory, cases: SourceCases): void {
  const options: SourceOptions = {
    ...DEFAULT_SOURCE_OPTIONS,
    instanceName: `owh-contract-${process.pid}-${ordinal++}`,
    keepInstance: false,
  };
  const here = { skip: cases.unavailableHere ?? false };
  const kills = { skip: cases.unavailableHere ?? whyNoV1Kills() ?? false };

  describe(`source ${name}`, () => {
    test("has its name", () => assert.equal(factory(options).name, name));

    test(
      "is up once, stops within 1 s of the abort, and leaves nothing behind",
      here,
      async (t) => {
        const before = heldResources();
        const running = start(t, factory(options));
        assert.equal(typeof (await running.upOrEnd), "string", "it is not up");
        await stopsInTime(running);
        assert.equal(running.notes.length, 1, "up() is called once");
        assert.deepEqual(heldResources(), before);
      },
    );

    test("an abort before it is up ends it too", here, async (t) => {
      const before = heldResources();
      await stopsInTime(start(t, factory(options)));
      assert.deepEqual(heldResources(), before);
    });

    test("where it can see nothing it says why, and what to do", async (t) => {
      const empty = mkdtempSync(join(tmpdir(), "oomwitness-blind-"));
      t.after(() => rmdirSync(empty));
      const roots = { procRoot: empty, sysRoot: empty, devRoot: empty };
      const running = start(t, factory({ ...options, ...roots }));
      const end = await running.end;
      assert.equal(end.kind, "unavailable");
      assert.ok(end.kind === "unavailable" && end.reason !== "");
      assert.deepEqual(running.notes, [], "up() is not for the unavailable");
    });

    test("sees a kill; what it tells is complete", kills, async (t) => {
      const running = start(t, factory(options));
      await running.upOrEnd;
      const { cgroup, kill } = killedCgroup(t);
      running.source.poke?.([cgroup.path]);
      await eventually("the kill", () => cases.saw(running.observations, kill));
      for (const observation of running.observations) assertComplete(observation, name);
    });

    const resume = typeof cases.resumes === "string" ? kills : cases.resumes;
    test("from its cursor it tells what it missed and nothing again", resume, async (t) => {
      await resumes(t, factory, options, cases);
    });

    const { loses } = cases;
    test("counts what it lost", "skip" in loses ? loses : here, async (t) => {
      if ("skip" in loses) return;
      const running = loses.start();
      t.after(() => running.stop());
      const lost = () => running.losses.reduce((sum, { count }) => sum + count, 0);
      await eventually("the loss", () => lost() > 0);
      assert.equal(lost(), loses.count);
      for (const { what } of running.losses) assert.notEqual(what, "");
    });

    test("a poke never throws: before, while and after it runs", here, async (t) => {
      await isPoked(t, factory(options));
    });
  });
}

const HOSTILE_PATHS: readonly string[] = [
  "",
  "/",
  "//",
  "/../../etc/passwd",
  "no slash",
  "/no/such/cgroup",
  "/\0",
  "/\n",
  "/\ud800",
  `/${"long/".repeat(2000)}`,
  ...Array.from({ length: 1200 }, (_, index) => `/absent-${index}`),
];

function start(t: TestContext, source: Source, options: StartOptions = {}): RunningSource {
  const running = startSource(source, options);
  t.after(() => running.stop().catch(() => {}));
  return running;
}

async function stopsInTime(running: RunningSource): Promise<void> {
  const before = performance.now();
  const end = await running.stop();
  const milliseconds = performance.now() - before;
  assert.equal(end.kind, "stopped");
  assert.ok(milliseconds < 1000, `stopped after ${milliseconds.toFixed(0)} ms`);
}

function killedCgroup(t: TestContext): { cgroup: V1Cgroup; kill: Killed } {
  const cgroup = new V1Cgroup();
  t.after(() => cgroup.remove());
  return { cgroup, kill: { pid: cgroup.kill(), path: cgroup.path } };
}

async function isPoked(t: TestContext, source: Source): Promise<void> {
  const poke = () => {
    for (const path of HOSTILE_PATHS) source.poke?.([path]);
    source.poke?.(HOSTILE_PATHS);
    source.poke?.([]);
  };
  poke();
  const running = start(t, source);
  poke();
  await running.upOrEnd;
  poke();
  await stopsInTime(running);
  poke();
}

async function resumes(
  t: TestContext,
  factory: SourceFactory,
  options: SourceOptions,
  cases: SourceCases,
): Promise<void> {
  // The evidence must outlive the first run.
  const keeping = { ...options, keepInstance: true };
  const first = start(t, factory(keeping));
  await first.upOrEnd;
  const seen = killedCgroup(t);
  await eventually("the first kill", () => cases.saw(first.observations, seen.kill));
  await first.stop();
  const missed = killedCgroup(t);
  const second = start(t, factory(options), { cursor: first.cursors.at(-1) ?? null });
  await second.upOrEnd;
  await eventually("the missed kill", () => cases.saw(second.observations, missed.kill));
  const told = new Set(first.observations.map(({ sequence }) => sequence));
  const again = second.observations.filter(({ sequence }) => told.has(sequence));
  assert.deepEqual(again, []);
  assert.ok(!cases.saw(second.observations, seen.kill), "the first kill came twice");
  await second.stop();
}

function assertComplete(observation: Observation, name: SourceName): void {
  assert.equal(observation.source, name);
  assert.notEqual(observation.sequence, "");
  const { monotonicMicroseconds, wallMicroseconds, uncertaintyMicroseconds } = observation.at;
  for (const value of [monotonicMicroseconds, wallMicroseconds, uncertaintyMicroseconds]) {
    assert.ok(Number.isSafeInteger(value) && value >= 0, `${value}`);
  }
  if (observation.kind !== "counter") return;
  assert.equal(observation.baseline, observation.since === null);
  const since = observation.since?.monotonicMicroseconds ?? 0;
  assert.ok(since < monotonicMicroseconds, "an interval");
}

/** Children of this process and files it watches by inotify: what a source must give back. */
function heldResources(): { children: number; watches: number } {
  return { children: childCount(), watches: watchCount() };
}

function childCount(): number {
  const tasks = readdirSync("/proc/self/task");
  const children = tasks.flatMap((task) => words(`/proc/self/task/${task}/children`));
  return children.length;
}

function watchCount(): number {
  const infos = readdirSync("/proc/self/fdinfo").map((name) => words(`/proc/self/fdinfo/${name}`));
  return infos.flat().filter((word) => word === "inotify").length;
}

function words(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split(/\s+/)
      .filter((word) => word !== "");
  } catch {
    return [];
  }
}
