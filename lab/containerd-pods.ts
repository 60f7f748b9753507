import { randomUUID } from "node:crypto";
import { createGrpc } from "../src/host/grpc.ts";
import type { GrpcConnection } from "../src/host/host.ts";
import { ContainerState, NamespaceMode, RuntimeService } from "./protocol/cri_pb.js";

const { method } = RuntimeService;
const MEBIBYTE = 1024n * 1024n;

export interface PodSettings {
  readonly image: string;
  /** The cgroup of a pod, as its runtime's driver wants it named. */
  cgroupParent(podUid: string): string;
}

/** A sandbox that runs. */
export interface LabPod {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export interface LabContainer {
  readonly name: string;
  readonly command: readonly string[];
  readonly limitMebibytes: number;
  readonly attempt?: number;
}

export interface LabStatus {
  /** Made and not started. */
  readonly created: boolean;
  readonly exited: boolean;
  readonly exitCode: number;
  readonly reason: string;
}

/** Makes pods as the kubelet does, through the CRI. */
export class LabPods {
  readonly #connection: GrpcConnection;
  readonly #settings: PodSettings;
  readonly #calls = { timeoutMilliseconds: 60_000, signal: new AbortController().signal };

  private constructor(connection: GrpcConnection, settings: PodSettings) {
    this.#connection = connection;
    this.#settings = settings;
  }

  static async connect(socket: string, settings: PodSettings): Promise<LabPods> {
    return new LabPods(await createGrpc().connect(socket), settings);
  }

  close(): void {
    this.#connection.close();
  }

  async version(): Promise<string> {
    const answer = await this.#connection.call(method.version, {}, this.#calls);
    return `${answer.runtimeName} ${answer.runtimeVersion}`;
  }

  async run(name: string): Promise<LabPod> {
    const pod = { name, namespace: "stress", uid: randomUUID() };
    const config = this.#config(pod);
    const { podSandboxId } = await this.#connection.call(
      method.runPodSandbox,
      { config },
      this.#calls,
    );
    return { ...pod, id: podSandboxId };
  }

  /** Creates a container and gives its id. */
  async create(pod: LabPod, container: LabContainer): Promise<string> {
    const limit = BigInt(container.limitMebibytes) * MEBIBYTE;
    const attempt = container.attempt ?? 0;
    const { containerId } = await this.#connection.call(
      method.createContainer,
      {
        podSandboxId: pod.id,
        sandboxConfig: this.#config(pod),
        config: {
          metadata: { name: container.name, attempt },
          image: { image: this.#settings.image },
          command: [...container.command],
          labels: { ...labelsOf(pod), "io.kubernetes.container.name": container.name },
          annotations: { "io.kubernetes.container.restartCount": String(attempt) },
          linux: {
            resources: { memoryLimitInBytes: limit, memorySwapLimitInBytes: limit },
            securityContext: { namespaceOptions: { network: NamespaceMode.NODE } },
          },
        },
      },
      this.#calls,
    );
    return containerId;
  }

  async start(containerId: string): Promise<void> {
    await this.#connection.call(method.startContainer, { containerId }, this.#calls);
  }

  async execute(containerId: string, cmd: readonly string[]): Promise<number> {
    const input = { containerId, cmd: [...cmd], timeout: 30n };
    return (await this.#connection.call(method.execSync, input, this.#calls)).exitCode;
  }

  async stop(containerId: string, seconds: number): Promise<void> {
    const input = { containerId, timeout: BigInt(seconds) };
    await this.#connection.call(method.stopContainer, input, this.#calls);
  }

  async remove(containerId: string): Promise<void> {
    await this.#connection.call(method.removeContainer, { containerId }, this.#calls);
  }

  async status(containerId: string): Promise<LabStatus> {
    const { status } = await this.#connection.call(
      method.containerStatus,
      { containerId },
      this.#calls,
    );
    return {
      created: status?.state === ContainerState.CONTAINER_CREATED,
      exited: status?.state === ContainerState.CONTAINER_EXITED,
      exitCode: status?.exitCode ?? -1,
      reason: status?.reason ?? "",
    };
  }

  async removePod(pod: LabPod): Promise<void> {
    await this.#connection.call(method.stopPodSandbox, { podSandboxId: pod.id }, this.#calls);
    await this.#connection.call(method.removePodSandbox, { podSandboxId: pod.id }, this.#calls);
  }

  #config({ name, namespace, uid }: Omit<LabPod, "id">) {
    const namespaceOptions = { network: NamespaceMode.NODE };
    return {
      metadata: { name, uid, namespace, attempt: 0 },
      labels: labelsOf({ name, namespace, uid }),
      linux: {
        cgroupParent: this.#settings.cgroupParent(uid),
        securityContext: { namespaceOptions },
      },
    };
  }
}

function labelsOf({ name, namespace, uid }: Omit<LabPod, "id">): Record<string, string> {
  return {
    "io.kubernetes.pod.name": name,
    "io.kubernetes.pod.namespace": namespace,
    "io.kubernetes.pod.uid": uid,
  };
}
