/**
 * Flags of Node for the agent, side by side: latency and CPU of the 10 × 50 storm, memory before and after. Interleaved,
 * because whatever else the machine does comes and goes. `flags.ts ROUNDS`; without a number
 * nothing is run: one round is no comparison, and takes a minute.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TestAgent } from "../test/e2e/support/agent.ts";
import { whyNoV1Kills } from "../test/v1-cgroups.ts";
import { median, quantile, say } from "./support/figures.ts";
import { AGENT_NICE, measure, tenTimesFifty } from "./support/storm-run.ts";
import { busyTicks, memoryOf } from "./support/usage.ts";

const SETS = {
  no_jit: "--no-opt --no-maglev --optimize-for-size --max-semi-space-size=1",
  one_gc_thread: "--single-threaded-gc --max-semi-space-size=2",
  one_gc_thread_small: "--single-threaded-gc --optimize-for-size --max-semi-space-size=1",
  one_gc_thread_no_jit:
    "--single-threaded-gc --no-opt --no-maglev --optimize-for-size --max-semi-space-size=2",
} as const;
/** After this an agent has started and loaded what it needs. */
const START_MILLISECONDS = 3_000;

interface Figures {
  readonly latencies: readonly number[];
  readonly cpuMilliseconds: number;
  readonly idleResident: number;
  readonly idleAnonymous: number;
  readonly afterResident: number;
  readonly afterAnonymous: number;
  readonly othersShare: number;
}

function create(flags: string): Promise<TestAgent> {
  const root = resolve(import.meta.dirname, "..");
  return TestAgent.create([`${root}/bin/node`, ...flags.split(" "), `${root}/src/cli/main.ts`]);
}

/** Fills the cache of compiled source, which is another one for each set of flags. */
async function warmUp(flags: string): Promise<void> {
  const agent = await create(flags);
  await agent.start();
  await agent.dispose();
}

async function run(flags: string): Promise<Figures> {
  const agent = await create(flags);
  try {
    await agent.start();
    await sleep(START_MILLISECONDS);
    const idle = memoryOf(agent.pid);
    const before = busyTicks();
    await sleep(500);
    const now = busyTicks();
    const storm = await measure(agent, AGENT_NICE, tenTimesFifty);
    const after = memoryOf(agent.pid);
    return {
      latencies: storm.arrivals.map(({ microseconds }) => microseconds / 1000),
      cpuMilliseconds: storm.cpuMilliseconds,
      idleResident: idle.residentMegabytes,
      idleAnonymous: idle.anonymousMegabytes,
      afterResident: after.residentMegabytes,
      afterAnonymous: after.anonymousMegabytes,
      othersShare: (now.busy - before.busy) / (now.all - before.all),
    };
  } finally {
    await agent.dispose();
  }
}

function report(name: string, runs: readonly Figures[]): void {
  const of = (figure: (run: Figures) => number) => median(runs.map(figure));
  say(
    `${name}_storm_median`,
    of(({ latencies }) => quantile(latencies, 0.5)),
    "ms",
  );
  say(
    `${name}_storm_p99`,
    of(({ latencies }) => quantile(latencies, 0.99)),
    "ms",
  );
  say(
    `${name}_storm_cpu`,
    of(({ cpuMilliseconds }) => cpuMilliseconds),
    "ms",
  );
  say(
    `${name}_idle_resident`,
    of(({ idleResident }) => idleResident),
    "MB",
  );
  say(
    `${name}_idle_anonymous`,
    of(({ idleAnonymous }) => idleAnonymous),
    "MB",
  );
  say(
    `${name}_after_resident`,
    of(({ afterResident }) => afterResident),
    "MB",
  );
  say(
    `${name}_after_anonymous`,
    of(({ afterAnonymous }) => afterAnonymous),
    "MB",
  );
  say(
    `${name}_others_before`,
    of(({ othersShare }) => 100 * othersShare),
    "% of the machine",
  );
}

async function bench(rounds: number): Promise<void> {
  process.env["OOMWITNESS_TRACE_INSTANCE"] = `oomwitness-bench-${process.pid}`;
  const cache = mkdtempSync(join(tmpdir(), "oomwitness-bench-"));
  process.env["NODE_COMPILE_CACHE"] = cache;
  for (const flags of Object.values(SETS)) await warmUp(flags);
  const runs = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, flags] of Object.entries(SETS)) {
      const figures = await run(flags);
      runs.set(name, [...(runs.get(name) ?? []), figures]);
      if (process.env["BENCH_VERBOSE"] !== undefined) report(`round_${round}_${name}`, [figures]);
    }
  }
  for (const [name, figures] of runs) report(name, figures);
  rmSync(cache, { recursive: true, force: true });
}

const reason = whyNoV1Kills();
const rounds = Number(process.argv[2] ?? 0);
if (reason !== null) say("flags", "skipped,", reason);
else if (rounds > 0) await bench(rounds);
else say("flags", "skipped,", "compare them with: bin/node bench/flags.ts 4");
