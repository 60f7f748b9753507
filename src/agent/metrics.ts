import type { ContainerFacts } from "../model/container.ts";
import type { ExitRecord, KillRecord } from "../model/record.ts";
import type { MetricsView, SeriesCount } from "../sinks/sink.ts";
import { CONTAINER_LIMIT, type ContainerState, Containers } from "./metrics-containers.ts";
import {
  amendKill,
  COUNT_AFTER_SECONDS,
  isSettled,
  type OpenKill,
  openKill,
  secondsOf,
  VISIBLE_AFTER_SECONDS,
} from "./metrics-open.ts";
import {
  exitSeries,
  goOn,
  killSeries,
  OWNER_LIMIT,
  type Owner,
  type OwnerName,
  type OwnerState,
  Owners,
  ownerName,
  podSeries,
  step,
} from "./metrics-owners.ts";

export interface MetricsOptions {
  /** How long series outlive their container; an hour unless given. */
  readonly graceSeconds?: number;
  /** Names and containers with series of their own; for tests. */
  readonly ownerLimit?: number;
  readonly containerLimit?: number;
}

/** What a checkpoint keeps of the counters; earlier versions kept only those that are not optional. */
export interface MetricsState {
  readonly kills: readonly SeriesCount[];
  readonly incidents: readonly SeriesCount[];
  readonly lastKillSeconds: readonly SeriesCount[];
  readonly unattributed: number;
  readonly recovered: number;
  readonly invisibleKills?: readonly SeriesCount[];
  readonly exits?: readonly SeriesCount[];
  readonly podKills?: readonly SeriesCount[];
  readonly owners?: readonly OwnerState[];
  readonly containers?: readonly ContainerState[];
  readonly open?: readonly OpenKill[];
  /** Incidents that were counted a short while ago. */
  readonly seen?: readonly string[];
}

const GRACE_SECONDS = 3_600;
const SWEEP_SECONDS = 15;
/** A kill found so long after it happened is history: it is counted, and no step in anybody's `increase()`. */
const HISTORY_SECONDS = 300;
/** Kills that wait to be counted or for their visibility; beyond it the oldest is counted as it is. */
const OPEN_LIMIT = 10_000;
/** Incidents counted already that a late kill may belong to: its kills come within seconds. */
const SEEN_INCIDENTS = 10_000;
/** How many of them the next process is told. */
const SEEN_KEPT = 500;

/**
 * Counters of the contract; they go on where the last process stopped. The pipeline tells
 *
 * * `at(nowSeconds)`: Unix time, before it tells of anything.
 * * `advance(nowSeconds)`: with every tick, once all was told. Counts what waited long enough.
 * * `kill(record)`: every revision of every kill, in the order told; again in a replay of the journal.
 * * `exit(record)`: every revision of every exit.
 * * `container(facts, running)`: every time a runtime tells of a container. Pass the facts of all runtimes merged if they
 *   are; what one leaves out erases nothing. Sandboxes are ignored here.
 * * `gone(id)`: the container was removed.
 * * `state()`: for the checkpoint; `view()`: for a scrape.
 *
 * A kill is counted as soon as its owner and the scope of its limit are known by name, and otherwise `COUNT_AFTER_SECONDS`
 * after it was opened under what is known then: once, and for good, since a counter cannot take back. Its incident is
 * counted after the same time, because that several kills were one is often learned from the last of them. It is counted
 * as invisible when that is settled, which may be later.
 */
export class Metrics {
  readonly #owners: Owners;
  readonly #containers: Containers;
  /** Oldest first. */
  readonly #open = new Map<string, OpenKill>();
  /** Counted; whether the main process outlives them is not known. Oldest first. */
  readonly #pending = new Map<string, OpenKill>();
  readonly #seenIncidents: Set<string>;
  #now = 0;
  #startedAt = Number.POSITIVE_INFINITY;
  #sweptAt = 0;
  #folded = 0;
  unattributed: number;
  recovered: number;

  constructor(state: MetricsState | null, options: MetricsOptions = {}) {
    const grace = options.graceSeconds ?? GRACE_SECONDS;
    this.#owners = new Owners(grace, options.ownerLimit ?? OWNER_LIMIT);
    const limit = options.containerLimit ?? CONTAINER_LIMIT;
    this.#containers = new Containers(grace, limit, state?.containers ?? []);
    this.#seenIncidents = new Set(state?.seen ?? []);
    this.unattributed = state?.unattributed ?? 0;
    this.recovered = state?.recovered ?? 0;
    if (state !== null) this.#restore(state);
  }

