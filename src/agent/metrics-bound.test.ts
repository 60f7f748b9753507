import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createMetricsRenderer } from "../sinks/prometheus.ts";
import { agentView, EMPTY_METRICS } from "../sinks/testing/records.ts";
import type { Metrics } from "./metrics.ts";
import { exitOf, facts, killIn, NOW, pod, started, sum } from "./testing/metrics.ts";

const NAMES = 1_000;
const HOURS = 3;
/** A crash loop of the kubelet waits five minutes. */
const ROUND_SECONDS = 300;
/** Per name and per container, all families and the optional ones; what is printed always. */
const SERIES_LIMIT = 2_001 * 10 + 4_001 * 4 + 100;

function scrape(metrics: Metrics): { series: number; bytes: number; milliseconds: number } {
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, ...metrics.view() }) });
  const renderer = createMetricsRenderer(view, { compat: true, moreCompat: true });
  const begun = performance.now();
  const page = [...renderer.render([], 0)].join("");
  const milliseconds = performance.now() - begun;
  const series = page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  return { series, bytes: page.length, milliseconds };
}

/** Every pod's container is made anew each round, is killed, ends and is removed. */
function crashLoops(metrics: Metrics, podOf: (name: number, round: number) => string): number {
  let kills = 0;
  for (let round = 0; round < (HOURS * 3_600) / ROUND_SECONDS; round++) {
    for (let name = 0; name < NAMES; name++) {
      const id = `${round}-${name}`.padEnd(64, "0");
      const one = facts(id, {
        runtime: "containerd",
        pod: pod(podOf(name, round)),
        restarts: round,
      });
      metrics.container(one, true);
      metrics.kill(killIn(++kills, one));
      metrics.exit(exitOf(one));
      metrics.gone(id);
    }
    metrics.advance(NOW + (round + 1) * ROUND_SECONDS);
  }
  return kills;
}

/** Prints what there is to scrape, and checks that all of it goes. */
function assertBounded(t: TestContext, metrics: Metrics, kills: number): void {
  const { series, bytes, milliseconds } = scrape(metrics);
  const state = JSON.stringify(metrics.state()).length;
  t.diagnostic(
    `${kills} kills: ${series} series, a page of ${Math.round(bytes / 1024)} KiB in ${milliseconds.toFixed(0)} ms, ` +
      `checkpoint ${Math.round(state / 1024)} KiB, counted under other ${metrics.folded}`,
  );
  assert.ok(series <= SERIES_LIMIT, `${series} series`);
  metrics.advance(NOW + HOURS * 3_600 + 7_300);
  assert.ok(scrape(metrics).series < 100, "an hour later they are gone");
}

test("1,000 pods whose containers crash-loop for 3 hours", (t) => {
  const metrics = started();
  const kills = crashLoops(metrics, (name) => `cart-${name}`);
  assert.equal(sum(metrics.view().kills), kills, "names go on, whatever goes");
  assertBounded(t, metrics, kills);
});

test("1,000 jobs made anew under new names for 3 hours: the oldest names make room", (t) => {
  const metrics = started();
  const kills = crashLoops(metrics, (name, round) => `job-${name}-${round}`);
  const last = metrics.view().kills.filter(({ labels }) => labels["pod"]?.endsWith("-35"));
  assert.equal(sum(last), NAMES, "the newest are all there");
  assert.equal(metrics.folded, 0);
  assertBounded(t, metrics, kills);
});
