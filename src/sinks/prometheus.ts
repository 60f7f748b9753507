import { SOURCE_NAMES } from "../model/observation.ts";
import { type Reader, type Scrape, Scrapers } from "./prometheus-scrapers.ts";
import { LabelCache, labelText, labelValue, sampleValue } from "./prometheus-text.ts";
import type { AgentView, LatencyHistogram, MetricsView, SeriesCount } from "./sink.ts";

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Characters after which a piece is handed to the reader: a scrape never stands in memory as a whole. */
const PIECE = 32_768;

const CONTAINER = ["namespace", "pod", "container"] as const;
const SCOPED = [...CONTAINER, "scope"] as const;
const VERDICTS = [...CONTAINER, "verdict"] as const;
/** missing-container-metrics c963722, metrics/metrics.go. */
const DROP_IN = [
  "docker_container_id",
  "container_short_id",
  "container_id",
  "name",
  "image_id",
  "pod",
  "namespace",
] as const;
/** kubernetes-oomkill-exporter 1d75d9c, main.go. */
const POD_OOM_KILL = ["container_name", "namespace", "pod_uid", "pod_name"] as const;
/** cAdvisor's, as the kubelet serves them. */
const CADVISOR = ["container", "id", "image", "name", "namespace", "pod"] as const;

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  samples(input: Input): Iterable<string>;
}

interface Input {
  readonly view: AgentView;
  readonly metrics: MetricsView;
  readonly drops: readonly Drop[];
  readonly cache: LabelCache;
  readonly scrape: Scrape;
}

export interface Drop {
  readonly what: string;
  readonly count: number;
}

const OWN_FAMILIES: readonly Family[] = [
  labelled(
    "kills_total",
    "counter",
    "Processes killed by the kernel's OOM killer.",
    SCOPED,
    (m) => m.kills,
  ),
  labelled(
    "invisible_kills_total",
    "counter",
    "OOM kills after which the container's main process was still alive.",
    CONTAINER,
    (m) => m.invisibleKills,
  ),
  labelled(
    "incidents_total",
    "counter",
    "Runs of the OOM killer; a group kill is one run.",
    CONTAINER,
    (m) => m.incidents,
  ),
  labelled(
    "last_kill_timestamp_seconds",
    "gauge",
    "Unix time of the last OOM kill; 0 when there was none.",
    CONTAINER,
    (m) => m.lastKillSeconds,
  ),
  labelled(
    "container_exits_total",
    "counter",
    "Ends of a container's main process, by whether memory was the reason.",
    VERDICTS,
    (m) => m.exits ?? [],
  ),
  plain(
    "kernel_kills_total",
    "counter",
    "OOM kills in the kernel's own book of the node; absent where the kernel keeps none.",
    (m) => m.kernelKills,
  ),
  plain(
    "unaccounted_kills",
    "gauge",
    "OOM kills in the kernel's books that no record explains; 0 when nothing was missed.",
    (m) => m.unaccountedKills,
  ),
  plain(
    "unattributed_kills_total",
    "counter",
    "Recorded OOM kills whose cgroup is not known.",
    (m) => m.unattributedKills,
  ),
  plain(
    "recovered_kills_total",
    "counter",
    "OOM kills found after the fact, because nobody was watching when they happened.",
    (m) => m.recoveredKills,
  ),
  {
    name: "oomwitness_source_up",
    type: "gauge",
    help: "Whether a source of evidence is working (1) or not (0).",
    samples: ({ view }) =>
      sourceSamples("oomwitness_source_up", view, (source) => (source?.state === "up" ? 1 : 0)),
  },
  {
    name: "oomwitness_source_lost_total",
    type: "counter",
    help: "Pieces of evidence a source knows it lost since the agent started.",
    samples: ({ view }) =>
      sourceSamples("oomwitness_source_lost_total", view, (source) => source?.lost ?? 0),
  },
  {
    name: "oomwitness_source_missed_total",
    type: "counter",
    help: "OOM kills that others saw and a source did not, though it was watching, since the agent started.",
    samples: ({ view }) =>
      sourceSamples("oomwitness_source_missed_total", view, (source) => source?.missed ?? 0),
  },
  {
    name: "oomwitness_detection_latency_seconds",
    type: "histogram",
    help: "Time from the kernel's kill to the record on the stream, by the first source that saw it.",
    samples: ({ metrics }) => metrics.latency.flatMap(histogramSamples),
  },
  {
    name: "oomwitness_dropped_total",
    type: "counter",
    help: "Things the agent dropped because a queue was full, since it started.",
    samples: ({ metrics, drops }) => dropSamples([...metrics.drops, ...drops]),
  },
  {
    name: "oomwitness_build_info",
    type: "gauge",
    help: "Always 1; the version is in the label.",
    samples: ({ view }) => [`oomwitness_build_info{version="${labelValue(view.version)}"} 1\n`],
  },
];

const COMPAT_FAMILIES: readonly Family[] = [
  dropIn("container_restarts", "counter", "Restarts of a container.", DROP_IN, (m) => m.restarts),
  dropIn("container_ooms", "counter", "OOM kills in a container.", DROP_IN, (m) => m.ooms),
  dropIn(
    "container_last_exit_code",
    "gauge",
    "Last exit code of a container's main process; 0 before the first.",
    DROP_IN,
    (m) => m.lastExitCodes,
  ),
];

