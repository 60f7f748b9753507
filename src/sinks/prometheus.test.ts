import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { createMetricsRenderer } from "./prometheus.ts";
import { labelValue } from "./prometheus-text.ts";
import type { MetricsView, SeriesCount } from "./sink.ts";
import { agentView, EMPTY_METRICS } from "./testing/records.ts";

function render(metrics: Partial<MetricsView>): string {
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, ...metrics }) });
  return [...createMetricsRenderer(view).render([{ what: "sse-clients", count: 2 }], 0)].join("");
}

/** Runs promtool over a scrape; `null` when it is not installed. */
function promtool(text: string): { status: number | null; output: string } | null {
  const done = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  if (done.error !== undefined) return null;
  return { status: done.status, output: done.stdout + done.stderr };
}

const NO_PROMTOOL = "promtool is not installed: apt-get install prometheus";

const HOSTILE = [
  'quo"te',
  "new\nline",
  "back\\slash\\",
  '"} 1\noomwitness_kills_total{x="',
  "\ud800 lone",
  "\r\u0000\u2028",
  "y".repeat(4_096),
  "😀".repeat(2_048),
  `${"x".repeat(246)}😀${"z".repeat(50)}`,
];

function seriesOf(values: readonly string[]): SeriesCount[] {
  return values.map((pod, index) => ({
    labels: { namespace: "shop", pod, container: pod, scope: "container" },
    value: index,
  }));
}

test("before the first kill every family that can be known exists at 0", () => {
  const text = render({});
  for (const sample of [
    'oomwitness_kills_total{namespace="",pod="",container="",scope=""} 0',
    'oomwitness_invisible_kills_total{namespace="",pod="",container=""} 0',
    'oomwitness_incidents_total{namespace="",pod="",container=""} 0',
    'oomwitness_last_kill_timestamp_seconds{namespace="",pod="",container=""} 0',
    "oomwitness_kernel_kills_total 0",
    "oomwitness_unaccounted_kills 0",
    "oomwitness_unattributed_kills_total 0",
    "oomwitness_recovered_kills_total 0",
    'oomwitness_source_up{source="kernel-log"} 1',
    'oomwitness_source_up{source="probe"} 0',
    'oomwitness_source_lost_total{source="kernel-log"} 0',
    'oomwitness_dropped_total{queue="sse-clients"} 2',
    'oomwitness_build_info{version="0.1.0"} 1',
  ]) {
    assert.ok(text.includes(`\n${sample}\n`), `missing: ${sample}`);
  }
});

test("what the kernel does not count is absent, not 0", () => {
  const text = render({ kernelKills: null, unaccountedKills: null });
  assert.doesNotMatch(text, /^oomwitness_kernel_kills_total/m);
  assert.doesNotMatch(text, /^oomwitness_unaccounted_kills/m);
});

test("a kill outside any container does not double the zero series", () => {
  const labels = { namespace: "", pod: "", container: "", scope: "" };
  const text = render({ kills: [{ labels, value: 4 }] });
  assert.equal(text.match(/^oomwitness_kills_total\{/gm)?.length, 1);
});

/** All families, in every one a series of each hostile name. */
function hostileScrape(compat: boolean): string {
  const named = (...names: string[]): SeriesCount[] =>
    HOSTILE.map((value, index) => ({
      labels: Object.fromEntries(names.map((name) => [name, value])),
      value: index,
    }));
  const owner = ["namespace", "pod", "container"];
  const dropIn = named("container_id", "container_short_id", "name", "image_id", "pod");
  const view = agentView({
    metrics: () => ({
      ...EMPTY_METRICS,
      kills: seriesOf(HOSTILE),
      exits: named(...owner, "verdict"),
      lastKillSeconds: [
        { labels: { namespace: "a", pod: "b", container: "c" }, value: 1_795_216_205.123456 },
      ],
      restarts: dropIn,
      ooms: dropIn,
      lastExitCodes: dropIn,
      podKills: named("container_name", "namespace", "pod_uid", "pod_name"),
      oomEvents: named("container", "id", "image", "name", "namespace", "pod"),
      latency: [
        { source: "tracefs", bounds: [0.001, 0.01], counts: [3, 5, 6], sumSeconds: 0.25 },
        { source: "probe", bounds: [0.001, 0.01], counts: [0, 0, 0], sumSeconds: 0 },
      ],
    }),
  });
  const renderer = createMetricsRenderer(view, { compat, moreCompat: compat });
  return [...renderer.render([], 0)].join("");
}

test("promtool accepts the scrape, hostile names included", (t) => {
  const checked = promtool(hostileScrape(false));
  if (checked === null) return t.skip(NO_PROMTOOL);
  assert.deepEqual(checked, { status: 0, output: "" });
});

test("promtool finds nothing in the drop-ins but that their names are old", (t) => {
  const checked = promtool(hostileScrape(true));
  if (checked === null) return t.skip(NO_PROMTOOL);
  assert.deepEqual(checked.output.trim().split("\n").toSorted(), [
    'container_ooms counter metrics should have "_total" suffix',
    'container_restarts counter metrics should have "_total" suffix',
    'klog_pod_oomkill counter metrics should have "_total" suffix',
  ]);
});

test("drop-ins can be left out", () => {
  const text = (compat: boolean, moreCompat: boolean) =>
    [...createMetricsRenderer(agentView(), { compat, moreCompat }).render([], 0)].join("");
  assert.match(text(true, false), /^# TYPE container_ooms counter$/m);
  assert.doesNotMatch(text(false, false), /container_(?:ooms|restarts|last)/);
  assert.match(text(false, true), /^# TYPE klog_pod_oomkill counter$/m);
  assert.doesNotMatch(text(true, false), /klog_pod|oom_events/);
});

test("a counter that a regular scraper never saw stands at 0 once", () => {
  const first = { labels: { container: "a" }, value: 1 };
  const late = { labels: { container: "b" }, value: 2 };
  let kills: SeriesCount[] = [first];
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills, lastKillSeconds: kills }) });
  const renderer = createMetricsRenderer(view);
  const samples = (seconds: number) =>
    [
      ...[...renderer.render([], seconds)]
        .join("")
        .matchAll(/_(?:kills_total|seconds)\{.*"([ab])".*/g),
    ]
      .map(([line]) => line.at(-1))
      .join("");
  for (const seconds of [0, 15, 30]) assert.equal(samples(seconds), "11", "nobody waits for 0");
  kills = [first, late];
  assert.equal(samples(45), "1012", "a gauge is told as it is");
  assert.equal(samples(60), "1212");
  kills = [...kills, { labels: { container: "b", pod: "x" }, value: 3 }];
  assert.equal(samples(9_000), "123123", "whoever comes once an hour is no scraper");
});

