import type { ContainerFacts, RuntimeObservation, RuntimeSourceName } from "../model/container.ts";
import type { Identity } from "../model/identity.ts";
import type { ExitRecord, KillRecord, Visibility } from "../model/record.ts";
import { type Instant, parseFormattedWall, SECOND } from "../model/time.ts";
import { believable } from "./claims.ts";
import { type Entry, goneAt, STAMP_SLACK, tellExit } from "./entry.ts";
import {
  amend,
  amendments,
  type ExitSurroundings,
  HOLD_MICROSECONDS,
  nextExit,
  open,
} from "./exits.ts";
import { containerOf, podOf } from "./facts.ts";
import { type Identifiable, type Identified, identifyKill, shelfOf } from "./identity.ts";
import { Inventory, type InventoryState } from "./inventory.ts";
import {
  type Settled,
  type Shelf,
  settledOf,
  type ToldKill,
  ToldKills,
  toldKill,
} from "./told-kills.ts";
import { OUTLIVED_MICROSECONDS } from "./visibility.ts";

/** Everything that must survive a restart of the agent within one boot, as plain data. */
export interface ContainersState {
  readonly inventory: InventoryState;
  readonly kills: readonly ToldKill[];
  readonly watchingSince: number | null;
  readonly wallOffset: number | null;
  readonly toldBefore: readonly ToldBefore[];
  /** When it was saved (µs, monotonic). */
  readonly savedAt: number;
}

const RUNTIME_SOURCES: readonly RuntimeSourceName[] = ["docker", "containerd", "cri", "podman"];

/** An exit record of an earlier process. */
interface ToldBefore {
  /** The container's. */
  readonly id: string;
  readonly wallMicroseconds: number;
  readonly exitCode: number | null;
  readonly exit?: Pick<ExitRecord, "id" | "revision" | "verdict" | "kills">;
}

/** A journal between two checkpoints has fewer. */
const TOLD_BEFORE_KEPT = 2_000;
/** Kills that wait for a daemon that is away, and exits that wait to be told, are looked at again this often. */
const LOOK_AGAIN_MICROSECONDS = SECOND / 2;
const SOON_MICROSECONDS = SECOND;
/** Words about a life may come in any order; after so long the first of them is not still on its way. */
const LATE_MICROSECONDS = 10 * SECOND;
/** Kills of which neither container nor pod is known are looked at again when a container becomes known, for so long. */
const UNPLACED_MICROSECONDS = 60 * SECOND;

/**
 * Whose it was. Hears what runtimes say of containers, in any order, late, doubled or missing; says whose each kill was,
 * and tells each end of a container once, after its kills.
 *
 * In each turn of the loop: `advance`, `observe` what came, render kills (`identify`), `killTold` for each record that
 * leaves, `takeChanged` (the ledger renders those again), `takeExits`. Call `advance` before the first `observe`: without a
 * state, ends before it are history and not told.
 */
export class Containers {
  readonly #inventory: Inventory;
  readonly #kills = new ToldKills();
  #watchingSince: number | null;
  /** Wall clock less monotonic clock, µs; `null` before anybody said anything. */
  #wallOffset: number | null;
  #now = 0;
  /** Up to then every kill that the kernel counted is recorded (µs, monotonic). */
  #balancedUntil: number | null = null;
  #contradictions = 0;
  /** No exit before this (µs, monotonic): what happened while nobody watched must be told first. */
  #tellsFrom: number | null = null;
  /** Kills whose identity may have changed. */
  readonly #dirty = new Set<string>();
  /** Kills to look at again, and when. */
  readonly #again = new Map<string, number>();
  /** Containers with an end to tell, and when to look. */
  readonly #exits = new Map<string, number>();
  /** Exits told by an earlier process, until the clocks are known. */
  readonly #toldBefore: ToldBefore[];

  constructor(state: ContainersState | null) {
    this.#inventory = new Inventory(state?.inventory ?? null);
    this.#watchingSince = state?.watchingSince ?? null;
    this.#toldBefore = [...(state?.toldBefore ?? [])];
    this.#wallOffset = state?.wallOffset ?? null;
    if (state !== null) this.#resume(state);
    for (const kill of state?.kills ?? []) this.#file(kill, null);
  }

