import { type Host, HostError, type LineHandler, type StreamHandle } from "../host/host.ts";
import type { DockerInspect, DockerListed } from "../parse/docker-container.ts";
import type { DockerEvent } from "../parse/docker-event.ts";

/** How the daemons of a kind are asked, and how their answers are read. */
export interface EngineDialect {
  /** `since`: seconds since 1970 with six decimals; `null`: from now. */
  readonly events: (since: string | null) => string;
  readonly list: string;
  readonly inspect: (id: string) => string;
  readonly ping: string;
  readonly parseEvent: (line: string) => DockerEvent | null;
  /** One element of the list; `null` for what is no container. */
  readonly parseListed: (text: string) => DockerListed | null;
  readonly parseInspect: (text: string) => DockerInspect | null;
}

/** A list of 10,000 containers has some 10 MB; labels may make it larger. */
const MAX_LIST_BYTES = 64 * 2 ** 20;
const MAX_ELEMENT_BYTES = 2 ** 19;
/** Some 10 KiB; environment and labels may make it larger. */
const MAX_INSPECT_BYTES = 2 ** 20;
/** An event carries all labels of its container, of which Kubernetes allows 256 KiB. */
const MAX_EVENT_BYTES = 2 ** 20;
/** A daemon that is starting or stopping many containers takes seconds to list them. */
const LIST_MILLISECONDS = 30_000;
/** A container is locked while it is stopped or removed: its inspect waits as long. */
const INSPECT_MILLISECONDS = 5_000;
const CONNECT_MILLISECONDS = 10_000;

const LIST_BOUNDS = {
  timeoutMilliseconds: LIST_MILLISECONDS,
  maxBytes: MAX_LIST_BYTES,
  maxElementBytes: MAX_ELEMENT_BYTES,
};

export type EventHandler = Omit<LineHandler, "line"> & { event(event: DockerEvent): void };

/** The questions asked of one daemon. */
export class EngineClient {
  readonly socketPath: string;
  readonly #host: Host;
  readonly #dialect: EngineDialect;
  readonly #stop: AbortSignal;

  constructor(host: Host, dialect: EngineDialect, socketPath: string, stop: AbortSignal) {
    this.#host = host;
    this.#dialect = dialect;
    this.socketPath = socketPath;
    this.#stop = stop;
  }

  /** Events from `sinceMicroseconds` (wall clock; `null`: from now) and on. */
  events(sinceMicroseconds: number | null, handler: EventHandler): StreamHandle {
    const since = sinceMicroseconds === null ? null : seconds(sinceMicroseconds);
    const target = this.#dialect.events(since);
    const { socketPath } = this;
    const bounds = { connectMilliseconds: CONNECT_MILLISECONDS, maxLineBytes: MAX_EVENT_BYTES };
    const line = (text: string) => {
      const event = this.#dialect.parseEvent(text);
      if (event !== null) handler.event(event);
    };
    return this.#host.http.lines({ socketPath, target, ...bounds }, { ...handler, line });
  }

  /** Containers, at most so many, each once; how many were left out. */
  async list(
    limit: number,
  ): Promise<{ readonly listed: DockerListed[]; readonly leftOut: number }> {
    const { socketPath } = this;
    const byId = new Map<string, DockerListed>();
    let leftOut = 0;
    const element = (text: string) => {
      const one = this.#dialect.parseListed(text);
      if (one === null) return;
      if (byId.size >= limit || byId.has(one.id)) leftOut += 1;
      else byId.set(one.id, one);
    };
    const target = this.#dialect.list;
    const answer = await this.#host.http.list(
      { socketPath, target, signal: this.#stop, ...LIST_BOUNDS },
      element,
    );
    const { status, isList, dropped } = answer;
    if (status === 200 && isList) {
      return { listed: [...byId.values()], leftOut: leftOut + dropped };
    }
    throw new HostError("EPROTO", socketPath, `no list of containers (HTTP ${status})`);
  }

  /** `null` when the daemon no longer knows the container, or does not say. */
  async inspect(id: string): Promise<DockerInspect | null> {
    const bounds = { timeoutMilliseconds: INSPECT_MILLISECONDS, maxBytes: MAX_INSPECT_BYTES };
    try {
      const { status, body } = await this.#get(this.#dialect.inspect(id), bounds);
      return status === 200 ? this.#dialect.parseInspect(body) : null;
    } catch {
      // A daemon that is gone ends the event stream too, and that is told.
      return null;
    }
  }

  /** Rejects when the daemon does not answer: a stopped one says nothing by itself. */
  async ping(): Promise<void> {
    await this.#get(this.#dialect.ping, {
      timeoutMilliseconds: CONNECT_MILLISECONDS,
      maxBytes: 1000,
    });
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
