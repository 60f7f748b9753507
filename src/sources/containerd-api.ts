import type { Timestamp } from "../host/grpc.ts";
import { type GrpcCallOptions, type GrpcConnection, HostError } from "../host/host.ts";
import {
  ContainerCreateSchema,
  ContainerDeleteSchema,
  ContainerUpdateSchema,
} from "../host/protocol/containerd/events/container_pb.js";
import {
  TaskCreateSchema,
  type TaskDelete,
  TaskDeleteSchema,
  type TaskExit,
  TaskExitSchema,
  TaskOOMSchema,
  TaskStartSchema,
} from "../host/protocol/containerd/events/task_pb.js";
import { Containers } from "../host/protocol/containerd/services/containers/v1/containers_pb.js";
import { Events } from "../host/protocol/containerd/services/events/v1/events_pb.js";
import { Namespaces } from "../host/protocol/containerd/services/namespaces/v1/namespace_pb.js";
import { Tasks } from "../host/protocol/containerd/services/tasks/v1/tasks_pb.js";
import { Version } from "../host/protocol/containerd/services/version/v1/version_pb.js";
import type { Envelope } from "../host/protocol/containerd/types/event_pb.js";
import {
  type Process,
  ProcessSchema,
  Status,
} from "../host/protocol/containerd/types/task/task_pb.js";

/**
 * What we ask containerd (API v1, the same from 1.2 to 2.3). Everything but the events belongs to a namespace, given by a header.
 * Events come in envelopes; their type is the message's bare name, without `type.googleapis.com/`:
 *
 *     {"timestamp":"2026-11-21T07:00:11.42Z","namespace":"k8s.io","topic":"/tasks/exit","event":
 *      {"type_url":"containerd.events.TaskExit","value":{"container_id":"f4ec…","id":"f4ec…","pid":4219,"exit_status":137,
 *       "exited_at":"2026-11-21T07:00:11.41Z"}}}
 */
export interface ContainerdApi {
  version(): Promise<string>;
  namespaces(): Promise<string[]>;
  container(namespace: string, id: string): Promise<ContainerdContainer | null>;
  containers(namespace: string): AsyncIterable<ContainerdContainer>;
  tasks(namespace: string): Promise<ContainerdTask[]>;
  /** Until it breaks or is aborted; there is no history. */
  events(): AsyncIterable<ContainerdEvent>;
  close(): void;
}

