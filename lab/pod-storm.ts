import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../src/host/host.ts";
import type { LabContainerd } from "./containerd.ts";
import type { LabPod, LabPods, LabStatus } from "./containerd-pods.ts";

const LIMIT_MEBIBYTES = 15;
/** containerd's own test of its OOM events (integration/oom_linux_test.go, TestOOMEventMonitor). */
const COMMAND = ["dd", "if=/dev/zero", "of=/dev/null", "bs=20M"];
const PATIENCE_MILLISECONDS = 90_000;
/** A container that containerd does not see end: after a crash it takes some for running that are long gone. */
const FORGOTTEN_MILLISECONDS = 30_000;

/** A container that ended, and what containerd said of it. */
export interface ContainerDeath {
  readonly id: string;
  readonly name: string;
  readonly pod: string;
  readonly podUid: string;
  readonly namespace: string;
  readonly attempt: number;
  readonly exitCode: number;
  /** The CRI's word: `OOMKilled`, or `Error` where containerd missed it. */
  readonly reason: string;
}

interface Place {
  readonly pod: LabPod;
  /** The latest dead container, kept as the kubelet keeps it. */
  dead: string | null;
  attempt: number;
}

/** Pods with containers that are killed for memory at once, again and again. */
export class PodStorm {
  readonly #pods: LabPods;
  readonly #places: readonly Place[];
  /** Ids of all containers, also of those that a dying daemon started and forgot. */
  readonly created = new Set<string>();
  /** Those of which containerd never told the end. */
  readonly forgotten = new Set<string>();
  /** What the daemon last said instead of doing it. */
  #refusal = "";

  private constructor(pods: LabPods, places: readonly Place[]) {
    this.#pods = pods;
    this.#places = places;
  }

  static async create(containerd: LabContainerd, count: number): Promise<PodStorm> {
    const pods = await containerd.pods();
    const places: Place[] = [];
    for (let index = 0; index < count; index++) {
      places.push({ pod: await pods.run(`pod-${index}`), dead: null, attempt: 0 });
    }
    return new PodStorm(pods, places);
  }

  close(): void {
    this.#pods.close();
  }

  /** So many rounds in each pod, all pods at once. A daemon that dies meanwhile is waited for. */
  async rounds(count: number, died: (death: ContainerDeath) => void): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        for (let round = 0; round < count; round++) died(await this.#round(place));
      }),
    );
  }

  async #round(place: Place): Promise<ContainerDeath> {
    const { pod } = place;
    // A daemon that is away is waited for; one that died may have left a half-made container with the name.
    for (const until = Date.now() + PATIENCE_MILLISECONDS; Date.now() < until; ) {
      const attempt = place.attempt++;
      const id = await this.#start(place, attempt);
      const status = id === null ? null : await this.#end(id);
      if (id === null || status === null) continue;
      await this.#keepLast(place, id);
      const { exitCode, reason } = status;
      const { uid: podUid, namespace } = pod;
      return { id, name: NAME, pod: pod.name, podUid, namespace, attempt, exitCode, reason };
    }
    throw new Error(`${pod.name}: no container could be started: ${this.#refusal}`);
  }

  /** `null` when the daemon died before it had made the container. */
  async #start({ pod }: Place, attempt: number): Promise<string | null> {
    const box = { name: NAME, command: COMMAND, limitMebibytes: LIMIT_MEBIBYTES, attempt };
    // One that was killed in the middle may have spoilt its own files: any refusal is followed by another attempt.
    const id = await this.#orNull(
      () => this.#pods.create(pod, box),
      () => true,
    );
    if (id === null) return null;
    this.created.add(id);
    // Whether it was started before the daemon died, its status will tell.
    await this.#orNull(
      () => this.#pods.start(id),
      () => true,
    );
    return id;
  }

  /** How it ended; `null` when it had not been started, or containerd does not know. */
  async #end(id: string): Promise<LabStatus | null> {
    for (const until = Date.now() + FORGOTTEN_MILLISECONDS; Date.now() < until; await sleep(100)) {
      const status = await this.#orNull(() => this.#pods.status(id), isAbsence);
      if (status?.exited) return status.reason === "StartError" ? null : status;
      if (status?.created) return null;
    }
    this.forgotten.add(id);
    return null;
  }

  async #keepLast(place: Place, id: string): Promise<void> {
    const last = place.dead;
    place.dead = id;
    if (last !== null) await this.#orNull(() => this.#pods.remove(last), isAbsence);
  }

  /** `null` when the daemon refused, in a way that passes. */
  async #orNull<Value>(
    call: () => Promise<Value>,
    passes: (error: HostError) => boolean,
  ): Promise<Value | null> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof HostError) || !passes(error)) throw error;
      this.#refusal = error.message;
      await sleep(100);
      return null;
    }
  }
}

const NAME = "hungry";

/** Answered by a daemon that has just begun. */
const BEGINNING = "server is not initialized yet";
const ABSENT = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ECANCELED", "ENOENT", "ETIMEDOUT"];

/** The daemon died before it answered; a moment later it may be back. */
function isAbsence({ code, message }: HostError): boolean {
  return ABSENT.includes(code) || message.includes(BEGINNING);
}