  /** Takes in what a runtime said, and gives the ids of the containers of which it is news. Never throws. */
  observe(said: RuntimeObservation): readonly string[] {
    const { at, source, owner } = said;
    const { observation, contradicts } = believable(said);
    if (contradicts) this.#contradictions += 1;
    // A runtime's own stamps may be hours off; ours say so by being exact.
    if (owner !== undefined) return this.#hear(observation);
    if (this.#wallOffset === null || at.uncertaintyMicroseconds === 0) {
      this.#wallOffset = at.wallMicroseconds - at.monotonicMicroseconds;
      this.#settleTold(this.#wallOffset);
    }
    const changed = this.#hear(observation);
    if (observation.kind === "list" && this.#inventory.gaps.end(source, at.monotonicMicroseconds)) {
      for (const { kill } of this.#kills.all()) this.#dirty.add(kill.id);
    }
    return changed;
  }

  #hear(observation: RuntimeObservation): readonly string[] {
    const changed = this.#inventory.observe(observation, this.#now);
    for (const entry of changed) this.#touch(entry);
    return changed.map(({ id }) => id);
  }

  /** Claims of runtimes that the cgroup of the process contradicts; they were not believed. */
  get contradictions(): number {
    return this.#contradictions;
  }

  /** What one runtime says of a container, completed by what the others said. */
  complete(said: ContainerFacts): ContainerFacts {
    const entry = this.#inventory.byId(said.id);
    if (entry === undefined) return said;
    const { runtime, name, image, imageId } = containerOf(said.id, entry.facts, null, null);
    const cgroupPath = entry.facts.cgroupPath?.value ?? null;
    const pod = podOf(entry.facts);
    return { ...said, runtime, name, image, imageId, pod, cgroupPath, sandbox: entry.sandbox };
  }

  /** Whether the word of this user (`undefined`: of the machine's daemons) is the one that counts for the container. */
  isTaken(id: string, owner: number | undefined): boolean {
    return this.#inventory.byId(id)?.owner === owner;
  }

  /** Whether every source that ever had it says that it is no more. */
  isGone(id: string): boolean {
    const entry = this.#inventory.byId(id);
    return entry === undefined || goneAt(entry) !== null;
  }

  /**
   * A source of runtimes broke (`false`) or is up: until it has told its list again it may know of ends that we do not,
   * and a main process of which nothing is heard is not taken to be alive.
   */
  sourceChanged(source: RuntimeSourceName, up: boolean): void {
    if (!up) this.#inventory.gaps.begin(source, this.#now);
  }

  /**
   * The kernel's counters, read no earlier than `until` (µs, monotonic), have no kill that is not recorded: a runtime that
   * speaks of one before then is wrong.
   */
  balanced(until: number): void {
    this.#balancedUntil = Math.max(this.#balancedUntil ?? until, until);
  }

  /** It is now `now` (µs, monotonic). */
  advance(now: number): void {
    this.#now = Math.max(this.#now, now);
    this.#watchingSince ??= this.#now;
    this.#tellsFrom ??= this.#now + HOLD_MICROSECONDS;
  }

  /** Whose the kill was, by all that is known now. Changes nothing. */
  identify(kill: KillRecord, at: Instant): Identity {
    return this.#identify(kill, at, this.#kills.get(kill.id)?.kill.settled ?? null).identity;
  }

  /** A kill was opened or amended, or is known from a journal: ends of its container need it. */
  killTold(kill: KillRecord, at: Instant): void {
    this.#dirty.delete(kill.id);
    const told = toldKill(kill, at, this.#kills.get(kill.id)?.kill.settled ?? null);
    const { identity, place } = this.#file(told, kill.visibility);
    if (place.entry === null) return;
    const lookAt = this.#exits.get(place.entry.id) ?? this.#now;
    this.#exits.set(place.entry.id, Math.min(lookAt, this.#now));
    if (identity.main === true && told.none !== true) this.#mainKilled(kill.id, shelfOf(place));
  }

  /** Of what was killed together with the main process nobody says any more that it outlived it. */
  #mainKilled(id: string, shelf: Shelf): void {
    for (const { kill } of this.#kills.on(shelf)) {
      if (kill.id !== id && kill.settled === null) this.#dirty.add(kill.id);
    }
  }

