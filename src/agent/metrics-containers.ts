import type { ContainerFacts } from "../model/container.ts";
import type { ContainerRecord, PodRecord } from "../model/record.ts";
import { boundedValue } from "../sinks/prometheus-text.ts";
import type { SeriesCount } from "../sinks/sink.ts";
import { goOn, PRESSURE_SECONDS, type Series, since, step } from "./metrics-owners.ts";

/** Containers by id that have drop-in series of their own. */
export const CONTAINER_LIMIT = 4_000;
/** Removed containers of one name whose series are kept: a crash loop makes a new id each time. */
export const REMOVED_PER_NAME = 5;

/** What is known of a container: what a checkpoint keeps. `null` is not known yet. */
interface Known {
  readonly id: string;
  readonly runtime: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly cgroup: string | null;
  readonly pod: Pick<PodRecord, "namespace" | "name" | "uid" | "container"> | null;
}

export interface ContainerState extends Known {
  readonly ooms: number;
  readonly exitCode: number;
  readonly goneSince: number | null;
  readonly mainPid: number | null;
  /** Restarts we saw as a new main process, and those by the runtime's own count since we know it. */
  readonly runs: number;
  readonly told: number;
  readonly lastTold: number | null;
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
  mainPid: number | null;
  runs: number;
  told: number;
  lastTold: number | null;
}

/** A container as a record or a runtime names it. */
export type Named = Pick<ContainerRecord, "id" | "runtime" | "name" | "image">;

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
    const first = entry.lastTold === null;
    noteRun(entry, facts);
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

  exit(id: string, exitCode: number | null): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined && exitCode !== null) entry.exitCode.value = exitCode;
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
      mainPid: entry.mainPid,
      runs: entry.runs,
      told: entry.told,
      lastTold: entry.lastTold,
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

  /** What was said before stays when it is not said again. */
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
    let oldest: Entry | null = null;
    for (const entry of this.#entries.values()) {
      if (entry.goneSince === null || entry === this.#other) continue;
      if (oldest === null || entry.goneSince < (oldest.goneSince ?? now)) oldest = entry;
    }
    this.#fullUntil = (oldest?.goneSince ?? now) + PRESSURE_SECONDS;
    if (oldest === null || now < this.#fullUntil) return false;
    this.#delete(oldest.known.id);
    return true;
  }

  /** The predecessor in the same pod was restarted: by the kubelet's count it is the next lower one that we know. */
  #creditRestart(entry: Entry): void {
    const { known, lastTold } = entry;
    const uid = known.pod?.uid ?? null;
    if (uid === null || lastTold === null || lastTold === 0) return;
    const attempt = (one: Entry) => one.lastTold ?? -1;
    const before = this.#sameName(known)
      .filter((one) => one !== entry && one.known.pod?.uid === uid && attempt(one) < lastTold)
      .sort((left, right) => attempt(right) - attempt(left))[0];
    if (before === undefined) return;
    before.runs++;
    before.restarts.value = restartsOf(before);
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

const OTHER: Known = {
  id: "other",
  runtime: "other",
  name: "other",
  image: "other",
  cgroup: "other",
  pod: { namespace: "other", name: "other", uid: null, container: "other" },
};

function knownOf(container: Named, pod: PodRecord | null, cgroup: string | null): Known {
  const { id, runtime, name, image } = container;
  return {
    id,
    runtime,
    name: bounded(name),
    image: bounded(image),
    cgroup: bounded(cgroup),
    pod: podOf(pod),
  };
}

function podOf(pod: PodRecord | null): Known["pod"] {
  if (pod === null) return null;
  const { namespace, name, uid, container } = pod;
  return {
    namespace: bounded(namespace),
    name: bounded(name),
    uid: bounded(uid),
    container: bounded(container),
  };
}

function bounded(value: string | null): string | null {
  return value === null ? null : boundedValue(value);
}

function merged(before: Known, now: Known): Known {
  return {
    id: before.id,
    runtime: now.runtime,
    name: now.name ?? before.name,
    image: now.image ?? before.image,
    cgroup: now.cgroup ?? before.cgroup,
    pod: mergedPod(now.pod, before.pod),
  };
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
  return { labels, value: series.value, continued: series.value > 0 };
}

/** Labels that say the same stay the same object: another one would be a new series to whoever prints it. */
function changed(before: Series["labels"], now: Series["labels"]): Series["labels"] {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
}

function mergedPod(now: Known["pod"], before: Known["pod"]): Known["pod"] {
  if (now === null || before === null) return now ?? before;
  return {
    namespace: now.namespace ?? before.namespace,
    name: now.name ?? before.name,
    uid: now.uid ?? before.uid,
    container: now.container ?? before.container,
  };
}

/** A new main process under the same id, or a higher count of the runtime, is a restart; whichever counted more is right. */
function noteRun(entry: Entry, { mainPid, restarts }: ContainerFacts): void {
  if (mainPid !== null && entry.mainPid !== null && mainPid !== entry.mainPid) entry.runs++;
  entry.mainPid = mainPid ?? entry.mainPid;
  if (restarts !== null) {
    entry.told += Math.max(0, restarts - (entry.lastTold ?? restarts));
    entry.lastTold = restarts;
  }
  entry.restarts.value = restartsOf(entry);
}

function restartsOf({ runs, told }: Pick<Entry, "runs" | "told">): number {
  return Math.max(runs, told);
}

function nameOf({ id, name, pod }: Known): string {
  if (pod !== null) return JSON.stringify([pod.namespace, pod.name, pod.container]);
  return JSON.stringify(name ?? id);
}

/** missing-container-metrics c963722, docker/event_handler.go and containerd/event_handler.go: `image_id` is the image's name. */
function dropInLabels({ id, runtime, name, image, pod }: Known): Series["labels"] {
  const docker = runtime === "docker";
  return {
    docker_container_id: docker ? id : "not-a-docker-container",
    container_short_id: id.slice(0, 12),
    container_id: `${runtime}://${id}`,
    name: (docker ? name : (pod?.container ?? name)) ?? "",
    image_id: docker ? `docker-pullable://${image ?? ""}` : (image ?? ""),
    pod: pod?.name ?? "",
    namespace: pod?.namespace ?? "",
  };
}

/** cAdvisor's labels as the kubelet serves them: `id` is the cgroup, `name` the runtime's name of the container. */
function eventLabels({ id, runtime, name, image, cgroup, pod }: Known): Series["labels"] {
  return {
    container: pod?.container ?? "",
    id: cgroup ?? id,
    image: image ?? "",
    name: pod !== null && runtime !== "docker" ? id : (name ?? id),
    namespace: pod?.namespace ?? "",
    pod: pod?.name ?? "",
  };
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
    mainPid: null,
    runs: 0,
    told: 0,
    lastTold: null,
  };
}

function restored(state: ContainerState): Entry {
  const { id, runtime, name, image, cgroup, pod, ooms, exitCode, ...rest } = state;
  const entry = createEntry({ id, runtime, name, image, cgroup, pod });
  goOn(entry.restarts, restartsOf(rest));
  goOn(entry.ooms, ooms);
  goOn(entry.events, ooms);
  entry.exitCode.value = exitCode;
  return Object.assign(entry, {
    goneSince: rest.goneSince,
    mainPid: rest.mainPid,
    runs: rest.runs,
    told: rest.told,
    lastTold: rest.lastTold,
  });
}
