/** Kills to the stream and scrapes while a crowd asks: 100 clients that page, 500 that say nothing, slow senders. */
import { setTimeout as sleep } from "node:timers/promises";
import { TestAgent } from "../test/e2e/support/agent.ts";
import { whyNoV1Kills } from "../test/v1-cgroups.ts";
import { median, quantile, say } from "./support/figures.ts";
import { type CrowdSize, type LoadRun, underLoad } from "./support/http-load.ts";
import { tenTimesFifty } from "./support/storm-run.ts";
import { memoryOf } from "./support/usage.ts";

/** Storms of 500 kills, so that a page of 1,000 is full. */
const STORMS = 3;
const TURNS = { count: 100, everyMilliseconds: 100 };
/** An agent's own start is no steady state. */
const START_MILLISECONDS = 2_000;

const CROWDS: readonly (readonly [name: string, size: CrowdSize | null])[] = [
  ["quiet", null],
  ["paging", { pagers: 100, idle: 500, tricklers: 0 }],
  ["slow_senders", { pagers: 0, idle: 0, tricklers: 600 }],
];

function report(name: string, { kills, latenciesMilliseconds, ...run }: LoadRun): void {
  say(`${name}_kills`, kills, "kills");
  say(`${name}_kills_at_stream`, latenciesMilliseconds.length, "kills");
  say(`${name}_to_stream_median`, median(latenciesMilliseconds), "ms");
  say(`${name}_to_stream_p99`, quantile(latenciesMilliseconds, 0.99), "ms");
  say(`${name}_to_stream_worst`, quantile(latenciesMilliseconds, 1), "ms");
  const answered = run.scrapesMilliseconds.filter((one) => one !== null);
  say(`${name}_scrapes`, `${answered.length} of ${run.scrapesMilliseconds.length}`);
  say(`${name}_scrape_median`, median(answered), "ms");
  say(`${name}_scrape_worst`, quantile(answered, 1), "ms");
  if (run.crowd === null) return;
  say(`${name}_pages`, run.crowd.pages, "pages");
  say(`${name}_pages_refused`, run.crowd.refused, "pages");
  say(`${name}_pages_failed`, run.crowd.failed, "pages");
  say(`${name}_slowest_page`, run.crowd.slowestPageMilliseconds, "ms");
  say(`${name}_cut`, run.crowd.cut, "connections");
}

async function bench(): Promise<void> {
  process.env["OOMWITNESS_TRACE_INSTANCE"] = `oomwitness-bench-${process.pid}`;
  const agent = await TestAgent.create();
  try {
    await agent.start();
    await sleep(START_MILLISECONDS);
    for (let run = 0; run < STORMS; run += 1) await tenTimesFifty();
    await agent.settle();
    for (const [name, size] of CROWDS) {
      report(name, await underLoad(agent, TURNS, size));
      say(`${name}_agent_private`, memoryOf(agent.pid).anonymousMegabytes, "MB");
    }
    await agent.settle();
    say("unaccounted", (await agent.ledger()).unaccounted ?? "unknown", "kills");
  } finally {
    await agent.dispose();
  }
}

const reason = whyNoV1Kills();
if (reason === null) await bench();
else say("http_load", "skipped,", reason);
