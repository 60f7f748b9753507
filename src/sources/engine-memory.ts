import type { ContainerFacts, RuntimeObservation } from "../model/container.ts";
import type { Instant } from "../model/time.ts";
import type { DockerContainer, DockerInspect } from "../parse/docker-container.ts";
import type { DockerEvent } from "../parse/docker-event.ts";

/** Who tells: Docker, or Podman with its Docker-compatible API. */
export type EngineName = "docker" | "podman";

/** Containers remembered of one daemon, about 1 KiB each; those beyond are not told of, and counted. */
export const MAX_CONTAINERS = 10_000;

/** Podman starts a process 10 to 25 ms after it made it, and answers nothing between; a next run takes longer. */
const MADE_MICROSECONDS = 100_000;

/** A daemon tells of a start so long after it stamped it, at most: 6 s were seen in an emulated guest. */
const TOLD_MICROSECONDS = 60_000_000;

/** An end that nobody told, before a start of which only the event is known, and before one whose stamp is known. */
const BEFORE_MICROSECONDS = 1_000_000;
const APART_MICROSECONDS = 20_000;

/** What a daemon answered, and what /proc said then. */
export interface Look {
  readonly inspect: DockerInspect | null;
  readonly cgroupPath: string | null;
  /** Wall µs. */
  readonly at: number;
}

/** A container as this source last knew it. A run began and has not ended: `startedAt` is set and `endedAt` is not. */
interface Known {
  facts: ContainerFacts;
  /** Wall µs of the present or last run; from inspect, or a little later from the event. */
  startedAt: number | null;
  endedAt: number | null;
  /** When the daemon told that it began, wall µs; `null` when only a list or an inspect did. */
  toldAt: number | null;
  /** Its process was made and has not been started, as far as was told (Podman). */
  onlyMade: boolean;
  oomSeen: boolean;
  /** A label is called `exitCode`: the attribute of that name says nothing (parse/docker-event.ts). */
  forgesExitCode: boolean;
}

/**
 * What one daemon said so far, turned into observations. It outlives connections, so that after an outage the exits that
 * nobody told of are found, and none is told twice.
 */
export class EngineMemory {
  readonly #name: EngineName;
  readonly #instant: (wallMicroseconds: number) => Instant;
  readonly limit: number;
  readonly #known = new Map<string, Known>();
  /** Containers left out because there were too many. */
  leftOut = 0;

  constructor(
    name: EngineName,
    instant: (wallMicroseconds: number) => Instant,
    limit: number = MAX_CONTAINERS,
  ) {
    this.limit = limit;
    this.#name = name;
    this.#instant = instant;
  }