export interface ContainerdContainer {
  readonly id: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerdTask {
  readonly containerId: string;
  /** In the host's pid namespace; 0 when there is none any more. */
  readonly pid: number;
  readonly stopped: boolean;
  readonly exitStatus: number;
  /** Wall µs; `null`: it has not ended. */
  readonly exitedMicroseconds: number | null;
}

export interface ContainerdEvent {
  readonly kind: "changed" | "removed" | "task-created" | "task-started" | "oom" | "exit";
  readonly namespace: string;
  readonly containerId: string;
  /** When containerd (for an exit: its shim) wrote it down, wall µs; `null` when it did not. */
  readonly wallMicroseconds: number | null;
  /** Main process; 0 when the event does not tell. */
  readonly pid: number;
  /** Of an exit: 0 … 255. */
  readonly exitStatus: number;
}

const CALL_MILLISECONDS = 5_000;
const LIST_MILLISECONDS = 30_000;
const NAMESPACES_LIMIT = 100;
const TASKS = "create|start|oom|exit|delete";
/** Alternatives. Quoted: containerd's filter language would take `|` for a quotation mark. */
const TOPICS = [`topic~="^/tasks/(${TASKS})$"`, 'topic~="^/containers/"'];

/** More containers than a node holds are not read on. */
const LISTED_LIMIT = 10_000;

/** containerd takes no ids of more than 76 characters (pkg/identifiers). */
function isId(id: string): boolean {
  return id !== "" && id.length <= 128;
}

function filtersOf(chosen: readonly string[] | null): string[] {
  if (chosen === null) return [...TOPICS];
  return chosen.flatMap((name) =>
    TOPICS.map((topic) => `namespace==${JSON.stringify(name)},${topic}`),
  );
}

/**
 * Talks to the containerd behind `connection`. To be imported lazily: with its messages comes the library. `chosen`: only
 * these namespaces; `null`: all.
 */
export function containerdApi(
  connection: GrpcConnection,
  signal: AbortSignal,
  chosen: readonly string[] | null,
  lost: (count: number, what: string) => void = () => {},
): ContainerdApi {
  const quick = { timeoutMilliseconds: CALL_MILLISECONDS, signal };
  const within = (namespace: string, timeoutMilliseconds: number) => {
    return { timeoutMilliseconds, signal, headers: { "containerd-namespace": namespace } };
  };
  return {
    version: async () => (await connection.call(Version.method.version, {}, quick)).version,
    namespaces: async () => {
      const { namespaces } = await connection.call(Namespaces.method.list, {}, quick);
      const names = namespaces.map(({ name }) => name);
      const asked = chosen === null ? names : names.filter((name) => chosen.includes(name));
      return asked.filter(isId).slice(0, NAMESPACES_LIMIT);
    },
    container: (namespace, id) =>
      containerOrNull(connection, id, within(namespace, CALL_MILLISECONDS)),
    containers: async function* (namespace) {
      const options = within(namespace, LIST_MILLISECONDS);
      let listed = 0;
      for await (const { container } of connection.follow(
        Containers.method.listStream,
        {},
        options,
      )) {
        if (++listed > LISTED_LIMIT)
          return lost(1, `a list of more than ${LISTED_LIMIT} containers`);
        if (container !== undefined && isId(container.id)) yield container;
      }
    },
    tasks: async (namespace) => {
      const options = within(namespace, LIST_MILLISECONDS);
      const tooLarge = () => lost(1, "a task of more than 512 KiB");
      const tasks = new Map<string, ContainerdTask>();
      const all = connection.elements(Tasks.method.list, ProcessSchema, {}, options, tooLarge);
      for await (const one of all) {
        const task = toTask(one);
        if (isId(task.containerId)) tasks.set(task.containerId, task);
        if (tasks.size >= LISTED_LIMIT) break;
      }
      return [...tasks.values()];
    },
    events: async function* () {
      const input = { filters: filtersOf(chosen) };
      for await (const envelope of connection.follow(Events.method.subscribe, input, { signal })) {
        const event = toEvent(connection, envelope);
        if (event !== null) yield event;
      }
    },
    close: () => connection.close(),
  };
}

async function containerOrNull(
  connection: GrpcConnection,
  id: string,
  options: GrpcCallOptions & { readonly timeoutMilliseconds: number },
): Promise<ContainerdContainer | null> {
  try {
    const { container } = await connection.call(Containers.method.get, { id }, options);
    return container ?? null;
  } catch (error) {
    // Removed meanwhile, or an answer that took too long: what the event said is known all the same.
    if (error instanceof HostError && ["ENOENT", "ETIMEDOUT"].includes(error.code)) return null;
    throw error;
  }
}

function toTask(task: Process): ContainerdTask {
  return {
    // A list gives the container's id as the task's own, and `container_id` is empty (containerd 1.6).
    containerId: task.containerId === "" ? task.id : task.containerId,
    pid: task.pid,
    stopped: task.status === Status.STOPPED,
    exitStatus: task.exitStatus,
    exitedMicroseconds: microseconds(task.exitedAt),
  };
}

function toEvent(connection: GrpcConnection, envelope: Envelope): ContainerdEvent | null {
  const { topic, namespace, event, timestamp } = envelope;
  const told = event === undefined ? null : (EVENTS.get(topic)?.(connection, event.value) ?? null);
  if (told === null || !isId(told.containerId)) return null;
  return { ...NOTHING, namespace, wallMicroseconds: microseconds(timestamp), ...told };
}

const NOTHING = { pid: 0, exitStatus: 0 };

type Told = Pick<ContainerdEvent, "kind" | "containerId"> & Partial<ContainerdEvent>;
type Reading = (by: GrpcConnection, bytes: Uint8Array) => Told | null;

/** What each topic tells; `null` for what is not about a container's main process. */
const EVENTS: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ["/containers/create", (by, bytes) => told("changed", by.decode(ContainerCreateSchema, bytes))],
  ["/containers/update", (by, bytes) => told("changed", by.decode(ContainerUpdateSchema, bytes))],
  ["/containers/delete", (by, bytes) => told("removed", by.decode(ContainerDeleteSchema, bytes))],
  ["/tasks/create", (by, bytes) => told("task-created", by.decode(TaskCreateSchema, bytes))],
  ["/tasks/start", (by, bytes) => told("task-started", by.decode(TaskStartSchema, bytes))],
  ["/tasks/oom", (by, bytes) => told("oom", by.decode(TaskOOMSchema, bytes))],
  ["/tasks/exit", (by, bytes) => exited(by.decode(TaskExitSchema, bytes))],
  ["/tasks/delete", (by, bytes) => exited(by.decode(TaskDeleteSchema, bytes))],
]);

function told(
  kind: ContainerdEvent["kind"],
  message: { readonly id: string } | { readonly containerId: string; readonly pid?: number } | null,
): Told | null {
  if (message === null) return null;
  if ("id" in message) return { kind, containerId: message.id };
  return { kind, containerId: message.containerId, pid: message.pid ?? 0 };
}

/** A process of `exec` has an id of its own; the main process has the container's, or none in a delete. */
function exited(task: TaskExit | TaskDelete | null): Told | null {
  if (task === null || (task.id !== "" && task.id !== task.containerId)) return null;
  const { containerId, pid, exitStatus } = task;
  const exit = { kind: "exit", containerId, pid, exitStatus } as const;
  const wallMicroseconds = microseconds(task.exitedAt);
  return wallMicroseconds === null ? exit : { ...exit, wallMicroseconds };
}

/** `null` for "never": the zero of Go's clock lies before 1970. */
function microseconds(timestamp: Timestamp | undefined): number | null {
  if (timestamp === undefined || timestamp.seconds <= 0n) return null;
  const wall = Number(timestamp.seconds) * 1_000_000 + Math.floor(timestamp.nanos / 1000);
  return Number.isSafeInteger(wall) ? wall : null;
}
