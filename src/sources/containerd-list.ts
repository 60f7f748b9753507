import type { ExitObservation, RuntimeObservation } from "../model/container.ts";
import type { Instant } from "../model/time.ts";
import { DOCKER_NAMESPACE } from "../parse/containerd-labels.ts";
import type { ContainerdApi, ContainerdContainer, ContainerdTask } from "./containerd-api.ts";
import { ends, type Known, oomReported, runs } from "./containerd-known.ts";
import type { ContainerdScope } from "./containerd-watch.ts";
import { instantAtWall, instantBefore, instantNow } from "./instant.ts";

/** Observations handed over at once. */
const BATCH = 256;
/** The kubelet keeps dead containers of this namespace, and the CRI knows how they ended. */
const CRI_NAMESPACE = "k8s.io";

export interface ContainerdListHelp {
  find(namespace: string, container: ContainerdContainer): Known;
  cgroupOf(pid: number, id: string): string | null;
}

/** One reading of all containers and tasks of a daemon, held against what was known: what was missed is told. */
export class ContainerdList {
  readonly #scope: ContainerdScope;
  readonly #api: ContainerdApi;
  readonly #socket: string;
  readonly #help: ContainerdListHelp;
  readonly #seen = new Set<string>();
  readonly #batch: RuntimeObservation[] = [];

  constructor(
    scope: ContainerdScope,
    api: ContainerdApi,
    socket: string,
    help: ContainerdListHelp,
  ) {
    this.#scope = scope;
    this.#api = api;
    this.#socket = socket;
    this.#help = help;
  }

  async tell(): Promise<void> {
    // A list is asked for after a gap.
    for (const known of this.#scope.known.of(this.#socket)) known.heardFromStart = false;
    for (const namespace of await this.#api.namespaces()) await this.#namespace(namespace);
    for (const known of this.#scope.known.of(this.#socket)) {
      if (!this.#seen.has(known.facts.id)) this.#vanished(known);
    }
    this.#flush();
  }

  async #namespace(namespace: string): Promise<void> {
    const tasks = new Map<string, ContainerdTask>();
    for (const task of await this.#api.tasks(namespace)) tasks.set(task.containerId, task);
    for await (const container of this.#api.containers(namespace)) {
      const known = this.#help.find(namespace, container);
      this.#seen.add(container.id);
      this.#compare(known, tasks.get(container.id) ?? null);
    }
  }

  #compare(known: Known, task: ContainerdTask | null): void {
    if (task === null) this.#idle(known);
    else if (task.stopped) this.#stopped(known, task);
    else this.#active(known, task);
    this.#put({
      kind: "container",
      source: "containerd",
      at: instantNow(this.#scope.context.host.clock),
      container: known.facts,
    });
  }

  #active(known: Known, { pid }: ContainerdTask): void {
    const { mainPid } = known.facts;
    if (known.running && mainPid !== null && mainPid !== pid) this.#unseenEnd(known);
    runs(known, pid, this.#help.cgroupOf(pid, known.facts.id));
  }

  /** The task waits to be deleted and says how it ended. */
  #stopped(known: Known, { pid, exitStatus, exitedMicroseconds }: ContainerdTask): void {
    const { clock } = this.#scope.context.host;
    const { toldUntil } = this.#scope;
    const isNews =
      known.running ||
      (toldUntil !== null && exitedMicroseconds !== null && exitedMicroseconds > toldUntil);
    const told = !ends(known, pid);
    if (!isNews || told) return;
    const at = exitedMicroseconds === null ? null : instantAtWall(clock, exitedMicroseconds);
    const exitCode = exitStatus <= 255 ? exitStatus : null;
    this.#exit(known, pid, exitCode, at ?? this.#sometime());
  }

  /** Its task is gone: how it ended, only the one who deleted it knows. The CRI and Docker tell by themselves. */
  #idle(known: Known): void {
    if (!known.running) return;
    if (known.namespace === CRI_NAMESPACE || known.namespace === DOCKER_NAMESPACE) {
      // The event may still be on its way: shims tell again what a dead daemon did not take.
      known.running = false;
    } else {
      this.#unseenEnd(known);
    }
  }

  #vanished(known: Known): void {
    if (known.running && known.namespace !== DOCKER_NAMESPACE) this.#unseenEnd(known);
    this.#scope.known.delete(known.facts.id);
  }

  #unseenEnd(known: Known): void {
    const { mainPid } = known.facts;
    if (ends(known, 0)) this.#exit(known, mainPid, null, this.#sometime());
  }

  #exit(known: Known, mainPid: number | null, exitCode: number | null, at: Instant): void {
    const exit: ExitObservation = {
      kind: "exit",
      source: "containerd",
      at,
      containerId: known.facts.id,
      exitCode,
      mainPid,
      oomReported: oomReported(known),
    };
    this.#put(exit);
  }

  /** Between the end of the last connection and now. */
  #sometime(): Instant {
    const now = instantNow(this.#scope.context.host.clock);
    const heard = this.#scope.heardMicroseconds ?? now.monotonicMicroseconds;
    const half = Math.ceil(Math.max(0, now.monotonicMicroseconds - heard) / 2);
    const middle = instantBefore(now, now.monotonicMicroseconds - half);
    return { ...middle, uncertaintyMicroseconds: half + 1 };
  }

  #put(observation: RuntimeObservation): void {
    this.#batch.push(observation);
    if (this.#batch.length >= BATCH) this.#flush();
  }

  #flush(): void {
    if (this.#batch.length > 0) this.#scope.context.emit(this.#batch.splice(0));
  }
}