  get ids(): string[] {
    return [...this.#known.keys()];
  }

  /** Whether the container is known to have a run that has not ended. */
  isRunning(id: string): boolean {
    const known = this.#known.get(id);
    return known !== undefined && isRunning(known);
  }

  /** Its present run is known with its process. */
  isComplete(id: string): boolean {
    return this.isRunning(id) && this.#known.get(id)?.facts.mainPid !== null;
  }

  /** Anything the daemon said of a container that is not about its runs. */
  described(container: DockerContainer | DockerEvent, at: number): RuntimeObservation[] {
    const known = this.#remember(container);
    return known === null ? [] : [this.#container(known, at)];
  }

  /**
   * A run began. `look` is what the daemon said of the container when it was asked after this event; by then it may be over,
   * or another may be on, of which events are on their way. Nothing when this start is already history.
   */
  started(event: DockerEvent, look: Look): RuntimeObservation[] {
    const known = this.#remember(event);
    if (known === null) return [];
    const at = event.wallMicroseconds;
    if (known.endedAt !== null && at <= known.endedAt) return [];
    const isMade = event.action === "init";
    const { inspect } = look;
    const own = inspect !== null && isRunOf(known, event, inspect) ? inspect : null;
    const exact = own?.startedMicroseconds ?? null;
    const told = isNextRun(known, event, exact)
      ? this.#endUnseen(known, exact ?? at - BEFORE_MICROSECONDS)
      : [];
    if (!isRunning(known)) this.#begin(known, exact ?? at);
    else if (known.onlyMade) known.startedAt = exact ?? at;
    known.onlyMade = isMade;
    known.toldAt = at;
    if (own !== null) this.#remember(own);
    const followed = own === null ? [] : this.#follow(known, own, look);
    return [...told, ...(followed.length > 0 ? followed : [this.#container(known, at)])];
  }

  oom(event: DockerEvent): RuntimeObservation[] {
    const known = this.#remember(event);
    if (known !== null && isRunning(known)) known.oomSeen = true;
    const at = this.#instant(event.wallMicroseconds);
    return [{ kind: "oom-report", source: this.#name, at, containerId: event.id }];
  }

  /** Whether this `die` tells of an end that was not told before. */
  isNews(event: DockerEvent): boolean {
    const known = this.#known.get(event.id);
    if (known === undefined) return true;
    if (known.startedAt !== null && event.wallMicroseconds < known.startedAt) return false;
    return known.endedAt === null;
  }

  /** The run of this `die` ended; `inspect` is what the daemon says of it now, `null` when it is gone. */
  died(event: DockerEvent, inspect: DockerInspect | null): RuntimeObservation[] {
    if (!this.isNews(event)) return [];
    const told = this.#known.has(event.id) ? [] : this.described(event, event.wallMicroseconds);
    const known = this.#remember(event);
    if (known === null) return [];
    const same = inspect !== null && isEndOf(known, inspect, event.wallMicroseconds);
    const attribute = known.forgesExitCode ? null : event.exitCode;
    const end = this.#end(known, {
      at: (same ? inspect.finishedMicroseconds : null) ?? event.wallMicroseconds,
      exitCode: (same ? inspect.exitCode : null) ?? attribute,
      oomKilled: same ? inspect.oomKilled : null,
    });
    return [...told, ...end];
  }

  gone(id: string, at: number): RuntimeObservation[] {
    this.#known.delete(id);
    return [{ kind: "gone", source: this.#name, at: this.#instant(at), containerId: id }];
  }

  /** Forgets, without a word, what the daemon no longer lists: its list says it. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }

  /**
   * A container as it is after a gap in the events: a run that ended meanwhile is told from what is left of it.
   * `tellsEndsSince`: ends later than that are news of containers not known before; `null`: none are.
   */
  reconciled(
    inspect: DockerInspect,
    look: Look,
    tellsEndsSince: number | null,
  ): RuntimeObservation[] {
    const known = this.#remember(inspect);
    if (known === null) return [];
    const { startedMicroseconds, finishedMicroseconds } = inspect;
    if (startedMicroseconds === null) return [this.#container(known, look.at)];
    const told: RuntimeObservation[] = [];
    const isNew = known.startedAt === null && known.endedAt === null;
    if (known.startedAt === null || startedMicroseconds > known.startedAt) {
      if (isRunning(known)) {
        told.push(...this.#endUnseen(known, startedMicroseconds, finishedMicroseconds));
      }
      this.#begin(known, startedMicroseconds);
    }
    if (known.endedAt !== null && known.endedAt >= startedMicroseconds) return told;
    if (inspect.running) return [...told, ...this.#follow(known, inspect, look)];
    if (finishedMicroseconds === null) return told;
    const isHistory = isNew && (tellsEndsSince === null || finishedMicroseconds <= tellsEndsSince);
    const { exitCode, oomKilled } = inspect;
    const end = isEndTold(inspect)
      ? { at: finishedMicroseconds, exitCode, oomKilled }
      : { at: look.at, exitCode: null, oomKilled: null };
    const ended = this.#end(known, end);
    return [...told, ...(isHistory ? [] : ended)];
  }

  /** The known run was followed by another, which began at `next`: of its end, at most the time is left. */
  #endUnseen(known: Known, next: number, finished: number | null = null): RuntimeObservation[] {
    const isItsEnd = finished !== null && finished > (known.startedAt ?? 0) && finished <= next;
    const at = isItsEnd ? finished : next - APART_MICROSECONDS;
    return this.#end(known, { at, exitCode: null, oomKilled: null });
  }

  #follow(known: Known, inspect: DockerInspect, { cgroupPath, at }: Look): RuntimeObservation[] {
    if (!inspect.running) return [];
    const startedAt = inspect.startedMicroseconds ?? known.startedAt;
    known.startedAt = startedAt;
    known.facts = {
      ...known.facts,
      mainPid: inspect.mainPid,
      cgroupPath: cgroupPath ?? known.facts.cgroupPath,
      startedAt: startedAt === null ? null : this.#instant(startedAt),
    };
    return [this.#container(known, at)];
  }

  #begin(known: Known, startedAt: number): void {
    known.startedAt = startedAt;
    known.endedAt = null;
    known.toldAt = null;
    known.onlyMade = false;
    known.oomSeen = false;
    known.facts = { ...known.facts, mainPid: null, startedAt: this.#instant(startedAt) };
  }

  #end(
    known: Known,
    end: {
      readonly at: number;
      readonly exitCode: number | null;
      readonly oomKilled: boolean | null;
    },
  ): RuntimeObservation[] {
    const { facts } = known;
    // A process that ends at once may end before its daemon stamps the start.
    const endedAt = Math.max(end.at, known.startedAt ?? 0);
    known.endedAt = endedAt;
    known.facts = { ...facts, mainPid: null };
    return [
      {
        kind: "exit",
        source: this.#name,
        at: this.#instant(endedAt),
        containerId: facts.id,
        exitCode: end.exitCode,
        mainPid: facts.mainPid,
        oomReported: known.oomSeen ? true : end.oomKilled,
      },
    ];
  }

  #container(known: Known, at: number): RuntimeObservation {
    const container = known.facts;
    return { kind: "container", source: this.#name, at: this.#instant(at), container };
  }

  /** What is said now, over what was known; what is not said erases nothing. */
  #remember(told: DockerContainer | DockerEvent | DockerInspect): Known | null {
    const known = this.#known.get(told.id) ?? this.#add(told.id);
    if (known === null) return null;
    const { facts } = known;
    known.facts = {
      ...facts,
      name: told.name ?? facts.name,
      image: told.image ?? facts.image,
      imageId: ("imageId" in told ? told.imageId : null) ?? facts.imageId,
      restarts: ("restarts" in told ? told.restarts : null) ?? facts.restarts,
      pod: told.pod ?? facts.pod,
      sandbox: told.sandbox || facts.sandbox,
    };
    if ("action" in told && told.action !== "die" && told.exitCode !== null) {
      known.forgesExitCode = true;
    }
    return known;
  }

  #add(id: string): Known | null {
    if (this.#known.size >= this.limit) {
      this.leftOut += 1;
      return null;
    }
    const facts: ContainerFacts = {
      runtime: this.#name,
      id,
      name: null,
      image: null,
      imageId: null,
      restarts: null,
      pod: null,
      sandbox: false,
      cgroupPath: null,
      mainPid: null,
      startedAt: null,
    };
    const nothing = { toldAt: null, onlyMade: false, oomSeen: false, forgesExitCode: false };
    const known: Known = { facts, startedAt: null, endedAt: null, ...nothing };
    this.#known.set(id, known);
    return known;
  }
}

function isRunning(known: Known): boolean {
  return known.startedAt !== null && known.endedAt === null;
}

/** Whether the inspect is of the run that began with this event: daemons stamp a run before they tell of it. */
function isRunOf(
  known: Known,
  { action, wallMicroseconds }: DockerEvent,
  { startedMicroseconds, running }: DockerInspect,
): boolean {
  if (startedMicroseconds === null) return action === "init" && running;
  const before = known.endedAt ?? known.startedAt ?? 0;
  const slack = action === "init" ? MADE_MICROSECONDS : 0;
  return startedMicroseconds >= before && startedMicroseconds <= wallMicroseconds + slack;
}

/**
 * Whether a run begins although nobody told that the one before ended: the daemon was away. `exact`: its stamp, where the
 * daemon was asked.
 */
function isNextRun(
  known: Known,
  { action, wallMicroseconds }: DockerEvent,
  exact: number | null,
): boolean {
  if (!isRunning(known) || (known.onlyMade && action === "start")) return false;
  const { toldAt, startedAt } = known;
  if (toldAt !== null) return wallMicroseconds > toldAt;
  if (exact !== null) return exact > (startedAt ?? 0);
  return wallMicroseconds > (startedAt ?? 0) + TOLD_MICROSECONDS;
}

/**
 * Whether the end that the inspect tells is of the run whose start it tells, and not of the run before. The stamps of a
 * process that ends at once may be in the wrong order.
 */
function isEndTold({ startedMicroseconds, finishedMicroseconds }: DockerInspect): boolean {
  return (finishedMicroseconds ?? 0) >= (startedMicroseconds ?? 0) - BEFORE_MICROSECONDS;
}

/** Whether the inspect tells of the end that the event of `diedAt` told of, and not of a later run. */
function isEndOf(known: Known, inspect: DockerInspect, diedAt: number): boolean {
  const { running, startedMicroseconds, finishedMicroseconds } = inspect;
  if (running || startedMicroseconds === null || finishedMicroseconds === null) return false;
  if (!isEndTold(inspect)) return false;
  if (finishedMicroseconds > diedAt) return false;
  return known.startedAt === null || startedMicroseconds <= known.startedAt;
}