const MORE_COMPAT_FAMILIES: readonly Family[] = [
  dropIn(
    "klog_pod_oomkill",
    "counter",
    "OOM kills in a container of a pod.",
    POD_OOM_KILL,
    (m) => m.podKills,
  ),
  dropIn(
    "container_oom_events_total",
    "counter",
    "OOM kills in a container, by cgroup.",
    CADVISOR,
    (m) => m.oomEvents,
  ),
];

/** A family of another program, printed only for what there is. */
function dropIn(
  name: string,
  type: Family["type"],
  help: string,
  names: readonly string[],
  pick: (metrics: MetricsView) => readonly SeriesCount[] | undefined,
): Family {
  return {
    name,
    type,
    help,
    *samples(input) {
      for (const series of pick(input.metrics) ?? []) yield sampleOf(this, series, names, input);
    },
  };
}

/** One line; `increase()` sees a counter's first step only if it stood at 0 before. */
function sampleOf(
  { name, type }: Family,
  series: SeriesCount,
  names: readonly string[],
  { cache, scrape }: Input,
): string {
  const value = type === "counter" ? scrape.shown(cache, series) : series.value;
  return `${name}${cache.textOf(series, names)} ${sampleValue(value)}\n`;
}

/** A family of the contract keyed by labels. Prometheus reads an empty label as none: the node's own zero series. */
function labelled(
  shortName: string,
  type: Family["type"],
  help: string,
  names: readonly string[],
  pick: (metrics: MetricsView) => readonly SeriesCount[],
): Family {
  const name = `oomwitness_${shortName}`;
  const nobody = labelText({}, names);
  return {
    name,
    type,
    help,
    *samples(input) {
      let nobodySeen = false;
      for (const series of pick(input.metrics)) {
        yield sampleOf(this, series, names, input);
        nobodySeen ||= input.cache.textOf(series, names) === nobody;
      }
      if (!nobodySeen) yield `${name}${nobody} 0\n`;
    },
  };
}

function plain(
  shortName: string,
  type: Family["type"],
  help: string,
  pick: (metrics: MetricsView) => number | null,
): Family {
  const name = `oomwitness_${shortName}`;
  return {
    name,
    type,
    help,
    samples: ({ metrics }) => {
      const value = pick(metrics);
      return value === null ? [] : [`${name} ${sampleValue(value)}\n`];
    },
  };
}

function sourceSamples(
  name: string,
  view: AgentView,
  value: (source: ReturnType<AgentView["sources"]>[number] | undefined) => number,
): string[] {
  const known = new Map(view.sources().map((source) => [source.source, source]));
  return SOURCE_NAMES.map(
    (source) =>
      `${name}{source="${labelValue(source)}"} ${sampleValue(value(known.get(source)))}\n`,
  );
}

function histogramSamples(histogram: LatencyHistogram): string[] {
  const name = "oomwitness_detection_latency_seconds";
  const source = `source="${labelValue(histogram.source)}"`;
  const count = histogram.counts.at(-1) ?? 0;
  const buckets = histogram.bounds.map(
    (bound, index) => `${name}_bucket{${source},le="${bound}"} ${histogram.counts[index] ?? 0}\n`,
  );
  return [
    ...buckets,
    `${name}_bucket{${source},le="+Inf"} ${count}\n`,
    `${name}_sum{${source}} ${sampleValue(histogram.sumSeconds)}\n`,
    `${name}_count{${source}} ${count}\n`,
  ];
}

/** The same name may be reported from two places: one series, the sum. */
function dropSamples(drops: readonly Drop[]): string[] {
  const sums = new Map<string, number>();
  for (const { what, count } of drops) sums.set(what, (sums.get(what) ?? 0) + count);
  return [...sums].map(
    ([what, count]) => `oomwitness_dropped_total{queue="${labelValue(what)}"} ${count}\n`,
  );
}

/** Families of other programs that are printed under their names, so that dashboards and alerts go on working. */
export interface CompatOptions {
  /** Those of missing-container-metrics. */
  readonly compat: boolean;
  /** `klog_pod_oomkill` and `container_oom_events_total`. */
  readonly moreCompat: boolean;
}

export const DEFAULT_COMPAT: CompatOptions = { compat: true, moreCompat: false };

export interface MetricsRenderer {
  /** One scrape, in pieces of about 32 KiB, made as they are asked for. `nowSeconds`: any clock. */
  render(drops: readonly Drop[], nowSeconds: number, reader?: Reader): Iterable<string>;
}

const NOBODY: Reader = { name: "", scrapes: false };

export function createMetricsRenderer(
  view: AgentView,
  { compat, moreCompat }: CompatOptions = DEFAULT_COMPAT,
): MetricsRenderer {
  const families = [
    ...OWN_FAMILIES,
    ...(compat ? COMPAT_FAMILIES : []),
    ...(moreCompat ? MORE_COMPAT_FAMILIES : []),
  ];
  // One cache a family: the same labels object may serve two families with different label names.
  const caches = families.map(() => new LabelCache());
  const scrapers = new Scrapers();
  return {
    *render(drops, nowSeconds, reader = NOBODY) {
      const scrape = scrapers.reads(reader, nowSeconds);
      const metrics = view.metrics();
      let piece = "";
      for (const [index, family] of families.entries()) {
        const cache = caches[index] ?? new LabelCache();
        piece += `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`;
        for (const sample of family.samples({ view, metrics, drops, cache, scrape })) {
          piece += sample;
          if (piece.length < PIECE) continue;
          yield piece;
          piece = "";
        }
      }
      yield piece;
    },
  };
}
