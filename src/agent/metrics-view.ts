import type { Ledger } from "../ledger/ledger.ts";
import type { MetricsView } from "../sinks/sink.ts";
import type { Latency } from "./latency.ts";
import type { Metrics } from "./metrics.ts";

/** All that `/metrics` shows, read when it is asked for. */
export function metricsView(
  metrics: Metrics,
  latency: Latency,
  ledger: Ledger,
  drops: MetricsView["drops"],
): MetricsView {
  const { kernel, unaccounted } = ledger.summary();
  return {
    ...metrics.view(),
    kernelKills: kernel,
    unaccountedKills: unaccounted,
    latency: latency.view(),
    drops: [
      ...drops,
      { what: "series", count: metrics.folded },
      { what: "contradictions", count: ledger.contradictions },
      { what: "invariants", count: ledger.broken },
    ],
  };
}
