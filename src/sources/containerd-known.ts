import type { ContainerFacts } from "../model/container.ts";
import type { Instant } from "../model/time.ts";

/** More containers than a node holds (a kubelet allows 110 pods, OpenShift up to 2,500). */
const CONTAINERS_LIMIT = 20_000;

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
