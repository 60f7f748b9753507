import { type Host, HostError, type LineHandler, type StreamHandle } from "../host/host.ts";
import {
  type DockerInspect,
  type DockerListed,
  parseDockerInspect,
  parseDockerList,
} from "../parse/docker-container.ts";
import { EVENT_NAMES } from "../parse/docker-event.ts";

/** A list of 20,000 containers has some 20 MB; labels may make it larger. */
const MAX_LIST_BYTES = 64 * 2 ** 20;
const MAX_INSPECT_BYTES = 4 * 2 ** 20;
/** An event carries all labels of its container. */
const MAX_EVENT_BYTES = 2 ** 20;
/** A daemon that is starting or stopping many containers takes seconds to list them. */
const LIST_MILLISECONDS = 30_000;
/** A container is locked while it is stopped or removed: its inspect waits as long. */
const INSPECT_MILLISECONDS = 5_000;
const CONNECT_MILLISECONDS = 10_000;

const FILTERS = encodeURIComponent(JSON.stringify({ type: ["container"], event: EVENT_NAMES }));

/** The three questions asked of a daemon that speaks the Docker Engine API (any version: paths without one). */
export class EngineClient {
  readonly socketPath: string;
  readonly #host: Host;
  readonly #stop: AbortSignal;

  constructor(host: Host, socketPath: string, stop: AbortSignal) {
    this.#host = host;
    this.socketPath = socketPath;
    this.#stop = stop;
  }

  /** Events from `sinceMicroseconds` (wall clock; `null`: from now) and on. */
  events(sinceMicroseconds: number | null, handler: LineHandler): StreamHandle {
    const since = sinceMicroseconds === null ? "" : `&since=${seconds(sinceMicroseconds)}`;
    const target = `/events?filters=${FILTERS}${since}`;
    const { socketPath } = this;
    const bounds = { connectMilliseconds: CONNECT_MILLISECONDS, maxLineBytes: MAX_EVENT_BYTES };
    return this.#host.http.lines({ socketPath, target, ...bounds }, handler);
  }

  async list(): Promise<DockerListed[]> {
    const { status, body } = await this.#get("/containers/json?all=1", {
      timeoutMilliseconds: LIST_MILLISECONDS,
      maxBytes: MAX_LIST_BYTES,
    });
    const list = status === 200 ? parseDockerList(body) : null;
    if (list !== null) return list;
    throw new HostError("EPROTO", this.socketPath, `no list of containers (HTTP ${status})`);
  }

  /** `null` when the daemon no longer knows the container, or does not say. */
  async inspect(id: string): Promise<DockerInspect | null> {
    const bounds = { timeoutMilliseconds: INSPECT_MILLISECONDS, maxBytes: MAX_INSPECT_BYTES };
    try {
      const { status, body } = await this.#get(`/containers/${id}/json`, bounds);
      return status === 200 ? parseDockerInspect(body) : null;
    } catch {
      // A daemon that is gone ends the event stream too, and that is told.
      return null;
    }
  }

  /** Rejects when the daemon does not answer: a stopped one says nothing by itself. */
  async ping(): Promise<void> {
    await this.#get("/_ping", { timeoutMilliseconds: CONNECT_MILLISECONDS, maxBytes: 1000 });
  }

  #get(target: string, bounds: { timeoutMilliseconds: number; maxBytes: number }) {
    const { socketPath } = this;
    return this.#host.http.get({ socketPath, target, signal: this.#stop, ...bounds });
  }
}

/** `1795243962.138943`, as `since` wants it. */
function seconds(microseconds: number): string {
  const whole = Math.floor(microseconds / 1_000_000);
  return `${whole}.${String(microseconds - whole * 1_000_000).padStart(6, "0")}`;
}
