import type { ContainerFacts } from "../model/container.ts";
import type { PodRecord } from "../model/record.ts";
import type { SeriesCount } from "../sinks/sink.ts";
import {
  dropInLabels,
  eventLabels,
  type Known,
  knownOf,
  merged,
  type Named,
  nameOf,
  OTHER,
} from "./metrics-known.ts";
import { goOn, longestGone, type Series, since, step } from "./metrics-owners.ts";
import { noRestarts, noteExit, noteRun, type Restarts, restartsOf } from "./metrics-restarts.ts";

/** Containers by id that have drop-in series of their own. */
export const CONTAINER_LIMIT = 4_000;
/** Labels that one container had before, as far as scrapers need them. */
const RELABELS_KNOWN = 4;
/** Removed containers of one name whose series are kept: a crash loop makes a new id each time. */
export const REMOVED_PER_NAME = 5;

export interface ContainerState extends Known, Restarts {
  readonly ooms: number;
  readonly exitCode: number;
  readonly goneSince: number | null;
}

interface Entry {
  known: Known;
  /** Series of the labels that `known` gives; made anew when it says more. */
  restarts: Series;
  ooms: Series;
  exitCode: Series;
  events: Series;
  present: boolean;
  goneSince: number | null;
  readonly runs: Restarts;
}

/**
 * The drop-in metrics, which are keyed by container id. In Kubernetes a restart makes a new container: it is counted on the
 * one that was restarted, whose series has been there all the time, so that `increase()` sees it.
 */
export class Containers {
  readonly #entries = new Map<string, Entry>();
  /** Ids by name: those that may be one another's successors. */
  readonly #byName = new Map<string, Set<string>>();
  /** Nobody has been gone for long enough before then. */
  #fullUntil = 0;
  readonly #graceSeconds: number;
  readonly #limit: number;
  /** For those that find no room. */
  #other: Entry | null = null;

  constructor(graceSeconds: number, limit: number, states: readonly ContainerState[]) {
    this.#graceSeconds = graceSeconds;
    this.#limit = limit;
    for (const state of states) this.#add(restored(state));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A runtime tells of a container. */
  present(facts: ContainerFacts, now: number): void {
    const entry = this.#entries.get(facts.id) ?? this.#create(facts, facts.pod, now);
    if (entry === null) return;
    this.#learn(entry, knownOf(facts, facts.pod, facts.cgroupPath));
    entry.present = true;
    entry.goneSince = null;
    const first = entry.runs.lastTold === null;
    noteRun(entry.runs, facts);
    entry.restarts.value = restartsOf(entry.runs);
    if (first) this.#creditRestart(entry);
  }

  absent(id: string, now: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.present = false;
    entry.goneSince = now;
    this.#limitRemoved(entry);
  }

  /** A record names a container: its series exist at 0 from now on, also where no runtime told of it. */
  named(container: Named, pod: PodRecord | null, now: number): void {
    const entry = this.#entries.get(container.id) ?? this.#create(container, pod, now);
    if (entry === null) return;
    this.#learn(entry, knownOf(container, pod, null));
    if (!entry.present) entry.goneSince = now;
  }

  /** `old`: as `step` says. */
  kill(id: string, now: number, old: boolean): void {
    const entry = this.#entries.get(id) ?? this.#folding();
    step(entry.ooms, old);
    step(entry.events, old);
    if (!entry.present) entry.goneSince = now;
  }

  /** `opened`: it is another end, and not one that was told before. */
  exit(id: string, exitCode: number | null, opened: boolean): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (exitCode !== null) entry.exitCode.value = exitCode;
    if (!opened) return;
    noteExit(entry.runs);
    entry.restarts.value = restartsOf(entry.runs);
  }

  sweep(now: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.present || entry === this.#other) continue;
      entry.goneSince = since(entry.goneSince, now);
      if (now - entry.goneSince >= this.#graceSeconds) this.#delete(id);
    }
  }

