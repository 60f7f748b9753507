/** What `oomwitness_detection_latency_seconds` of /metrics says, by source. */
export interface Histogram {
  /** Upper bounds in ms, ascending, the last one infinite. */
  readonly boundsMilliseconds: readonly number[];
  /** Cumulative. */
  readonly counts: readonly number[];
}

const BUCKET =
  /^oomwitness_detection_latency_seconds_bucket\{source="([^"]+)",le="([^"]+)"\} (\d+)$/gm;

export async function latencyHistograms(url: string): Promise<Map<string, Histogram>> {
  const text = await (await fetch(url)).text();
  const found = new Map<string, { boundsMilliseconds: number[]; counts: number[] }>();
  for (const [, source = "", bound = "", count = ""] of text.matchAll(BUCKET)) {
    const histogram = found.get(source) ?? { boundsMilliseconds: [], counts: [] };
    histogram.boundsMilliseconds.push(bound === "+Inf" ? Infinity : Number(bound) * 1000);
    histogram.counts.push(Number(count));
    found.set(source, histogram);
  }
  return found;
}

/** What came to `after` since `before`. */
export function since(after: Histogram, before: Histogram | undefined): Histogram {
  const counts = after.counts.map((count, index) => count - (before?.counts[index] ?? 0));
  return { boundsMilliseconds: after.boundsMilliseconds, counts };
}

/** As Prometheus' histogram_quantile: within a bucket every value is as likely. ms. */
export function histogramQuantile({ boundsMilliseconds, counts }: Histogram, share: number) {
  const rank = (counts.at(-1) ?? 0) * share;
  const slot = counts.findIndex((count) => count >= rank && count > 0);
  const [below, upTo] = [counts[slot - 1] ?? 0, counts[slot] ?? Number.NaN];
  const [low, high] = [boundsMilliseconds[slot - 1] ?? 0, boundsMilliseconds[slot] ?? Number.NaN];
  return Number.isFinite(high) ? low + ((high - low) * (rank - below)) / (upTo - below) : low;
}
