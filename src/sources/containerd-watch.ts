import type { RuntimeObservation } from "../model/container.ts";
import type { Instant } from "../model/time.ts";
import { identityOfContainerd } from "../parse/containerd-labels.ts";
import { BoundedQueue } from "../std/bounded-queue.ts";
import { containerCgroup } from "./container-cgroup.ts";
import type { ContainerdApi, ContainerdContainer, ContainerdEvent } from "./containerd-api.ts";
import {
  ends,
  type Known,
  type KnownContainers,
  oomReported,
  runs,
  started,
} from "./containerd-known.ts";
import { ContainerdList } from "./containerd-list.ts";
import { instantAtWall, instantNow } from "./instant.ts";
import type { SourceContext } from "./source.ts";

/** Events between reading and work: a minute of the largest storm seen here (8 containers a second, 7 events each). */
const QUEUE_LIMIT = 4096;
/**
 * A subscription is not confirmed before its first event; the list must come after it. A daemon that is so slow to take it
 * would lose us what happened in between, until the next list.
 */
const SUBSCRIBED_MILLISECONDS = 50;

/** What all connections of the source share. */
export interface ContainerdScope {
  readonly context: SourceContext;
  readonly procRoot: string;
  readonly known: KnownContainers;
  /** Exits until then (wall µs) were told by an earlier process; `null`: nobody told anything yet. */
  readonly toldUntil: number | null;
  /** When the source last heard of the daemons, monotonic µs; `null` when it never did. */
  readonly heardMicroseconds: number | null;
}

interface Heard {
  readonly event: ContainerdEvent;
  /** Of a process that begins: read while it is surely there. */
  readonly cgroupPath: string | null;
}

/** One daemon: reads its events without ever making it wait, and works on them one after the other. */
export class ContainerdWatch {
  readonly #scope: ContainerdScope;
  readonly #api: ContainerdApi;
  readonly #socket: string;
  readonly #queue = new BoundedQueue<Heard>(QUEUE_LIMIT, "drop-newest");
  readonly #broken: Promise<never>;
  #incomplete = false;
  #wake: () => void = () => {};

  constructor(scope: ContainerdScope, api: ContainerdApi, socket: string) {
    this.#scope = scope;
    this.#api = api;
    this.#socket = socket;
    this.#broken = this.#read();
    // Whoever waits for it hears of it; until then it is nobody's error.
    this.#broken.catch(() => {});
  }

  /** Tells what is there. Events have been collected since before. */
  async list(): Promise<void> {
    await Promise.race([this.#pause(SUBSCRIBED_MILLISECONDS), this.#broken]);
    await Promise.race([this.#list(), this.#broken]);
  }

  /** Tells what happens, until it breaks. */
  follow(): Promise<never> {
    return Promise.race([this.#work(), this.#broken]);
  }

  // --- reading

  async #read(): Promise<never> {
    for await (const event of this.#api.events()) {
      this.#push({ event, cgroupPath: this.#greet(event) });
    }
    throw new Error(`${this.#socket}: containerd ended the stream of events`);
  }

  /** A process begins: where it is is told at once, before any question about its container is answered. */
  #greet({ kind, pid, namespace, containerId }: ContainerdEvent): string | null {
    if (kind !== "task-created" && kind !== "task-started") return null;
    const cgroupPath = this.#cgroupOf(pid, containerId);
    if (cgroupPath === null) return null;
    const nameless = { id: containerId, image: "", labels: {} };
    const facts = this.#scope.known.get(containerId)?.facts ?? {
      ...identityOfContainerd(namespace, nameless),
      id: containerId,
    };
    const container = { ...facts, mainPid: pid, cgroupPath, startedAt: null };
    const at = instantNow(this.#scope.context.host.clock);
    this.#emit({ kind: "container", source: "containerd", at, container });
    return cgroupPath;
  }

  #push(heard: Heard): void {
    if (!this.#queue.push(heard)) {
      this.#incomplete = true;
      this.#scope.context.lost(1, "events of containerd beyond the queue");
    }
    this.#wake();
  }

  #cgroupOf(pid: number, id: string): string | null {
    const { context, procRoot } = this.#scope;
    return containerCgroup(context.host.files, procRoot, pid, id);
  }

  // --- work

  async #work(): Promise<never> {
    for (;;) {
      for (let heard = this.#queue.shift(); heard !== null; heard = this.#queue.shift()) {
        await this.#handle(heard);
      }
      if (this.#incomplete) {
        this.#incomplete = false;
        await this.#list();
        this.#tellList();
      }
      if (this.#queue.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  async #list(): Promise<void> {
    const list = new ContainerdList(this.#scope, this.#api, this.#socket, {
      find: (namespace, container) => this.#remember(namespace, container),
      cgroupOf: (pid, id) => this.#cgroupOf(pid, id),
    });
    await list.tell();
  }

  #tellList(): void {
    const { context, known } = this.#scope;
    const at = instantNow(context.host.clock);
    this.#emit({ kind: "list", source: "containerd", at, containerIds: known.ids() });
  }

  async #handle({ event, cgroupPath }: Heard): Promise<void> {
    if (event.kind === "removed") return this.#removed(event);
    const known = await this.#find(event);
    const at = this.#at(event);
    switch (event.kind) {
      case "changed":
        break;
      case "task-created":
        runs(known, event.pid, cgroupPath);
        known.heardFromStart = true;
        break;
      case "task-started":
        // An end may be told before its beginning.
        if (known.ended === event.pid) return;
        runs(known, event.pid, cgroupPath);
        started(known, at);
        break;
      case "oom":
        known.oomSeen = true;
        this.#emit({ kind: "oom-report", source: "containerd", at, containerId: known.facts.id });
        return;
      case "exit":
        this.#exited(known, event, at);
        return;
    }
    this.#tell(known);
  }

