import type { KillRecord } from "../model/record.ts";
import type { SeriesCount } from "../sinks/sink.ts";

/** Series kept per family. Beyond it kills are counted under the label values `other`, so that no kill goes uncounted. */
const SERIES_LIMIT = 10_000;

interface Totals {
  kills: SeriesCount[];
  incidents: SeriesCount[];
  lastKillSeconds: SeriesCount[];
  unattributed: number;
  recovered: number;
}

/** What a checkpoint keeps of the counters. */
export type MetricsState = Totals;

/** Counters of the contract: they count openings of records, and go on where the last process stopped. */
export class Metrics {
  readonly #kills: Family;
  readonly #incidents: Family;
  readonly #lastKillSeconds: Family;
  /** Incidents counted already; bounded: an incident's kills come within seconds. */
  readonly #seenIncidents = new Set<string>();
  unattributed: number;
  recovered: number;

  constructor(state: MetricsState | null) {
    this.#kills = new Family(state?.kills ?? []);
    this.#incidents = new Family(state?.incidents ?? []);
    this.#lastKillSeconds = new Family(state?.lastKillSeconds ?? []);
    this.unattributed = state?.unattributed ?? 0;
    this.recovered = state?.recovered ?? 0;
  }

  /** A record was opened (revision 0). */
  opened(record: KillRecord): void {
    const labels = containerLabels(record);
    this.#kills.add({ ...labels, scope: record.limit.scope ?? "" }, 1);
    this.#lastKillSeconds.max(labels, Date.parse(record.at) / 1000);
    if (record.recovered) this.recovered++;
    if (this.#seenIncidents.has(record.incident.id)) return;
    this.#seenIncidents.add(record.incident.id);
    if (this.#seenIncidents.size > SERIES_LIMIT) this.#forgetIncident();
    this.#incidents.add(labels, 1);
  }

  get kills(): readonly SeriesCount[] {
    return this.#kills.series();
  }

  get incidents(): readonly SeriesCount[] {
    return this.#incidents.series();
  }

  get lastKillSeconds(): readonly SeriesCount[] {
    return this.#lastKillSeconds.series();
  }

  /** Kills counted under `other` because a family was full. */
  get folded(): number {
    return this.#kills.folded + this.#incidents.folded + this.#lastKillSeconds.folded;
  }

  state(): MetricsState {
    return {
      kills: this.#kills.series(),
      incidents: this.#incidents.series(),
      lastKillSeconds: this.#lastKillSeconds.series(),
      unattributed: this.unattributed,
      recovered: this.recovered,
    };
  }

  #forgetIncident(): void {
    const oldest = this.#seenIncidents.values().next();
    if (oldest.done !== true) this.#seenIncidents.delete(oldest.value);
  }
}

/** Names, not ids, so that a series survives the container's restart. Outside Kubernetes: the container or unit. */
function containerLabels(record: KillRecord): Record<string, string> {
  return {
    namespace: record.pod?.namespace ?? "",
    pod: record.pod?.name ?? "",
    container: record.pod?.container ?? record.container?.name ?? record.unit ?? "",
  };
}

/** One metric family: a value per set of labels, bounded. */
class Family {
  readonly #values = new Map<string, { labels: Record<string, string>; value: number }>();
  folded = 0;

  constructor(series: readonly SeriesCount[]) {
    for (const { labels, value } of series) this.#entry(labels).value = value;
  }

  add(labels: Record<string, string>, value: number): void {
    this.#entry(labels).value += value;
  }

  max(labels: Record<string, string>, value: number): void {
    const entry = this.#entry(labels);
    entry.value = Math.max(entry.value, value);
  }

  series(): SeriesCount[] {
    return [...this.#values.values()];
  }

  #entry(labels: Readonly<Record<string, string>>): { value: number } {
    const key = JSON.stringify(labels);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (this.#values.size >= SERIES_LIMIT) {
      this.folded++;
      return this.#other(labels);
    }
    const entry = { labels: { ...labels }, value: 0 };
    this.#values.set(key, entry);
    return entry;
  }

  #other(labels: Readonly<Record<string, string>>): { value: number } {
    const folded = Object.fromEntries(Object.keys(labels).map((name) => [name, "other"]));
    const key = JSON.stringify(folded);
    const entry = this.#values.get(key) ?? { labels: folded, value: 0 };
    this.#values.set(key, entry);
    return entry;
  }
}
