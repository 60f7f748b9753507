import type { ContainerRecord, PodRecord, Verdict } from "../model/record.ts";
import { boundedValue } from "../sinks/prometheus-text.ts";
import type { SeriesCount } from "../sinks/sink.ts";

/** Pods and containers by name that have series of their own; a node runs at most some hundreds at a time. */
export const OWNER_LIMIT = 2_000;
/** Under pressure the series of a container that ended so long ago make room: any scraper has seen them by then. */
export const PRESSURE_SECONDS = 300;
/** One in so many leaves when there is no room. */
const LEAVING_SHARE = 20;
/** Pods of one name that follow each other: `klog_pod_oomkill` has their uid. */
const UIDS_PER_OWNER = 3;

/** A series whose labels object is made once, so that its text is made once too. */
export interface Series extends SeriesCount {
  value: number;
  continued?: boolean;
  earlier?: readonly object[];
}

/** Counts one more. `old`: an earlier process told it, or it happened long before anybody could ask: no step for `increase()`. */
export function step(series: Series, old: boolean): void {
  if (old && series.value === 0) series.continued = true;
  series.value++;
}

/** A counter as the last process left it. */
export function goOn(series: Series, value: number): void {
  series.value = value;
  series.continued = value > 0;
}

/** Names, not ids: the series go on when the container is made anew. Outside Kubernetes only `container` is set. */
export interface OwnerName {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface Owner {
  readonly name: OwnerName;
  /** By scope of the limit. */
  readonly kills: Map<string, Series>;
  readonly invisible: Series;
  readonly incidents: Series;
  readonly lastKillSeconds: Series;
  readonly exits: Map<Verdict, Series>;
  /** By uid of the pod. */
  readonly podKills: Map<string, Series>;
  /** Containers of this name that exist, and whether they run. */
  readonly present: Map<string, boolean>;
  /** Unix seconds since when none runs, and since when none exists; `null`: not since we looked. */
  idleSince: number | null;
  goneSince: number | null;
}

/** What a checkpoint keeps of an owner; its counters are in lists of their own. */
export interface OwnerState extends OwnerName {
  readonly goneSince: number | null;
}

const NODE: OwnerName = { namespace: "", pod: "", container: "" };
const OTHER: OwnerName = { namespace: "other", pod: "other", container: "other" };
/** Verdicts that exist at 0 for every container: the ones to alert on. */
const FIRST_VERDICTS = ["oom-killed", "oom-unreported"] as const;

/** Since when something is gone. 0 was noted before anybody said what time it is; later than now, before the clock was set back. */
export function since(noted: number | null, now: number): number {
  return Math.min(noted || now, now);
}

/**
 * Of all that are there, which make room: those gone for longest, and for long, several at once so that the search is
 * rare; and if none is, when to look again.
 */
export function longestGone<T>(
  all: readonly T[],
  goneSince: (one: T) => number | null,
  limit: number,
  now: number,
): { readonly leaving: readonly T[]; readonly nextAt: number } {
  const gone = all
    .flatMap((one) => [{ one, at: goneSince(one) ?? now }])
    .filter(({ at }) => at < now)
    .sort((left, right) => left.at - right.at);
  const leaving = gone.filter(({ at }) => at <= now - PRESSURE_SECONDS);
  const nextAt = (gone[0]?.at ?? now) + PRESSURE_SECONDS;
  const count = Math.ceil(limit / LEAVING_SHARE);
  return { leaving: leaving.slice(0, count).map(({ one }) => one), nextAt };
}

/** How a container is called in labels. */
export function ownerName(
  container: Pick<ContainerRecord, "id" | "name"> | null,
  pod: PodRecord | null,
  unit: string | null,
): OwnerName {
  return {
    namespace: boundedValue(pod?.namespace ?? ""),
    pod: boundedValue(pod?.name ?? ""),
    container: boundedValue(
      pod?.container ?? container?.name ?? unit ?? container?.id.slice(0, 12) ?? "",
    ),
  };
}

/** Counters by name: bounded, and forgotten when nothing of that name existed for the grace period. */
export class Owners {
  readonly #owners = new Map<string, Owner>();
  readonly #ofContainer = new Map<string, Owner>();
  readonly #graceSeconds: number;
  readonly #limit: number;
  #other: Owner | null = null;
  /** Nobody has been idle for long enough before then. */
  #fullUntil = 0;
  constructor(graceSeconds: number, limit: number) {
    this.#graceSeconds = graceSeconds;
    this.#limit = limit;
  }

  /** Where something that happened to this name is counted: its own series, or `other` when there is no room. */
  book(name: OwnerName, now: number): Owner {
    const owner = this.#find(name, now);
    // It is not gone, whatever the runtime says: its series stay for another grace period.
    if (owner !== null && owner.present.size === 0) owner.goneSince = now;
    return owner ?? this.#folding();
  }

  /** A container is known: its series exist at 0 from now on. */
  present(id: string, name: OwnerName, running: boolean, now: number): Owner | null {
    const before = this.#ofContainer.get(id);
    const owner = this.#find(name, now);
    if (before !== undefined && before !== owner) this.absent(id, now);
    if (owner === null) return null;
    this.#ofContainer.set(id, owner);
    owner.present.set(id, running);
    owner.goneSince = null;
    this.#noteIdle(owner, now);
    start(owner);
    return owner;
  }

