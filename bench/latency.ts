/** Time from the kernel's kill to the record at a client of the stream: single kills on an idle machine, and a storm. */
import { setTimeout as sleep } from "node:timers/promises";
import { TestAgent } from "../test/e2e/support/agent.ts";
import { whyNoV1Kills } from "../test/v1-cgroups.ts";
import { median, quantile, say } from "./support/figures.ts";
import { histogramQuantile } from "./support/metrics.ts";
import {
  AGENT_NICE,
  type Measured,
  measure,
  singleKills,
  tenTimesFifty,
} from "./support/storm-run.ts";

const STORMS = 3;
const SINGLES = 20;
/** An agent's own start is no steady state. */
const START_MILLISECONDS = 2_000;

function report(name: string, runs: readonly Measured[]): void {
  const latencies = runs.flatMap(({ arrivals }) => arrivals.map((one) => one.microseconds / 1000));
  say(`${name}_kills`, latencies.length, "kills");
  say(`${name}_to_stream_median`, median(latencies), "ms");
  say(`${name}_to_stream_p99`, quantile(latencies, 0.99), "ms");
  say(`${name}_to_stream_worst`, quantile(latencies, 1), "ms");
  for (const source of new Set(runs.flatMap(({ histograms }) => [...histograms.keys()]))) {
    reportSource(`${name}_${source}`, source, runs);
  }
  reportCgroups(name, runs);
}

/** The agent's own histogram: its quantiles are as good as its buckets. */
function reportSource(name: string, source: string, runs: readonly Measured[]): void {
  const of = (share: number) =>
    median(
      runs.flatMap(({ histograms }) => {
        const histogram = histograms.get(source);
        return histogram === undefined ? [] : [histogramQuantile(histogram, share)];
      }),
    );
  say(`${name}_median`, of(0.5), "ms");
  say(`${name}_p99`, of(0.99), "ms");
}

/** Known in the cgroup: by the kernel's or the dying process's own word, by conclusion, not at all. */
function reportCgroups(name: string, runs: readonly Measured[]): void {
  const records = runs.flatMap((run) => run.records);
  for (const attribution of ["exact", "inferred", "none"] as const) {
    const those = records.filter((record) => record.attribution === attribution);
    say(`${name}_${attribution}`, those.length, "kills");
  }
  const unnamed = records.filter((record) => record.victim.pid === null);
  say(`${name}_victim_unknown`, unnamed.length, "kills");
}

async function bench(): Promise<void> {
  process.env["OOMWITNESS_TRACE_INSTANCE"] = `oomwitness-bench-${process.pid}`;
  const agent = await TestAgent.create();
  try {
    await agent.start();
    await sleep(START_MILLISECONDS);
    report("idle", [await measure(agent, AGENT_NICE, () => singleKills(SINGLES))]);
    const runs: Measured[] = [];
    for (let run = 0; run < STORMS; run++) {
      runs.push(await measure(agent, AGENT_NICE, tenTimesFifty));
    }
    report("storm", runs);
    say("storm_duration", median(runs.map(({ milliseconds }) => milliseconds)), "ms");
    say("storm_agent_cpu", median(runs.map(({ cpuMilliseconds }) => cpuMilliseconds)), "ms");
    report("storm_ordinary_client", [await measure(agent, 0, tenTimesFifty)]);
    say("unaccounted", (await agent.ledger()).unaccounted ?? "unknown", "kills");
  } finally {
    await agent.dispose();
  }
}

const reason = whyNoV1Kills();
if (reason === null) await bench();
else say("latency", "skipped,", reason);
