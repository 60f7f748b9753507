import type {
  ContainerObservation,
  ListObservation,
  RuntimeObservation,
  RuntimeSourceName,
} from "../model/container.ts";
import type { Instant } from "../model/time.ts";
import {
  addEnding,
  addExit,
  addReport,
  addStart,
  type Entry,
  goneAt,
  nameMain,
  newEntry,
  type Presence,
} from "./entry.ts";
import { learn } from "./facts.ts";
import { Gaps, type GapsState } from "./gaps.ts";
import { isSince, type Run, runsOf } from "./runs.ts";

export interface InventoryState {
  readonly entries: readonly Entry[];
  readonly lists: readonly {
    readonly source: RuntimeSourceName;
    readonly at: number;
    readonly ids: readonly string[];
  }[];
  readonly gaps: GapsState;
}

/** Containers already gone that still answer; each takes about a kilobyte. */
const GONE_KEPT = 1_000;
const ENTRIES_KEPT = 10_000;
/** A container is told of a moment after its process is there (µs). */
const EVENT_SLACK = 100_000;
/** Looking for what may be forgotten takes a look at all. */
const SWEEP_EVERY = GONE_KEPT / 10;

/**
 * All containers that any source told of, also those already gone: a history, not a snapshot. Answers which of them had a
 * cgroup or a main process at a given time.
 */
export class Inventory {
  readonly gaps: Gaps;
  readonly #entries = new Map<string, Entry>();
  readonly #runs = new Map<string, readonly Run[]>();
  readonly #byPath = new Index();
  readonly #byPid = new Index();
  readonly #byPod = new Index();
  readonly #lists = new Map<RuntimeSourceName, { at: number; ids: ReadonlySet<string> }>();
  /** News since the longest gone were last forgotten. */
  #unswept = 0;

