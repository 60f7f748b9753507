import { type GrpcConnection, HostError } from "../host/host.ts";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  PodSandboxSchema,
  RuntimeService,
} from "../host/protocol/cri/api_pb.js";
import {
  type CriEnd,
  type CriListed,
  type CriSandboxListed,
  endOfCri,
  mainPidOfCri,
} from "../parse/cri-container.ts";
import { MAX_TEXT } from "../parse/docker-labels.ts";
import { shortText } from "../std/short-text.ts";

/**
 * What we ask a runtime through the CRI (runtime.v1: containerd from 1.6, CRI-O from 1.20, cri-dockerd).
 *
 * Not `GetContainerEvents`: containerd sends to each reader over a channel of 100 and waits when it is full
 * (internal/eventq/eventq.go), CRI-O sends to all readers from one loop (server/container_events.go). A reader that is
 * stopped for a while would hold up the kubelet's pods with either.
 */
export interface CriApi {
  /** Name and version of the runtime. */
  version(): Promise<string>;
  /** `containerd`, `cri-o`, `docker`; known after `version`. */
  readonly runtime: string;
  sandboxes(): Promise<readonly CriSandboxListed[]>;
  containers(): Promise<readonly CriContainer[]>;
  /** `null` when it was removed meanwhile. `verbose`: with the main process, which makes the runtime work harder. */
  status(id: string, verbose: boolean): Promise<CriStatus | null>;
  close(): void;
}

export type CriContainer = CriListed & {
  readonly podSandboxId: string;
  readonly phase: CriPhase;
};
export type CriPhase = "created" | "running" | "exited" | "unknown";

export interface CriStatus {
  readonly phase: CriPhase;
  /** Wall µs; `null` when it has not happened. */
  readonly startedMicroseconds: number | null;
  readonly finishedMicroseconds: number | null;
  readonly end: CriEnd;
  readonly mainPid: number | null;
}

const CALL_MILLISECONDS = 5_000;
const LIST_MILLISECONDS = 30_000;
const { method } = RuntimeService;

/** Talks to the runtime behind `connection`. To be imported lazily: with its messages comes the library. */
export function criApi(
  connection: GrpcConnection,
  signal: AbortSignal,
  lost: (count: number, what: string) => void,
): CriApi {
  const tooLarge = () => lost(1, "a container of more than 512 KiB");
  const quick = { timeoutMilliseconds: CALL_MILLISECONDS, signal };
  const long = { timeoutMilliseconds: LIST_MILLISECONDS, signal };
  let runtime = "unknown";
  return {
    get runtime() {
      return runtime;
    },
    version: async () => {
      const { runtimeName, runtimeVersion } = await connection.call(method.version, {}, quick);
      runtime = runtimeName.slice(0, 64) || "unknown";
      return `${runtime} ${runtimeVersion.slice(0, 64)}`;
    },
    sandboxes: () => {
      const { listPodSandbox } = method;
      const all = connection.elements(listPodSandbox, PodSandboxSchema, {}, long, tooLarge);
      return listed(
        all,
        ({ id, metadata }) => ({ id, metadata: metadata && named(metadata) }),
        lost,
      );
    },
    containers: () => {
      const { listContainers } = method;
      const all = connection.elements(listContainers, ContainerSchema, {}, long, tooLarge);
      return listed(all, containerOf, lost);
    },
    status: (id, verbose) => statusOrNull(connection, quick, id, verbose),
    close: () => connection.close(),
  };
}

/** Containers of a list: more than a node holds are not read on. */
const LISTED_LIMIT = 10_000;
/** Ids have 64 digits; what is longer is none. */
const ID_LENGTH_LIMIT = 128;

/** What is kept of each element, each id once, so that a list of any length costs what we keep of it. */
async function listed<Element extends { readonly id: string }, Kept>(
  elements: AsyncIterable<Element>,
  keep: (element: Element) => Kept,
  lost: (count: number, what: string) => void,
): Promise<readonly Kept[]> {
  const byId = new Map<string, Kept>();
  let strange = 0;
  for await (const element of elements) {
    const isStrange = element.id.length > ID_LENGTH_LIMIT || byId.has(element.id);
    if (isStrange) strange += 1;
    else byId.set(element.id, keep(element));
    if (byId.size + strange >= LISTED_LIMIT) {
      lost(1, `a list of more than ${LISTED_LIMIT} containers`);
      break;
    }
  }
  if (strange > 0) lost(strange, "containers listed twice, or with ids that are none");
  return [...byId.values()];
}

function named(metadata: {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}) {
  const { name, namespace, uid } = metadata;
  const [short, space, own] = [name, namespace, uid].map((text) => shortText(text, MAX_TEXT));
  return { name: short ?? "", namespace: space ?? "", uid: own ?? "" };
}

function containerOf({
  id,
  metadata,
  image,
  imageRef,
  podSandboxId,
  state,
}: Container): CriContainer {
  const text = (one: string) => shortText(one, MAX_TEXT);
  return {
    id,
    podSandboxId: text(podSandboxId),
    metadata: metadata && { name: text(metadata.name), attempt: metadata.attempt },
    image: image && {
      image: text(image.image),
      userSpecifiedImage: text(image.userSpecifiedImage),
    },
    imageRef: text(imageRef),
    phase: phaseOf(state),
  };
}

async function statusOrNull(
  connection: GrpcConnection,
  options: { readonly timeoutMilliseconds: number; readonly signal: AbortSignal },
  containerId: string,
  verbose: boolean,
): Promise<CriStatus | null> {
  try {
    const input = { containerId, verbose };
    const { status, info } = await connection.call(method.containerStatus, input, options);
    if (status === undefined) return null;
    const phase = phaseOf(status.state);
    // Of one that ended at once containerd may not have written down yet that it began.
    const began = phase === "exited" ? microseconds(status.createdAt) : null;
    return {
      phase,
      startedMicroseconds: microseconds(status.startedAt) ?? began,
      finishedMicroseconds: microseconds(status.finishedAt),
      end: endOfCri(status.exitCode, status.reason),
      mainPid: mainPidOfCri(info),
    };
  } catch (error) {
    if (error instanceof HostError && error.code === "ENOENT") return null;
    throw error;
  }
}

function phaseOf(state: ContainerState): CriPhase {
  switch (state) {
    case ContainerState.CONTAINER_CREATED:
      return "created";
    case ContainerState.CONTAINER_RUNNING:
      return "running";
    case ContainerState.CONTAINER_EXITED:
      return "exited";
    default:
      return "unknown";
  }
}

/** Of nanoseconds since 1970, where 0 and less mean "never". */
function microseconds(nanoseconds: bigint): number | null {
  return nanoseconds <= 0n ? null : Number(nanoseconds / 1000n);
}
