import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPipeline } from "../src/agent/pipeline.ts";
import { createHost } from "../src/host/real.ts";
import * as evidence from "../src/ledger/testing.ts";
import type { Sink } from "../src/sinks/sink.ts";
import { createStore } from "../src/sinks/store.ts";
import {
  DEFAULT_SOURCE_OPTIONS,
  type Source,
  type SourceObservation,
} from "../src/sources/source.ts";

/** How long a kill takes from the source to the sinks, and how long the loop stands still, while others write to the disk. */
const SECONDS = 30;
const EVERY_MILLISECONDS = 10;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-bench-disk-"));
const waste = path.join(directory, "waste");
const load = "while :; do dd if=/dev/zero of=$1 bs=1M count=256 conv=fsync 2>/dev/null; done";

async function measure(name: string, busy: boolean): Promise<void> {
  const state = path.join(directory, busy ? "busy" : "quiet");
  fs.mkdirSync(state);
  const writer = busy ? spawn("sh", ["-c", load, "sh", waste], { detached: true }) : null;
  if (writer !== null) await sleep(3_000);
  const { told, stalls } = await run(state);
  if (writer?.pid !== undefined) process.kill(-writer.pid, "SIGKILL");
  const line = [
    `${name}: a kill is told after`,
    of(told, 0.5),
    "(median)",
    of(told, 0.99),
    "(p99)",
  ];
  line.push(of(told, 1), "ms at most; the loop stood still for", of(stalls, 0.99), "(p99)");
  process.stdout.write(`${line.join(" ")} ${of(stalls, 1)} ms at most\n`);
}

async function run(state: string): Promise<{ told: number[]; stalls: number[] }> {
  const host = createHost();
  let emit: (observations: readonly SourceObservation[]) => void = () => {};
  const source: Source = {
    name: "tracefs",
    run: (context) => {
      emit = (observations) => context.emit(observations);
      context.up("");
      return new Promise((resolve) => {
        context.stop.addEventListener("abort", () => resolve({ kind: "stopped" }));
      });
    },
  };
  let heard = 0;
  const listener: Sink = {
    name: "bench",
    accept: () => {
      heard = performance.now();
    },
    close: async () => {},
  };
  const sinks = (): readonly Sink[] => [
    createStore({ path: `${state}/oomwitness.db`, clock: host.clock, report: () => {} }),
    listener,
  ];
  const options = { sources: DEFAULT_SOURCE_OPTIONS, stateDirectory: state, sinks, node: "n" };
  const pipeline = startPipeline(host, { ...options, version: "", createSources: () => [source] });
  await sleep(500);
  const [told, stalls] = [[] as number[], [] as number[]];
  const end = performance.now() + SECONDS * 1_000;
  const start = host.clock.monotonicMicroseconds() / 1_000_000;
  for (let tid = 1; performance.now() < end; tid += 1) {
    const before = performance.now();
    emit([evidence.kill("tracefs", start + tid / 100, tid)]);
    told.push(heard - before);
    const asleep = performance.now();
    await sleep(EVERY_MILLISECONDS);
    stalls.push(Math.max(0, performance.now() - asleep - EVERY_MILLISECONDS));
  }
  await pipeline.stop();
  return { told, stalls };
}

function of(values: readonly number[], part: number): string {
  const sorted = [...values].sort((left, right) => left - right);
  return (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(2);
}

try {
  await measure("quiet disk", false);
  await measure("busy disk", true);
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
