/** Cost of the cgroup source on cgroup v1 with 10, 500 and 2,000 cgroups: memory, scan, poke, idle CPU. */
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createHost } from "../src/host/real.ts";
import { CGROUP_TUNING, createCgroupSource } from "../src/sources/cgroup.ts";
import { findMemoryHierarchy } from "../src/sources/cgroup-hierarchy.ts";
import { ScanLoop } from "../src/sources/cgroup-scan.ts";
import { CgroupTree } from "../src/sources/cgroup-tree.ts";
import { V1_READER } from "../src/sources/cgroup-v1.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../src/sources/source.ts";
import { startSource } from "../test/source-harness.ts";
import { V1Cgroup, whyNoV1Kills } from "../test/v1-cgroups.ts";
import { median, quantile, say } from "./support/figures.ts";

const SIZES = [10, 500, 2000];

function collectedHeap(): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  collect?.();
  return process.memoryUsage().heapUsed;
}

function pathOf(parent: V1Cgroup, index: number): string {
  // As long as a container's: 64 digits.
  return `${parent.path}/${index.toString(16).padStart(64, "0")}`;
}

/** A complete scan in one go, as the source does it in slices. */
async function scanOnce(): Promise<{ milliseconds: number; bytesEach: number; cgroups: number }> {
  const host = createHost();
  const hierarchy = findMemoryHierarchy(host.files, DEFAULT_SOURCE_OPTIONS);
  if (hierarchy === null) throw new Error("no memory hierarchy");
  const ignore = () => {};
  const events = { emit: ignore, attached: ignore, detached: ignore };
  const tree = new CgroupTree(host, V1_READER, hierarchy, events);
  const tuning = { ...CGROUP_TUNING.scan, intervalMilliseconds: 0, cpuShare: 1 };
  const costs: number[] = [];
  const before = collectedHeap();
  await new Promise<void>((resolve, reject) => {
    const finished = () => {
      costs.push(scan.lastCostMicroseconds / 1000);
      if (costs.length < 5) return;
      scan.stop();
      clearInterval(alive);
      resolve();
    };
    const scan: ScanLoop = new ScanLoop(host.clock, tree, tuning, { finished, failed: reject });
    const alive = setInterval(() => {}, 1000);
    scan.start();
  });
  const milliseconds = costs.toSorted((a, b) => a - b)[2] ?? Number.NaN;
  return {
    milliseconds,
    bytesEach: (collectedHeap() - before) / tree.size,
    cgroups: tree.size,
  };
}

async function measure(count: number): Promise<void> {
  const parent = new V1Cgroup(undefined, null);
  try {
    for (let index = 0; index < count; index++) {
      mkdirSync(`/sys/fs/cgroup/memory${pathOf(parent, index)}`);
    }
    const { milliseconds, bytesEach, cgroups } = await scanOnce();
    say(`cgroup_source_${count}_cgroups_scanned`, cgroups, "cgroups");
    say(`cgroup_source_${count}_cgroups_scan`, milliseconds, "ms");
    if ("gc" in globalThis) say(`cgroup_source_${count}_cgroups_memory_each`, bytesEach, "bytes");
    await measureRunning(parent, count);
  } finally {
    parent.remove();
  }
}

async function measureRunning(parent: V1Cgroup, count: number): Promise<void> {
  const running = startSource(createCgroupSource(DEFAULT_SOURCE_OPTIONS));
  await running.upOrEnd;
  const pokes: number[] = [];
  for (let index = 0; index < Math.min(count, 200); index++) {
    const before = performance.now();
    running.source.poke?.([pathOf(parent, index)]);
    pokes.push((performance.now() - before) * 1000);
    await sleep(6);
  }
  say(`cgroup_source_${count}_cgroups_poke_median`, median(pokes), "µs");
  say(`cgroup_source_${count}_cgroups_poke_p99`, quantile(pokes, 0.99), "µs");
  const cpu = process.cpuUsage();
  const seconds = 10;
  await sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 1e4 / seconds;
  say(`cgroup_source_${count}_cgroups_idle_cpu`, share, "% of a core");
  await running.stop();
}

const reason = whyNoV1Kills();
if (reason !== null) say("cgroup_source", "skipped,", reason);
else for (const size of SIZES) await measure(size);
