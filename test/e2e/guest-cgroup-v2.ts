/**
 * Runs inside the guest: makes kills in cgroups (v2) while the cgroup source watches, without any poke unless said, and
 * writes what the source told to /job/out/NAME.json. `cgroup-v2.test.ts` judges it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createHost } from "../../src/host/real.ts";
import { createCgroupSource, readLimitChain } from "../../src/sources/cgroup.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../../src/sources/source.ts";
import { countersOf, eventually, type RunningSource, startSource } from "../source-harness.ts";

const ROOT = "/sys/fs/cgroup";

function make(path: string, limitMib: number | null): void {
  mkdirSync(ROOT + path);
  if (limitMib !== null) writeFileSync(`${ROOT}${path}/memory.max`, String(limitMib << 20));
}

function delegate(path: string): void {
  writeFileSync(`${ROOT}${path}/cgroup.subtree_control`, "+memory");
}

function killIn(path: string): void {
  const { signal } = spawnSync("hog", ["--mib", "30", "--cgroup", ROOT + path]);
  if (signal !== "SIGKILL") throw new Error(`the hog in ${path} was not killed: ${signal}`);
}

async function start(): Promise<RunningSource> {
  const running = startSource(createCgroupSource(DEFAULT_SOURCE_OPTIONS));
  const up = await running.upOrEnd;
  if (typeof up !== "string") throw new Error(JSON.stringify(up));
  return running;
}

function save(name: string, value: unknown): void {
  writeFileSync(`/job/out/${name}.json`, JSON.stringify(value, null, 1));
}

/** What was told of each path: [extent, oomKill, oomGroupKill, baseline, final]. */
function told(running: RunningSource, ...paths: string[]): Record<string, unknown[]> {
  const rows = (path: string) =>
    countersOf(running.observations, path).map(
      ({ book, oomKill, oomGroupKill, baseline, final }) => [
        book.kind === "cgroup" ? book.extent : "node",
        oomKill,
        oomGroupKill,
        baseline,
        final,
      ],
    );
  return Object.fromEntries(paths.map((path) => [path, rows(path)]));
}

async function nested(running: RunningSource): Promise<void> {
  make("/pod/box", 10);
  killIn("/pod/box");
  const dead = performance.now();
  const isTold = () => countersOf(running.observations, "/pod/box").length >= 2;
  await eventually("nested", isTold);
  const milliseconds = Math.round(performance.now() - dead);
  await sleep(100);
  const chain = readLimitChain(createHost(), ROOT, "/pod/box");
  save("nested", { milliseconds, chain, told: told(running, "/pod", "/pod/box") });
}

async function group(running: RunningSource): Promise<void> {
  make("/pod/group", 10);
  writeFileSync(`${ROOT}/pod/group/memory.oom.group`, "1");
  execFileSync("group", ["--cgroup", `${ROOT}/pod/group`, "--processes", "5", "--mib", "30"]);
  await eventually("group", () =>
    countersOf(running.observations, "/pod/group").some(({ oomKill }) => oomKill === 6),
  );
  await sleep(100);
  const last = countersOf(running.observations, "/pod/group").slice(-2);
  save(
    "group",
    last.map(({ book, oomKill, oomGroupKill }) => ({ book, oomKill, oomGroupKill })),
  );
}

/** Nobody can read the child after its kill: it is removed in the same turn of this program. */
async function removed(running: RunningSource): Promise<void> {
  make("/top", null);
  delegate("/top");
  make("/top/gone", 10);
  await sleep(100);
  killIn("/top/gone");
  rmdirSync(`${ROOT}/top/gone`);
  await eventually("removed", () => countersOf(running.observations, "/top").length > 0);
  await sleep(100);
  save("removed", told(running, "/top", "/top/gone"));
}

/** Made, killed in and removed before the source can have noticed any of it. */
async function unseen(running: RunningSource): Promise<void> {
  make("/quick", null);
  delegate("/quick");
  make("/quick/box", 10);
  killIn("/quick/box");
  rmdirSync(`${ROOT}/quick/box`);
  await eventually("unseen", () => countersOf(running.observations, "/quick").length > 0);
  save("unseen", told(running, "/quick", "/quick/box"));
}

async function finals(running: RunningSource): Promise<void> {
  rmdirSync(`${ROOT}/pod/box`);
  const isFinal = () => countersOf(running.observations, "/pod/box").some(({ final }) => final);
  await eventually("final", isFinal);
  save("finals", told(running, "/pod/box"));
}

async function poked(running: RunningSource): Promise<void> {
  make("/poked", 10);
  killIn("/poked");
  running.source.poke?.(["/poked"]);
  save("poked", told(running, "/poked"));
}

async function restarted(): Promise<void> {
  const running = await start();
  await sleep(100);
  save("restarted", told(running, "/pod", "/pod/group", "/top"));
  await running.stop();
}

async function localEvents(): Promise<void> {
  execFileSync("mount", ["-o", "remount,memory_localevents", ROOT]);
  make("/flat", null);
  delegate("/flat");
  make("/flat/box", 10);
  const running = await start();
  killIn("/flat/box");
  running.source.poke?.(["/flat/box"]);
  save("local", { note: running.notes[0], told: told(running, "/flat", "/flat/box") });
  await running.stop();
}

make("/pod", null);
delegate("/pod");
const running = await start();
for (const scenario of [nested, group, removed, unseen, finals, poked]) await scenario(running);
save("note", running.notes);
const before = performance.now();
await running.stop();
save("stop", performance.now() - before);
await restarted();
await localEvents();