  constructor(state: InventoryState | null) {
    this.gaps = new Gaps(state?.gaps ?? []);
    for (const entry of state?.entries ?? []) this.#enter(structuredClone(entry));
    for (const { source, at, ids } of state?.lists ?? []) {
      this.#lists.set(source, { at, ids: new Set(ids) });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  state(): InventoryState {
    this.#sweep(0);
    return {
      entries: [...this.#entries.values()],
      lists: [...this.#lists].map(([source, { at, ids }]) => ({ source, at, ids: [...ids] })),
      gaps: this.gaps.state(),
    };
  }

  byId(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Containers that had `path` as their cgroup at some time. */
  byPath(path: string): Entry[] {
    return this.#all(this.#byPath.get(path));
  }

  /** Containers whose main process had `pid` at some time. */
  byPid(pid: number): Entry[] {
    return this.#all(this.#byPid.get(String(pid)));
  }

  byPod(uid: string): Entry[] {
    return this.#all(this.#byPod.get(uid));
  }

  runs(entry: Entry): readonly Run[] {
    const known = this.#runs.get(entry.id);
    if (known !== undefined) return known;
    const runs = runsOf(entry);
    this.#runs.set(entry.id, runs);
    return runs;
  }

  /** Whether this life was surely the one at `at`, and no other of which nobody told. */
  isSurely(entry: Entry, run: Run, at: Instant): boolean {
    const moment = at.monotonicMicroseconds;
    if (run.since === Number.NEGATIVE_INFINITY) return true;
    if (!isSince(run, moment)) return false;
    if (moment < run.begin) return this.#isHeard(entry, moment, run.begin);
    const seen = run.endIsOwn && run.end !== null ? run.end : Math.max(run.begin, run.lastAlive);
    return moment <= seen || this.#isHeard(entry, seen, moment);
  }

  /** Whether a source that can be heard would tell its end, had it ended: it has the container, and named this process last. */
  isAudible({ sources, presence, named }: Entry, run: Run): boolean {
    return sources.some(
      (source) =>
        presence[source]?.present === true &&
        named[source]?.pid === run.pid &&
        !this.gaps.isDeaf(source),
    );
  }

  /** Whether the end of this life, too, was in the life in which something happened at `at`. */
  isUntilEnd(entry: Entry, { end, endTold, endIsOwn }: Run, at: Instant): boolean {
    if (end === null || !endTold || endIsOwn) return true;
    return this.#isHeard(entry, at.monotonicMicroseconds, end);
  }

  /** Whether a source that had told of it could be heard all that time. */
  #isHeard({ sources, describedAt }: Entry, from: number, to: number): boolean {
    const tellers = sources.filter((source) => (describedAt[source] ?? to) <= from + EVENT_SLACK);
    return this.gaps.isHeard(tellers, from, to);
  }

  /** Takes in what was said, heard at `now` (µs, monotonic). Returns the containers of which it says something new. */
  observe(observation: RuntimeObservation, now: number): readonly Entry[] {
    if (observation.kind === "list") return this.#observeList(observation, now);
    const entry = this.#open(idOf(observation), observation.owner);
    if (entry === null) return [];
    const news = this.#tell(entry, observation, now);
    if (!news) return [];
    entry.heardAt = Math.max(entry.heardAt, now);
    this.#runs.delete(entry.id);
    this.#evict();
    return [entry];
  }

  /** Replaces what is known of the ends of its lives. */
  rewriteEndings(entry: Entry, endings: Entry["endings"]): void {
    entry.endings = endings;
    this.#runs.delete(entry.id);
  }

  /** An end that no source told: it must have been, or was told by an earlier process. */
  conclude(id: string, ending: Entry["endings"][number]): void {
    const entry = this.#entries.get(id) ?? this.#new(id, undefined);
    addEnding(entry, ending);
    this.#runs.delete(id);
    this.#evict();
  }

  #tell(
    entry: Entry,
    observation: Exclude<RuntimeObservation, ListObservation>,
    now: number,
  ): boolean {
    const at = observation.at.monotonicMicroseconds;
    switch (observation.kind) {
      case "container":
        return this.#describe(entry, observation, now);
      case "exit":
        this.#indexPid(entry, observation.mainPid);
        return addExit(entry, observation, now);
      case "oom-report":
        return addReport(entry, at);
      case "gone":
        return tellPresence(entry, observation.source, { present: false, at });
      default:
        return observation satisfies never;
    }
  }

  #describe(entry: Entry, { source, at, container }: ContainerObservation, now: number): boolean {
    const moment = at.monotonicMicroseconds;
    const learned = learn(entry.facts, container, source, moment);
    const started = addStart(entry, container, { source, at: moment, heardAt: now });
    if (started) this.#runs.delete(entry.id);
    const unknown = !entry.sources.includes(source);
    if (unknown) entry.sources = [...entry.sources, source];
    entry.describedAt[source] = Math.min(entry.describedAt[source] ?? moment, moment);
    const sandbox = container.sandbox && !entry.sandbox;
    entry.sandbox ||= container.sandbox;
    nameMain(entry, source, { pid: container.mainPid, at: moment });
    const list = this.#lists.get(source);
    const listed: Presence =
      list !== undefined && list.at > moment
        ? { present: list.ids.has(entry.id), at: list.at }
        : { present: true, at: moment };
    const presence = tellPresence(entry, source, listed);
    if (learned || started) this.#index(entry);
    // Runs hold the last moment at which the process was seen alive.
    this.#runs.delete(entry.id);
    return learned || started || unknown || sandbox || presence;
  }

  #observeList({ source, at, containerIds }: ListObservation, now: number): readonly Entry[] {
    const moment = at.monotonicMicroseconds;
    const ids = new Set(containerIds.slice(0, ENTRIES_KEPT));
    const known = this.#lists.get(source);
    if (known === undefined || known.at < moment) this.#lists.set(source, { at: moment, ids });
    const changed: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.presence[source] === undefined) continue;
      const presence = { present: ids.has(entry.id), at: moment };
      if (!tellPresence(entry, source, presence)) continue;
      entry.heardAt = Math.max(entry.heardAt, now);
      changed.push(entry);
    }
    this.#evict();
    return changed;
  }

  /** `null`: somebody else's word about this container counts more. The machine's daemons come before any user's. */
  #open(id: string, owner: number | undefined): Entry | null {
    const known = this.#entries.get(id);
    if (known === undefined) return this.#new(id, owner);
    if (known.owner === owner) return known;
    if (owner !== undefined) return null;
    this.#forget(known);
    return this.#new(id, owner);
  }

  #new(id: string, owner: number | undefined): Entry {
    const entry = newEntry(id, owner);
    this.#entries.set(id, entry);
    return entry;
  }

  #enter(entry: Entry): void {
    this.#entries.set(entry.id, entry);
    this.#index(entry);
  }

  #index(entry: Entry): void {
    this.#byPath.add(entry.facts.cgroupPath?.value, entry.id);
    this.#byPod.add(entry.facts.podUid?.value, entry.id);
    for (const { pid } of [...entry.starts, ...entry.endings]) this.#indexPid(entry, pid);
  }

  #indexPid(entry: Entry, pid: number | null): void {
    this.#byPid.add(pid === null ? undefined : String(pid), entry.id);
  }

  #all(ids: readonly string[]): Entry[] {
    return ids.flatMap((id) => this.#entries.get(id) ?? []);
  }

  /** Makes room: the longest gone first; only when nothing is gone, those not heard of for the longest time. */
  #evict(): void {
    const over = this.#entries.size - ENTRIES_KEPT;
    if (over <= 0 && (this.#entries.size <= GONE_KEPT || ++this.#unswept < SWEEP_EVERY)) return;
    this.#sweep(over);
  }

  #sweep(over: number): void {
    this.#unswept = 0;
    // Of those whose end is still to be told none is forgotten, as long as there is room.
    const isOver = (entry: Entry) =>
      goneAt(entry) !== null && (over > 0 || entry.endings.every(({ told }) => told));
    const gone = [...this.#entries.values()].filter(isOver);
    const surplus = Math.max(gone.length - GONE_KEPT, over);
    if (surplus <= 0) return;
    // A tenth more, so that not every container to come sorts them all.
    const many = surplus + SWEEP_EVERY;
    gone.sort((one, other) => (goneAt(one) ?? 0) - (goneAt(other) ?? 0));
    for (const entry of gone.slice(0, many)) this.#forget(entry);
    if (this.#entries.size <= ENTRIES_KEPT) return;
    const silent = [...this.#entries.values()].sort((one, other) => one.heardAt - other.heardAt);
    const excess = this.#entries.size - ENTRIES_KEPT + SWEEP_EVERY;
    for (const entry of silent.slice(0, excess)) this.#forget(entry);
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.id);
    this.#runs.delete(entry.id);
    this.#byPath.remove(entry.facts.cgroupPath?.value, entry.id);
    this.#byPod.remove(entry.facts.podUid?.value, entry.id);
    for (const { pid } of [...entry.starts, ...entry.endings]) {
      this.#byPid.remove(pid === null ? undefined : String(pid), entry.id);
    }
  }
}

function idOf(observation: Exclude<RuntimeObservation, ListObservation>): string {
  return observation.kind === "container" ? observation.container.id : observation.containerId;
}

/** The latest word counts; at the same moment the word that it is gone. True when it changes something. */
function tellPresence(entry: Entry, source: RuntimeSourceName, said: Presence): boolean {
  const known = entry.presence[source];
  if (known !== undefined && known.at > said.at) return false;
  if (known !== undefined && known.at === said.at && (said.present || !known.present)) return false;
  entry.presence[source] = said;
  return known?.present !== said.present;
}

/** Which containers go by a name. Ids of containers already forgotten may stay until their name is used no more. */
class Index {
  readonly #ids = new Map<string, readonly string[]>();

  get(name: string): readonly string[] {
    return this.#ids.get(name) ?? [];
  }

  add(name: string | undefined, id: string): void {
    if (name === undefined) return;
    const known = this.get(name);
    if (!known.includes(id)) this.#ids.set(name, [...known, id]);
  }

  remove(name: string | undefined, id: string): void {
    if (name === undefined) return;
    const rest = this.get(name).filter((one) => one !== id);
    if (rest.length === 0) this.#ids.delete(name);
    else this.#ids.set(name, rest);
  }
}
