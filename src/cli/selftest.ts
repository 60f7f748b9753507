import { type Pipeline, startPipeline } from "../agent/pipeline.ts";
import type { Host } from "../host/host.ts";
import { KERNEL_SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { KillRecord, LedgerRecord, SourceRecord } from "../model/record.ts";
import { parseRfc3339 } from "../sinks/time-bound.ts";
import type { SourceOptions } from "../sources/source.ts";
import { localOffsetMinutes } from "./console.ts";
import { afterSeconds, atMost, KillCounter } from "./ending.ts";
import { type Context, passingInstance, sourceOptions } from "./environment.ts";
import { CliError, type ExitStatus } from "./errors.ts";
import { flagOption, numberOption, type RawOptions } from "./options.ts";
import { createTestCgroup } from "./selftest-cgroup.ts";
import { makeTestKill, type TestKill } from "./selftest-kill.ts";
import { formatSelftest, jsonSelftest } from "./selftest-report.ts";

/**
 * What came of the test. A latency, in seconds, ends when the agent heard the source or, where that is not measured, when the
 * record named it: amendments are gathered for some 50 ms. Negative when a source spoke before the exit was seen.
 */
export interface SelftestResult {
  readonly kill: TestKill;
  /** Where latencies are counted from. */
  readonly from: "kernel" | "exit";
  readonly sources: readonly {
    readonly record: SourceRecord;
    readonly latencySeconds: number | null;
  }[];
  /** Last revision of every record of our kill: one, if all is well. */
  readonly records: readonly KillRecord[];
  readonly ledger: LedgerRecord;
}

const DEFAULT_PATIENCE_SECONDS = 10;
/** The counters' last word, after every source has been heard. */
const SETTLE_SECONDS = 0.5;

/** `oomwitness selftest`: one real kill, and who saw it. */
export async function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  const { console } = context;
  const patience = numberOption(options, "patience") ?? DEFAULT_PATIENCE_SECONDS;
  const sources = sourceOptions(context, options, {
    instanceName: passingInstance(context),
    keepInstance: false,
    history: false,
  });
  const result = await test(context, sources, patience);
  if (flagOption(options, "json")) {
    console.write(`${JSON.stringify(jsonSelftest(result))}\n`);
  } else {
    const { colour, unicode } = console;
    const width = console.size().columns;
    const lines = { colour, unicode, width, offsetMinutes: localOffsetMinutes };
    console.write(`${formatSelftest(result, lines).join("\n")}\n`);
  }
  return isPassed(result) ? 0 : 1;
}

/** Recorded exactly once, and the books agree. */
export function isPassed(result: SelftestResult): boolean {
  return result.records.length === 1 && (result.ledger.unaccounted ?? 0) === 0;
}

/** Records with the time at which each revision was heard. */
interface Heard {
  readonly record: KillRecord;
  readonly wallMicroseconds: number;
}

async function test(
  context: Context,
  sources: SourceOptions,
  patience: number,
): Promise<SelftestResult> {
  const { host } = context;
  const heard: Heard[] = [];
  const counter = new KillCounter(host.clock, null, (record) => {
    if (heard.length < HEARD_LIMIT) {
      heard.push({ record, wallMicroseconds: host.clock.wallMicroseconds() });
    }
  });
  const pipeline = startPipeline(host, {
    sources,
    stateDirectory: null,
    node: host.hostname,
    version: context.version,
    sinks: () => [counter],
  });
  try {
    await Promise.race([pipeline.ready, afterSeconds(host.clock, patience), stopped(context)]);
    return await killAndHear(context, pipeline, sources, patience, heard);
  } finally {
    await atMost(host.clock, 2, pipeline.stop());
  }
}
/** Other kills of the machine may come in between; a storm of them must not fill the memory. */
const HEARD_LIMIT = 10_000;

async function killAndHear(
  context: Context,
  pipeline: Pipeline,
  sources: SourceOptions,
  patience: number,
  heard: readonly Heard[],
): Promise<SelftestResult> {
  const { host } = context;
  const name = `oomwitness-selftest-${context.pid}`;
  const cgroup = createTestCgroup(host, sources, name);
  try {
    const kill = await Promise.race([
      makeTestKill(host, cgroup, process.execPath, patience),
      stopped(context),
    ]);
    const ours = () => heard.filter(({ record }) => isOurs(record, kill, name));
    await untilHeard(host, pipeline, patience, ours);
    return resultOf(kill, pipeline, ours());
  } finally {
    await removeSoon(host, cgroup.remove);
  }
}

/** Ctrl-C ends the test, the cgroup and the trace instance are removed on the way out. */
async function stopped(context: Context): Promise<never> {
  const signal = await context.console.interrupted;
  throw new CliError("E_SELFTEST", `stopped by ${signal} before the test was over.`);
}

function isOurs(record: KillRecord, kill: TestKill, name: string): boolean {
  const { pid, tid } = record.victim;
  return pid === kill.pid || tid === kill.pid || record.cgroup.path?.endsWith(`/${name}`) === true;
}

/** Until every source of the kernel that is up has been heard, or patience ends; then a little longer, for the books. */
async function untilHeard(
  host: Host,
  pipeline: Pipeline,
  patience: number,
  ours: () => readonly Heard[],
): Promise<void> {
  const end = host.clock.monotonicMicroseconds() + patience * 1_000_000;
  const missing = () => {
    const names = new Set<SourceName>(ours().flatMap(({ record }) => record.witnesses));
    const up = pipeline.view.sources().filter(({ state }) => state === "up");
    return KERNEL_SOURCE_NAMES.some(
      (name) => !names.has(name) && up.some(({ source }) => source === name),
    );
  };
  pipeline.poke();
  while (missing() && host.clock.monotonicMicroseconds() < end) {
    await afterSeconds(host.clock, 0.02);
  }
  await afterSeconds(host.clock, SETTLE_SECONDS);
}

function resultOf(kill: TestKill, pipeline: Pipeline, heard: readonly Heard[]): SelftestResult {
  const last = new Map<string, KillRecord>();
  for (const { record } of heard) last.set(record.id, record);
  const records = [...last.values()];
  const traced = records.find(({ witnesses }) =>
    witnesses.some((name) => name === "tracefs" || name === "probe"),
  );
  const zero = traced === undefined ? kill.endedAt : (parseRfc3339(traced.at) ?? kill.endedAt);
  const sources = KERNEL_SOURCE_NAMES.flatMap((name) => {
    const record = pipeline.view.sources().find(({ source }) => source === name);
    if (record === undefined) return [];
    const first = heard.find((one) => one.record.witnesses.includes(name));
    const recordSeconds = first === undefined ? null : (first.wallMicroseconds - zero) / 1_000_000;
    const latencySeconds =
      recordSeconds === null ? null : Math.min(recordSeconds, heardSeconds(pipeline, name));
    return [{ record, latencySeconds }];
  });
  const from = traced === undefined ? "exit" : "kernel";
  return { kill, from, sources, records, ledger: pipeline.view.ledger() };
}

/** When the agent itself heard this source, from its own histogram; it tells only if there was no other kill. */
function heardSeconds(pipeline: Pipeline, name: SourceName): number {
  const histogram = pipeline.view.metrics().latency.find(({ source }) => source === name);
  return histogram?.counts.at(-1) === 1 ? histogram.sumSeconds : Number.POSITIVE_INFINITY;
}

/** The kernel frees a cgroup's last task a moment after its exit is seen. */
async function removeSoon(host: Host, remove: () => void): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      remove();
      return;
    } catch {
      await afterSeconds(host.clock, 0.02);
    }
  }
}
