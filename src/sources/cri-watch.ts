import type { ContainerFacts, RuntimeObservation } from "../model/container.ts";
import type { Instant } from "../model/time.ts";
import { identityOfCri, podOfCri } from "../parse/cri-container.ts";
import { containerCgroup } from "./container-cgroup.ts";
import type { CriApi, CriStatus } from "./cri-api.ts";
import { instantAtWall, instantNow } from "./instant.ts";
import type { SourceContext } from "./source.ts";

/** The kubelet asks once a second (PLEG). Exits are told 2.5 s after they were heard of; what we add must come before. */
const IDLE_MILLISECONDS = 1_500;
/** After a kill: containers end now, and a runtime may take its time to say how. */
const BUSY_MILLISECONDS = 200;
const BUSY_FOR_MICROSECONDS = 3_000_000;
const CONTAINERS_LIMIT = 10_000;
/** A daemon under load takes its time for each answer, but gives several at once. */
const ASKED_TOGETHER = 8;
/** A runtime that comes back first calls an end unknown, and learns of it from its shims a little later. */
const CAUSE_MICROSECONDS = 5_000_000;
/** Containers that run are asked about a little later than listed: of a full node that takes a while. */
const ASKED_AT_ONCE = 100;

/** What all runtimes of the source share. */
export interface CriScope {
  readonly context: SourceContext;
  readonly procRoot: string;
  /** Ends of containers not known before are news when they are later than this (wall µs). */
  readonly newsSince: number;
  /** What was told of which container. Outlives a connection. */
  readonly known: Map<string, CriKnown>;
}

export interface CriKnown {
  facts: ContainerFacts;
  readonly socket: string;
  /** We saw it before it ended: its end is news, whenever it was. */
  sawAlive: boolean;
  /** Its status was asked for since it runs. */
  asked: boolean;
  endTold: boolean;
  /** When its end was first told without a cause, monotonic µs; `null`: it was not. */
  causelessSince: number | null;
}

/** One runtime: asks for its list ever so often, and for the status of what changed. */
export class CriWatch {
  readonly #scope: CriScope;
  readonly #api: CriApi;
  readonly #socket: string;
  #busyUntil = 0;
  /** How many containers may still be asked about in this poll. */
  #asking = 0;
  #wake: () => void = () => {};

  constructor(scope: CriScope, api: CriApi, socket: string) {
    this.#scope = scope;
    this.#api = api;
    this.#socket = socket;
  }

  /** Something was killed. */
  hurry(): void {
    const { clock } = this.#scope.context.host;
    const isIdle = this.#busyUntil <= clock.monotonicMicroseconds();
    this.#busyUntil = clock.monotonicMicroseconds() + BUSY_FOR_MICROSECONDS;
    if (isIdle) this.#wake();
  }

  async follow(): Promise<never> {
    for (;;) {
      await this.#pause();
      await this.poll();
    }
  }

