import type { ContainerFacts } from "../model/container.ts";
import type { Instant } from "../model/time.ts";

/** More containers than a node holds (a kubelet allows 110 pods, OpenShift up to 2,500). */
const CONTAINERS_LIMIT = 10_000;

/** A container as we last told it. */
export interface Known {
  facts: ContainerFacts;
  /** The daemon that has it: several may run on one machine. */
  readonly socket: string;
  readonly namespace: string;
  /** Its main process was there when we last heard. */
  running: boolean;
  /** The pid whose end was told last: an exit is told by its event, by the deletion of the task, and by lists. */
  ended: number;
  /** containerd spoke of an OOM kill in this run. */
  oomSeen: boolean;
  /** Its events were heard from the beginning of this run on: that it spoke of none says something. */
  heardFromStart: boolean;
}

/** What was told of which container. Outlives a connection: after an outage it shows what was missed. */
export class KnownContainers {
  readonly #byId = new Map<string, Known>();

  get(id: string): Known | undefined {
    return this.#byId.get(id);
  }

  /** Whether there is room for it. */
  add(known: Known): boolean {
    if (this.#byId.size >= CONTAINERS_LIMIT && !this.#byId.has(known.facts.id)) return false;
    this.#byId.set(known.facts.id, known);
    return true;
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }

  of(socket: string): Known[] {
    return [...this.#byId.values()].filter((known) => known.socket === socket);
  }

  ids(): string[] {
    return [...this.#byId.keys()];
  }
}

/** A run begins: its main process is there, though it may not have begun to execute. */
export function runs(known: Known, pid: number, cgroupPath: string | null): void {
  if (known.facts.mainPid === pid && known.running) return;
  known.running = true;
  known.oomSeen = false;
  known.heardFromStart = false;
  known.ended = 0;
  known.facts = {
    ...known.facts,
    mainPid: pid,
    cgroupPath: cgroupPath ?? known.facts.cgroupPath,
    startedAt: null,
  };
}

export function started(known: Known, at: Instant): void {
  known.facts = { ...known.facts, startedAt: at };
}

/** The run is over. False when that was told before. */
export function ends(known: Known, pid: number): boolean {
  const main = pid === 0 ? (known.facts.mainPid ?? 0) : pid;
  if (!known.running && (main === known.ended || main === 0)) return false;
  known.running = false;
  known.ended = main;
  known.facts = { ...known.facts, mainPid: null };
  return true;
}

/**
 * Whether containerd calls the end of this run an OOM kill. Where systemd removes the cgroup before containerd reads its
 * counters, it does not notice (facts 5), and says nothing: then the CRI calls it `Error`.
 */
export function oomReported({ oomSeen, heardFromStart }: Known): boolean | null {
  if (oomSeen) return true;
  return heardFromStart ? false : null;
}