  /** It is now `nowSeconds` (Unix time): what is told next is told now. */
  at(nowSeconds: number): void {
    if (this.#now === 0) this.#begin(nowSeconds);
    this.#now = nowSeconds;
  }

  /** All that could be told by `nowSeconds` was: what waited long enough is counted as it is. */
  advance(nowSeconds: number): void {
    this.at(nowSeconds);
    for (const kill of this.#open.values()) {
      // What an earlier process waited tells this one nothing: it had to read the counters first.
      if (!this.#waited(Math.max(kill.openedAt, this.#startedAt), COUNT_AFTER_SECONDS)) break;
      this.#close(kill);
    }
    for (const kill of this.#pending.values()) {
      if (!this.#waited(kill.openedAt, VISIBLE_AFTER_SECONDS)) break;
      this.#pending.delete(kill.id);
    }
    if (Math.abs(nowSeconds - this.#sweptAt) >= SWEEP_SECONDS) this.#sweep();
  }

  /** A kill was opened or amended. */
  kill(record: KillRecord): void {
    const known = this.#open.get(record.id) ?? this.#pending.get(record.id);
    if (known === undefined && record.revision > 0) return;
    if (known === undefined && record.recovered) this.recovered++;
    const kill = known ?? openKill(record, this.#now);
    if (known === undefined) this.#await(kill);
    else amendKill(kill, record);
    if (record.outcome === "duplicate" || record.outcome === "unconfirmed") this.#withdraw(kill);
    else this.#know(kill, record);
  }

  #know(kill: OpenKill, record: KillRecord): void {
    const { container, pod } = record;
    if (container !== null) this.#containers.named(container, pod, this.#now);
    if (isSettled(record)) this.#count(kill);
    if (kill.closed) this.#settleVisibility(kill);
  }

  /** A record was opened, and nobody will tell more of it nor of the time: counted at once. */
  opened(record: KillRecord): void {
    this.kill(record);
    const kill = this.#open.get(record.id);
    if (kill !== undefined) this.#close(kill);
  }

  /** An exit was opened, or amended: then its verdict was counted, and a counter takes nothing back. */
  exit(record: ExitRecord): void {
    const { container, pod, exitCode, verdict, revision } = record;
    if (revision === 0) {
      const owner = this.#book(ownerName(container, pod, null));
      step(exitSeries(owner, verdict), secondsOf(record.at) < this.#startedAt);
    }
    this.#containers.named(container, pod, this.#now);
    this.#containers.exit(container.id, exitCode, revision === 0);
  }

  container(facts: ContainerFacts, running: boolean): void {
    if (facts.sandbox) return;
    const name = ownerName(facts, facts.pod, null);
    const owner = this.#owners.present(facts.id, name, running, this.#now);
    const uid = facts.pod?.uid ?? null;
    if (owner !== null && uid !== null) podSeries(owner, uid);
    this.#containers.present(facts, this.#now);
  }

  gone(id: string): void {
    this.#owners.absent(id, this.#now);
    this.#containers.absent(id, this.#now);
  }

  get kills(): readonly SeriesCount[] {
    return this.#owners.list(({ kills }) => kills.values());
  }

  get incidents(): readonly SeriesCount[] {
    return this.#owners.list(({ incidents }) => [incidents]);
  }

  get lastKillSeconds(): readonly SeriesCount[] {
    return this.#owners.list(({ lastKillSeconds }) => [lastKillSeconds]);
  }

  /** Kills and exits counted under `other` because there was no room for more names. */
  get folded(): number {
    return this.#folded;
  }

  /** Everything that is counted here, for a scrape. */
  view() {
    return {
      kills: this.kills,
      invisibleKills: this.#owners.list(({ invisible }) => [invisible]),
      incidents: this.incidents,
      lastKillSeconds: this.lastKillSeconds,
      exits: this.#owners.list(({ exits }) => exits.values()),
      podKills: this.#owners.list(({ podKills }) => podKills.values()),
      restarts: this.#containers.series("restarts"),
      ooms: this.#containers.series("ooms"),
      lastExitCodes: this.#containers.series("exitCode"),
      oomEvents: this.#containers.series("events"),
      unattributedKills: this.unattributed,
      recoveredKills: this.recovered,
    } satisfies Partial<MetricsView>;
  }

  state(): MetricsState {
    const view = this.view();
    return {
      kills: counted(view.kills),
      incidents: counted(view.incidents),
      lastKillSeconds: counted(view.lastKillSeconds),
      unattributed: this.unattributed,
      recovered: this.recovered,
      invisibleKills: counted(view.invisibleKills),
      exits: counted(view.exits),
      podKills: counted(view.podKills),
      owners: this.#owners.state(),
      containers: this.#containers.state(),
      open: [...this.#open.values(), ...this.#pending.values()],
      seen: [...this.#seenIncidents].slice(-SEEN_KEPT),
    };
  }

  #restore(state: MetricsState): void {
    const owner = ({ labels }: SeriesCount) => this.#owners.restore(nameOf(labels), null);
    for (const { goneSince, ...name } of state.owners ?? []) this.#owners.restore(name, goneSince);
    for (const one of state.kills) {
      goOn(killSeries(owner(one), one.labels["scope"] ?? ""), one.value);
    }
    for (const one of state.incidents) goOn(owner(one).incidents, one.value);
    for (const one of state.lastKillSeconds) owner(one).lastKillSeconds.value = one.value;
    for (const one of state.invisibleKills ?? []) goOn(owner(one).invisible, one.value);
    for (const one of state.exits ?? []) {
      const verdict = verdictOf(one.labels["verdict"]);
      if (verdict !== null) goOn(exitSeries(owner(one), verdict), one.value);
    }
    for (const one of state.podKills ?? []) {
      const { container_name = "", namespace = "", pod_uid = "", pod_name = "" } = one.labels;
      const name = { namespace, pod: pod_name, container: container_name };
      goOn(podSeries(this.#owners.restore(name, null), pod_uid), one.value);
    }
    for (const kill of state.open ?? []) {
      (kill.closed ? this.#pending : this.#open).set(kill.id, { ...kill });
    }
  }

  /** What was told before anybody said what time it is. */
  #begin(nowSeconds: number): void {
    this.#startedAt = nowSeconds;
    for (const kill of this.#open.values()) {
      if (kill.openedAt === 0) kill.openedAt = nowSeconds;
    }
  }

  /** It is no kill of its own. What was counted already stays: a counter cannot take back. */
  #withdraw({ id }: OpenKill): void {
    this.#open.delete(id);
    this.#pending.delete(id);
  }

  #await(kill: OpenKill): void {
    this.#open.set(kill.id, kill);
    const oldest = this.#open.values().next();
    if (this.#open.size > OPEN_LIMIT && oldest.done !== true) this.#close(oldest.value);
  }

  /** A clock that was set back must not make a kill wait. */
  #waited(since: number, seconds: number): boolean {
    return this.#now - since >= seconds || this.#now < since - 1;
  }

  #count(kill: OpenKill): void {
    if (kill.counted) return;
    kill.counted = true;
    const owner = this.#book(kill.name);
    const old = this.#isOld(kill);
    step(killSeries(owner, kill.scope), old);
    owner.lastKillSeconds.value = Math.max(owner.lastKillSeconds.value, kill.seconds);
    if (kill.containerId !== null) this.#containers.kill(kill.containerId, this.#now, old);
    if (kill.podUid !== null) step(podSeries(owner, kill.podUid), old);
  }

  /** From before this process: told by an earlier one, unless it was found after the fact, and lately. */
  #isOld({ seconds, recovered = false }: OpenKill): boolean {
    if (seconds >= this.#startedAt) return false;
    return !recovered || this.#now - seconds > HISTORY_SECONDS;
  }

  #book(name: OwnerName): Owner {
    const owner = this.#owners.book(name, this.#now);
    if (this.#owners.isOther(owner)) this.#folded++;
    return owner;
  }

  /** No more evidence is waited for. */
  #close(kill: OpenKill): void {
    this.#count(kill);
    this.#open.delete(kill.id);
    kill.closed = true;
    this.#countIncident(kill);
    this.#pending.set(kill.id, kill);
    this.#settleVisibility(kill);
    const oldest = this.#pending.keys().next();
    if (this.#pending.size > OPEN_LIMIT && oldest.done !== true) {
      this.#pending.delete(oldest.value);
    }
  }

  #countIncident(kill: OpenKill): void {
    if (this.#seenIncidents.has(kill.incident)) return;
    this.#seenIncidents.add(kill.incident);
    step(this.#owners.book(kill.name, this.#now).incidents, this.#isOld(kill));
    const oldest = this.#seenIncidents.values().next();
    if (this.#seenIncidents.size > SEEN_INCIDENTS && oldest.done !== true) {
      this.#seenIncidents.delete(oldest.value);
    }
  }

  #settleVisibility(kill: OpenKill): void {
    if (kill.visibility === "pending") return;
    this.#pending.delete(kill.id);
    if (kill.visibility === "invisible") {
      step(this.#owners.book(kill.name, this.#now).invisible, this.#isOld(kill));
    }
  }

  #sweep(): void {
    this.#sweptAt = this.#now;
    this.#owners.sweep(this.#now);
    this.#containers.sweep(this.#now);
  }
}

function counted(series: readonly SeriesCount[]): SeriesCount[] {
  return series.flatMap(({ labels, value }) => (value === 0 ? [] : [{ labels, value }]));
}

function nameOf(labels: SeriesCount["labels"]): OwnerName {
  const { namespace = "", pod = "", container = "" } = labels;
  return { namespace, pod, container };
}

function verdictOf(text: string | undefined): ExitRecord["verdict"] | null {
  switch (text) {
    case "oom-killed":
    case "not-oom":
    case "oom-unreported":
    case "oom-stale":
    case "unknown":
      return text;
    default:
      return null;
  }
}