  /** A container was removed. */
  absent(id: string, now: number): void {
    const owner = this.#ofContainer.get(id);
    if (owner === undefined) return;
    this.#ofContainer.delete(id);
    owner.present.delete(id);
    if (owner.present.size === 0) owner.goneSince = now;
    this.#noteIdle(owner, now);
  }

  /** Forgets names of which nothing existed for the grace period. */
  sweep(now: number): void {
    for (const [key, owner] of this.#owners) {
      if (owner.present.size > 0 || isFixed(owner)) continue;
      owner.goneSince = since(owner.goneSince, now);
      owner.idleSince ??= owner.goneSince;
      if (now - owner.goneSince >= this.#graceSeconds) this.#owners.delete(key);
    }
  }

  /** Whether this is where the rest is counted. */
  isOther(owner: Owner): boolean {
    return owner === this.#other;
  }

  list<T>(pick: (owner: Owner) => Iterable<T>): T[] {
    const all: T[] = [];
    for (const owner of this.#owners.values()) all.push(...pick(owner));
    return all;
  }

  get size(): number {
    return this.#owners.size;
  }

  state(): OwnerState[] {
    return [...this.#owners.values()].map(({ name, goneSince }) => ({ ...name, goneSince }));
  }

  /** An owner of a checkpoint. Whether its containers still exist, the runtimes will tell. */
  restore(name: OwnerName, goneSince: number | null): Owner {
    const known = this.#owners.get(keyOf(name));
    const owner = known ?? this.#add(name);
    owner.goneSince = goneSince ?? owner.goneSince;
    return owner;
  }

  #noteIdle(owner: Owner, now: number): void {
    const runs = [...owner.present.values()].includes(true);
    owner.idleSince = runs ? null : (owner.idleSince ?? now);
  }

  #find(name: OwnerName, now: number): Owner | null {
    const known = this.#owners.get(keyOf(name));
    if (known !== undefined) return known;
    if (this.#owners.size >= this.#limit && !this.#makeRoom(now)) return null;
    return this.#add(name);
  }

  #add(name: OwnerName): Owner {
    const owner = createOwner(name);
    this.#owners.set(keyOf(name), owner);
    return owner;
  }

  /** Those that have been idle longest go, when they have been idle for long. */
  #makeRoom(now: number): boolean {
    if (now < this.#fullUntil) return false;
    const idle = [...this.#owners.values()].filter((owner) => !isFixed(owner));
    const { leaving, nextAt } = longestGone(idle, ({ idleSince }) => idleSince, this.#limit, now);
    this.#fullUntil = nextAt;
    for (const { name, present } of leaving) {
      for (const id of present.keys()) this.#ofContainer.delete(id);
      this.#owners.delete(keyOf(name));
    }
    return leaving.length > 0;
  }

  #folding(): Owner {
    this.#other ??= this.#owners.get(keyOf(OTHER)) ?? this.#add(OTHER);
    return this.#other;
  }
}

/** The node's own series and the one for the rest stay for good. */
function isFixed({ name }: Owner): boolean {
  return keyOf(name) === keyOf(NODE) || keyOf(name) === keyOf(OTHER);
}

function keyOf({ namespace, pod, container }: OwnerName): string {
  return JSON.stringify([namespace, pod, container]);
}

function createOwner(name: OwnerName): Owner {
  const labels = { ...name };
  return {
    name: labels,
    kills: new Map(),
    invisible: { labels, value: 0 },
    incidents: { labels, value: 0 },
    lastKillSeconds: { labels, value: 0 },
    exits: new Map(),
    podKills: new Map(),
    present: new Map(),
    idleSince: null,
    goneSince: null,
  };
}

/** The series that a container has before anything happens to it. */
function start(owner: Owner): void {
  killSeries(owner, "container");
  for (const verdict of FIRST_VERDICTS) exitSeries(owner, verdict);
}

export function killSeries(owner: Owner, scope: string): Series {
  return entry(owner.kills, scope, () => ({ ...owner.name, scope }));
}

export function exitSeries(owner: Owner, verdict: Verdict): Series {
  return entry(owner.exits, verdict, () => ({ ...owner.name, verdict }));
}

/** `klog_pod_oomkill`: only of pods whose uid is known. */
export function podSeries(owner: Owner, uid: string): Series {
  const { container, namespace, pod } = owner.name;
  const series = entry(owner.podKills, uid, () => ({
    container_name: container,
    namespace,
    pod_uid: boundedValue(uid),
    pod_name: pod,
  }));
  const oldest = owner.podKills.keys().next();
  if (owner.podKills.size > UIDS_PER_OWNER && oldest.done !== true) {
    owner.podKills.delete(oldest.value);
  }
  return series;
}

function entry<K>(map: Map<K, Series>, key: K, labels: () => Series["labels"]): Series {
  const known = map.get(key);
  if (known !== undefined) return known;
  const series = { labels: labels(), value: 0 };
  map.set(key, series);
  return series;
}