  /** Tells what changed since the last time. */
  async poll(): Promise<void> {
    const sandboxes = await this.#api.sandboxes();
    const containers = await this.#api.containers();
    const bySandbox = new Map(sandboxes.map((one) => [one.id, one]));
    const seen = new Set<string>(bySandbox.keys());
    const told: RuntimeObservation[] = [];
    for (const sandbox of sandboxes) {
      const pod = podOfCri(sandbox, null);
      const identity = { name: null, image: null, imageId: null, restarts: null, pod };
      this.#learn(sandbox.id, { ...identity, sandbox: true }, told);
    }
    const ended: CriKnown[] = [];
    const running: CriKnown[] = [];
    for (const container of containers) {
      seen.add(container.id);
      const identity = identityOfCri(container, bySandbox.get(container.podSandboxId) ?? null);
      const known = this.#learn(container.id, identity, told);
      if (known === null) continue;
      known.sawAlive ||= container.phase !== "exited";
      if (container.phase === "exited" && !known.endTold) ended.push(known);
      if (container.phase === "running" && !known.asked) running.push(known);
    }
    this.#removed(seen, told);
    this.#emit(told);
    await eachOf(ended, (known) => this.#exited(known));
    await eachOf(running.slice(0, this.#asking), (known) => this.#running(known));
    this.#asking = ASKED_AT_ONCE;
  }

  /** Since when it runs; where nobody else tells it, also as which process: that makes the runtime work harder. */
  async #running(known: CriKnown): Promise<void> {
    const { id } = known.facts;
    known.asked = true;
    const status = await this.#api.status(id, !this.#containerdTells);
    if (status?.phase !== "running") return;
    const { mainPid } = status;
    const { context, procRoot } = this.#scope;
    const { files } = context.host;
    const cgroupPath = mainPid === null ? null : containerCgroup(files, procRoot, mainPid, id);
    known.facts = { ...known.facts, mainPid, cgroupPath, startedAt: this.#startOf(status) };
    this.#emit([this.#observation(known.facts)]);
  }

  /** containerd tells by its own interface which process is the main one, and at once. */
  get #containerdTells(): boolean {
    return this.#api.runtime === "containerd";
  }

  async #exited(known: CriKnown): Promise<void> {
    const { id, mainPid } = known.facts;
    const status = await this.#api.status(id, false);
    if (status?.phase !== "exited" || this.#awaitsCause(known, status)) return;
    known.endTold = true;
    const { clock } = this.#scope.context.host;
    known.facts = { ...known.facts, mainPid: null, startedAt: this.#startOf(status) };
    const told = this.#observation(known.facts);
    const { finishedMicroseconds: finished, end } = status;
    if (!known.sawAlive && (finished ?? 0) <= this.#scope.newsSince) return this.#emit([told]);
    const at = finished === null ? instantNow(clock) : instantAtWall(clock, finished);
    this.#emit([told, { kind: "exit", source: "cri", at, containerId: id, mainPid, ...end }]);
  }

  /** Whether to ask again how it ended. */
  #awaitsCause(known: CriKnown, { end }: CriStatus): boolean {
    if (end.exitCode !== null || end.oomReported !== null) return false;
    const now = this.#scope.context.host.clock.monotonicMicroseconds();
    known.causelessSince ??= now;
    return now - known.causelessSince <= CAUSE_MICROSECONDS;
  }

  #startOf({ startedMicroseconds }: CriStatus): Instant | null {
    const { clock } = this.#scope.context.host;
    return startedMicroseconds === null ? null : instantAtWall(clock, startedMicroseconds);
  }

  /** Keeps it, and tells it when it is new or says something new; `null` when there is no room. */
  #learn(id: string, identity: Identity, told: RuntimeObservation[]): CriKnown | null {
    const { known, context } = this.#scope;
    const before = known.get(id);
    if (before === undefined && known.size >= CONTAINERS_LIMIT) {
      context.lost(1, "containers beyond the bound");
      return null;
    }
    const rest = { cgroupPath: null, mainPid: null, startedAt: null };
    const runtime = this.#api.runtime;
    const facts = { ...rest, ...before?.facts, id, runtime, ...identity };
    const unasked = { sawAlive: false, asked: false, endTold: false, causelessSince: null };
    const now = before ?? { facts, socket: this.#socket, ...unasked };
    const isNews = before === undefined || !sameIdentity(before.facts, facts);
    now.facts = facts;
    known.set(id, now);
    if (isNews) told.push(this.#observation(facts));
    return now;
  }

  #removed(seen: ReadonlySet<string>, told: RuntimeObservation[]): void {
    const { known, context } = this.#scope;
    const at = instantNow(context.host.clock);
    for (const [containerId, { socket }] of known) {
      if (socket !== this.#socket || seen.has(containerId)) continue;
      known.delete(containerId);
      told.push({ kind: "gone", source: "cri", at, containerId });
    }
  }

  #observation(container: ContainerFacts): RuntimeObservation {
    const at = instantNow(this.#scope.context.host.clock);
    return { kind: "container", source: "cri", at, container };
  }

  #emit(observations: readonly RuntimeObservation[]): void {
    const { context } = this.#scope;
    if (observations.length === 0 || context.stop.aborted) return;
    context.emit(observations);
    const last = observations.findLast(({ kind }) => kind === "exit");
    if (last !== undefined) context.saveCursor(String(last.at.wallMicroseconds));
  }

  #pause(): Promise<void> {
    const { clock } = this.#scope.context.host;
    const isBusy = this.#busyUntil > clock.monotonicMicroseconds();
    return new Promise((resolve) => {
      const cancel = clock.after(isBusy ? BUSY_MILLISECONDS : IDLE_MILLISECONDS, resolve);
      this.#wake = () => {
        cancel();
        clock.after(BUSY_MILLISECONDS, resolve);
      };
    });
  }
}

async function eachOf<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const workers = Array.from({ length: Math.min(ASKED_TOGETHER, items.length) }, async () => {
    for (const item of left) await work(item);
  });
  await Promise.all(workers);
}

type Identity = Omit<ContainerFacts, "id" | "runtime" | "cgroupPath" | "mainPid" | "startedAt">;

function sameIdentity(one: ContainerFacts, other: ContainerFacts): boolean {
  return (
    one.runtime === other.runtime &&
    one.name === other.name &&
    one.image === other.image &&
    one.imageId === other.imageId &&
    one.restarts === other.restarts &&
    JSON.stringify(one.pod) === JSON.stringify(other.pod)
  );
}