  series(family: "restarts" | "ooms" | "exitCode" | "events"): SeriesCount[] {
    return [...this.#entries.values()].map((entry) => entry[family]);
  }

  state(): ContainerState[] {
    return [...this.#entries.values()].map((entry) => ({
      ...entry.known,
      ooms: entry.ooms.value,
      exitCode: entry.exitCode.value,
      goneSince: entry.goneSince,
      ...entry.runs,
    }));
  }

  #create(container: Named, pod: PodRecord | null, now: number): Entry | null {
    if (this.#entries.size >= this.#limit && !this.#makeRoom(now)) return null;
    return this.#add(createEntry(knownOf(container, pod, null)));
  }

  #add(entry: Entry): Entry {
    this.#entries.set(entry.known.id, entry);
    this.#index(entry);
    return entry;
  }

  #delete(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#unindex(entry);
  }

  #learn(entry: Entry, said: Known): void {
    const known = merged(entry.known, said);
    if (JSON.stringify(known) === JSON.stringify(entry.known)) return;
    this.#unindex(entry);
    relabel(entry, known);
    this.#index(entry);
  }

  #index(entry: Entry): void {
    const name = nameOf(entry.known);
    const ids = this.#byName.get(name);
    if (ids === undefined) this.#byName.set(name, new Set([entry.known.id]));
    else ids.add(entry.known.id);
  }

  #unindex(entry: Entry): void {
    const name = nameOf(entry.known);
    const ids = this.#byName.get(name);
    ids?.delete(entry.known.id);
    if (ids?.size === 0) this.#byName.delete(name);
  }

  #sameName(known: Known): Entry[] {
    const ids = this.#byName.get(nameOf(known)) ?? [];
    return [...ids].flatMap((id) => this.#entries.get(id) ?? []);
  }

  #makeRoom(now: number): boolean {
    if (now < this.#fullUntil) return false;
    const all = [...this.#entries.values()].filter((entry) => entry !== this.#other);
    const { leaving, nextAt } = longestGone(all, ({ goneSince }) => goneSince, this.#limit, now);
    this.#fullUntil = nextAt;
    for (const { known } of leaving) this.#delete(known.id);
    return leaving.length > 0;
  }

  /** The predecessor in the same pod was restarted: by the kubelet's count it is the next lower one that we know. */
  #creditRestart(entry: Entry): void {
    const { known } = entry;
    const { lastTold } = entry.runs;
    const uid = known.pod?.uid ?? null;
    if (uid === null || lastTold === null || lastTold === 0) return;
    const attempt = (one: Entry) => one.runs.lastTold ?? -1;
    const before = this.#sameName(known)
      .filter((one) => one !== entry && one.known.pod?.uid === uid && attempt(one) < lastTold)
      .sort((left, right) => attempt(right) - attempt(left))[0];
    if (before === undefined) return;
    before.runs.runs++;
    before.restarts.value = restartsOf(before.runs);
  }

  #limitRemoved(entry: Entry): void {
    const removed = this.#sameName(entry.known)
      .filter((one) => one.goneSince !== null)
      .sort((left, right) => (left.goneSince ?? 0) - (right.goneSince ?? 0));
    for (const { known } of removed.slice(0, -REMOVED_PER_NAME)) this.#delete(known.id);
  }

  #folding(): Entry {
    this.#other ??= this.#entries.get(OTHER.id) ?? this.#add(createEntry(OTHER));
    return this.#other;
  }
}

function relabel(entry: Entry, known: Known): void {
  entry.known = known;
  const labels = changed(entry.ooms.labels, dropInLabels(known));
  for (const family of ["restarts", "ooms", "exitCode"] as const) {
    entry[family] = relabelled(entry[family], labels);
  }
  entry.events = relabelled(entry.events, changed(entry.events.labels, eventLabels(known)));
}

function relabelled(series: Series, labels: Series["labels"]): Series {
  if (labels === series.labels) return series;
  const { value, continued = false, earlier = [] } = series;
  return {
    labels,
    value,
    continued,
    earlier: value > 0 ? [...earlier, series.labels].slice(-RELABELS_KNOWN) : [],
  };
}

/** Labels that say the same stay the same object: another one would be a new series to whoever prints it. */
function changed(before: Series["labels"], now: Series["labels"]): Series["labels"] {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
}

function createEntry(known: Known): Entry {
  const labels = dropInLabels(known);
  return {
    known,
    restarts: { labels, value: 0 },
    ooms: { labels, value: 0 },
    exitCode: { labels, value: 0 },
    events: { labels: eventLabels(known), value: 0 },
    present: false,
    goneSince: null,
    runs: noRestarts(),
  };
}

function restored(state: ContainerState): Entry {
  const { id, runtime, name, image, cgroup, pod, ooms, exitCode, goneSince, ...runs } = state;
  const entry = { ...createEntry({ id, runtime, name, image, cgroup, pod }), goneSince, runs };
  goOn(entry.restarts, restartsOf(runs));
  goOn(entry.ooms, ooms);
  goOn(entry.events, ooms);
  entry.exitCode.value = exitCode;
  return entry;
}