  #removed({ containerId }: ContainerdEvent): void {
    this.#scope.known.delete(containerId);
    const at = instantNow(this.#scope.context.host.clock);
    this.#emit({ kind: "gone", source: "containerd", at, containerId });
  }

  #exited(known: Known, event: ContainerdEvent, at: Instant): void {
    const { mainPid } = known.facts;
    if (this.#incomplete) known.heardFromStart = false;
    if (!ends(known, event.pid)) return;
    const { context } = this.#scope;
    this.#emit({
      kind: "exit",
      source: "containerd",
      at,
      containerId: known.facts.id,
      exitCode: event.exitStatus <= 255 ? event.exitStatus : null,
      mainPid: event.pid === 0 ? mainPid : event.pid,
      oomReported: oomReported(known),
    });
    context.saveCursor(String(at.wallMicroseconds));
  }

  /** What is known of the container, or what containerd says now. A change is asked for even when it is known. */
  async #find({ kind, namespace, containerId }: ContainerdEvent): Promise<Known> {
    const known = this.#scope.known.get(containerId);
    if (known !== undefined && kind !== "changed") return known;
    const container = await this.#api.container(namespace, containerId);
    if (container === null && known !== undefined) return known;
    return this.#remember(namespace, container ?? { id: containerId, image: "", labels: {} });
  }

  #remember(namespace: string, container: ContainerdContainer): Known {
    const { known, context } = this.#scope;
    const { id } = container;
    const before = known.get(id);
    const identity = identityOfContainerd(namespace, container);
    const rest = { cgroupPath: null, mainPid: null, startedAt: null };
    const facts = { ...rest, ...before?.facts, id, ...identity };
    if (before !== undefined) {
      before.facts = facts;
      return before;
    }
    const socket = this.#socket;
    const now: Known = {
      facts,
      socket,
      namespace,
      running: false,
      ended: 0,
      oomSeen: false,
      heardFromStart: false,
    };
    if (!known.add(now)) context.lost(1, "containers beyond the bound");
    return now;
  }

  #tell({ facts }: Known): void {
    const at = instantNow(this.#scope.context.host.clock);
    this.#emit({ kind: "container", source: "containerd", at, container: facts });
  }

  #at({ wallMicroseconds }: ContainerdEvent): Instant {
    const { clock } = this.#scope.context.host;
    return wallMicroseconds === null ? instantNow(clock) : instantAtWall(clock, wallMicroseconds);
  }

  #emit(observation: RuntimeObservation): void {
    this.#scope.context.emit([observation]);
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#scope.context.host.clock.after(milliseconds, resolve);
    });
  }
}