test("each scraper sees that 0, and somebody who only looks takes it from nobody", () => {
  let kills: SeriesCount[] = [];
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills }) });
  const renderer = createMetricsRenderer(view);
  const value = (by: string, seconds: number) =>
    /_total\{.*"a".*\} (\d)/.exec(
      [...renderer.render([], seconds, { name: by, scrapes: false })].join(""),
    )?.[1];
  for (const seconds of [0, 15, 30]) {
    value("first", seconds);
    value("second", seconds + 1);
  }
  kills = [{ labels: { container: "a" }, value: 1 }];
  assert.equal(value("curl", 40), "1");
  assert.equal(value("first", 45), "0");
  assert.equal(value("second", 46), "0");
  for (const by of ["other1", "other2", "first", "second"]) assert.equal(value(by, 60), "1");
});

test("Prometheus sees it from its first scrape on, but not when it only comes from another address", () => {
  let kills: SeriesCount[] = [{ labels: { container: "a" }, value: 5, continued: true }];
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills }) });
  const renderer = createMetricsRenderer(view);
  const values = (name: string, seconds: number) => {
    const text = [...renderer.render([], seconds, { name, scrapes: name !== "curl" })].join("");
    return [...text.matchAll(/_total\{.*"[ab]".*\} (\d)/g)].map(([, value]) => value).join("");
  };
  kills = [...kills, { labels: { container: "b" }, value: 1 }];
  assert.equal(values("curl", 0), "51");
  assert.equal(values("first", 1), "50", "the last process told one of them");
  assert.equal(values("second", 2), "50", "a pair of them");
  assert.equal(values("first", 16), "51");
  assert.equal(values("moved", 100), "51", "it saw them from where it was before");
  kills = [...kills, { labels: { pod: "b" }, value: 3 }];
  assert.equal(values("moved", 115), "510");
  assert.equal(values("first", 116), "510");
  assert.equal(values("moved", 130), "513");
});

test("a counter that goes on under other labels begins at what was printed of it", () => {
  let kills: SeriesCount[] = [{ labels: { container: "x" }, value: 5 }];
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills }) });
  const renderer = createMetricsRenderer(view);
  const values = (seconds: number) => {
    const page = [...renderer.render([], seconds, { name: "p", scrapes: true })].join("");
    return [...page.matchAll(/"([a-z])".*\} (\d)/g)].map(([, name, value]) => `${name}${value}`);
  };
  assert.deepEqual(values(0), ["x0"]);
  assert.deepEqual(values(15), ["x5"]);
  const earlier = kills.map(({ labels }) => labels);
  kills = [
    { labels: { container: "a" }, value: 7, earlier },
    { labels: { container: "b" }, value: 7, earlier: [{ container: "never" }] },
    { labels: { container: "c" }, value: 7, continued: true },
  ];
  assert.deepEqual(values(30), ["a5", "b0", "c7"]);
  assert.deepEqual(values(45), ["a7", "b7", "c7"]);
});

test("promtool refuses what a careless renderer would print", (t) => {
  const checked = promtool('# TYPE a_total counter\na_total{x="quo"te"} 1\n');
  if (checked === null) return t.skip(NO_PROMTOOL);
  assert.notEqual(checked.status, 0);
});

test("law: a label value stays on its line, between its quotes, and can be read back", () => {
  const any = fc.oneof(fc.string({ unit: "binary", maxLength: 600 }), fc.constantFrom(...HOSTILE));
  fc.assert(
    fc.property(any, (value) => {
      const text = labelValue(value);
      assert.match(text, /^(?:[^"\\\n]|\\["\\n])*$/);
      assert.ok(text.isWellFormed());
      const read = text.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
      assert.ok(read.length <= 265);
      if (value.length <= 256 && value.isWellFormed()) assert.equal(read, value);
    }),
  );
});

test("long values that begin alike stay different series", () => {
  const [left, right] = ["a", "b"].map((end) => labelValue("x".repeat(4_096) + end));
  assert.notEqual(left, right);
});

test("a large scrape comes in pieces and is the same each time", () => {
  const kills = seriesOf(Array.from({ length: 10_000 }, (_, index) => `pod-${index}`));
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills }) });
  const renderer = createMetricsRenderer(view);
  const first = [...renderer.render([], 0)];
  assert.ok(first.length > 20);
  assert.ok(first.every((piece) => piece.length < 40_000));
  assert.deepEqual([...renderer.render([], 0)], first);
  assert.equal(first.join("").match(/^oomwitness_kills_total\{/gm)?.length, 10_001);
});