  /** An exit was told by an earlier process (from the journal): whoever tells of this end again, it is not opened again. */
  exitTold({ at, container, exitCode, id, revision, verdict, kills }: ExitRecord): void {
    const wallMicroseconds = parseFormattedWall(at);
    if (wallMicroseconds === null) return;
    const exit = { id, revision, verdict, kills };
    this.#toldBefore.push({ id: container.id, wallMicroseconds, exitCode, exit });
    if (this.#toldBefore.length > TOLD_BEFORE_KEPT) this.#toldBefore.shift();
    if (this.#wallOffset !== null) this.#settleTold(this.#wallOffset);
  }

  /** Ids of kills whose identity changed since they were told: their records are to be rendered again. */
  takeChanged(): readonly string[] {
    for (const [id, dueAt] of this.#again) {
      if (dueAt <= this.#now) this.#dirty.add(id);
    }
    const changed: string[] = [];
    for (const id of this.#dirty) {
      const filed = this.#kills.get(id);
      this.#again.delete(id);
      if (filed === undefined) continue;
      this.#file(filed.kill, null);
      if (this.#kills.get(id)?.said !== filed.said) changed.push(id);
    }
    this.#dirty.clear();
    return changed;
  }

  /** Ends whose kills have been told by now, oldest first: each is opened once, and amended when more is known. */
  takeExits(): readonly ExitRecord[] {
    const records: ExitRecord[] = [];
    for (const [id, lookAt] of this.#exits) {
      if (lookAt <= this.#now) this.#takeExitsOf(id, records);
    }
    return records.sort(compareExits);
  }

  /** True when `takeChanged` or `takeExits` would give something within a second. */
  get pending(): boolean {
    if (this.#dirty.size > 0) return true;
    const soon = this.#now + SOON_MICROSECONDS;
    return isAnyBefore(this.#again, soon) || isAnyBefore(this.#exits, soon);
  }

  state(): ContainersState {
    return {
      inventory: this.#inventory.state(),
      kills: [...this.#kills.all()].map(({ kill }) => kill),
      watchingSince: this.#watchingSince,
      wallOffset: this.#wallOffset,
      toldBefore: [...this.#toldBefore],
      savedAt: this.#now,
    };
  }

  /** Since that state was saved nobody was heard; nor is anybody until the lists have come. */
  #resume({ inventory, savedAt }: ContainersState): void {
    for (const source of RUNTIME_SOURCES) this.#inventory.gaps.begin(source, savedAt);
    for (const { id } of inventory.entries) this.#exits.set(id, 0);
  }

  #identify(kill: Identifiable, at: Instant, settled: Settled | null): Identified {
    const around = {
      inventory: this.#inventory,
      kills: this.#kills,
      now: this.#now,
    };
    const identified = identifyKill(around, kill, at);
    if (settled === null) return identified;
    return { ...identified, identity: { ...identified.identity, visibility: settled } };
  }

  #file(kill: ToldKill, said: Visibility | null): Identified {
    const identified = this.#identify(kill, kill.at, kill.settled);
    const { identity, place } = identified;
    const settled = settledOf(identity.visibility);
    // An earlier process that knew more may have promised to say more.
    const broken = said === "pending" && identity.visibility === "unknown";
    if (broken) this.#dirty.add(kill.id);
    const text = broken ? "" : JSON.stringify(identity);
    const shelf = kill.none === true ? "none" : shelfOf(place);
    this.#kills.put({ ...kill, settled }, shelf, identity, text);
    if (identity.visibility === "pending") {
      const settled = kill.at.monotonicMicroseconds + OUTLIVED_MICROSECONDS;
      this.#again.set(kill.id, Math.max(settled, this.#now + LOOK_AGAIN_MICROSECONDS));
    }
    return identified;
  }

  #settleTold(wallOffset: number): void {
    for (const { id, wallMicroseconds, exitCode, exit } of this.#toldBefore.splice(0)) {
      const monotonicMicroseconds = wallMicroseconds - wallOffset;
      const at = { monotonicMicroseconds, wallMicroseconds, uncertaintyMicroseconds: STAMP_SLACK };
      const ending = { source: null, at, exitCode, pid: null, oomReported: null };
      this.#inventory.conclude(id, { ...ending, heardAt: this.#now, told: true });
      const entry = this.#inventory.byId(id);
      if (entry === undefined || exit === undefined) continue;
      const opened = entry.exits?.find((one) => one.id === exit.id);
      tellExit(entry, { wallMicroseconds, begin: null, ...opened, ...exit, exitCode });
    }
  }

  /** Something new was said of a container: its kills, those of its pod and those of nobody may be told better. */
  #touch(entry: Entry): void {
    this.#exits.set(entry.id, this.#now);
    for (const { kill, complete } of this.#kills.on(`container ${entry.id}`)) {
      const isFresh = kill.at.monotonicMicroseconds > this.#now - LATE_MICROSECONDS;
      if (!complete || isFresh) this.#dirty.add(kill.id);
    }
    const uid = entry.facts.podUid?.value;
    for (const { kill } of uid === undefined ? [] : this.#kills.on(`pod ${uid}`)) {
      this.#dirty.add(kill.id);
    }
    const recent = this.#now - UNPLACED_MICROSECONDS;
    for (const { kill } of this.#kills.on("unplaced")) {
      if (kill.at.monotonicMicroseconds >= recent && mayBeIn(kill, entry)) this.#dirty.add(kill.id);
    }
  }

  #takeExitsOf(id: string, records: ExitRecord[]): void {
    this.#exits.delete(id);
    const entry = this.#inventory.byId(id);
    if (entry === undefined) return;
    const around: ExitSurroundings = {
      inventory: this.#inventory,
      kills: this.#kills,
      watchingSince: this.#watchingSince ?? 0,
      wallOffset: this.#wallOffset ?? 0,
      balancedUntil: this.#balancedUntil,
    };
    let before: ExitRecord | null = null;
    for (let next = nextExit(around, entry); next !== null; next = nextExit(around, entry)) {
      // A conclusion that was taken for another life's end would be drawn for ever.
      if (next.held.concluded && next.record.at === before?.at) break;
      before = next.record;
      if (this.#waits(id, next.dueAt)) break;
      records.push(open(around, entry, next));
    }
    for (const next of amendments(around, entry, this.#now)) {
      if (!this.#waits(id, next.dueAt)) records.push(amend(entry, next));
    }
  }

  /** Whether it is too early to tell: then this container is looked at again. */
  #waits(id: string, due: number): boolean {
    const dueAt = Math.max(due, this.#tellsFrom ?? 0);
    if (dueAt <= this.#now) return false;
    // The counters may be read meanwhile.
    const lookAt = Math.min(dueAt, this.#now + LOOK_AGAIN_MICROSECONDS);
    this.#exits.set(id, Math.min(lookAt, this.#exits.get(id) ?? lookAt));
    return true;
  }
}

function compareExits(one: ExitRecord, other: ExitRecord): number {
  if (one.at !== other.at) return one.at < other.at ? -1 : 1;
  return one.container.id < other.container.id ? -1 : 1;
}

function isAnyBefore(times: ReadonlyMap<string, number>, moment: number): boolean {
  for (const time of times.values()) if (time <= moment) return true;
  return false;
}

/** Whether a kill that was in no container we knew may have been in this one. */
function mayBeIn({ cgroup, limit, victim }: ToldKill, { facts, starts }: Entry): boolean {
  const path = cgroup.path ?? limit.cgroup;
  const own = facts.cgroupPath?.value;
  if (path !== null && own !== undefined && (path === own || path.startsWith(`${own}/`)))
    return true;
  return cgroup.path === null && starts.some(({ pid }) => pid !== null && pid === victim.pid);
}
