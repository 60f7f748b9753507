import { HostError } from "../host/host.ts";
import { EngineClient, type EngineDialect } from "./engine-client.ts";
import { EngineMemory, type EngineName } from "./engine-memory.ts";
import { findSockets, type UsualPlaces } from "./engine-sockets.ts";
import { EngineWatch } from "./engine-watch.ts";
import { instantAtWall, instantNow } from "./instant.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";

/** What tells one daemon with the Docker Engine API from another. */
export interface EngineKind {
  readonly name: EngineName;
  readonly places: UsualPlaces;
  readonly dialect: EngineDialect;
  /** What to do when there is no socket, and when there is one that we may not open. */
  readonly remedies: { readonly absent: string; readonly forbidden: string };
}

/** How often sockets are looked for that were not there before. */
const LOOK_AGAIN_MILLISECONDS = 30_000;

interface Failure {
  readonly socket: string;
  readonly error: unknown;
}

/** Follows every daemon of its kind on this machine: the system's and those of users. */
export function createEngineSource(kind: EngineKind, options: SourceOptions): Source {
  const daemons = new Map<string, Daemon>();
  return {
    name: kind.name,
    run: (context) => new EngineSource(kind, options, context, daemons).run(),
  };
}

/** A daemon that was reached at least once, and what it said. Kept while it is away. */
interface Daemon {
  readonly memory: EngineMemory;
  /** The last event told, wall µs. */
  cursor: number | null;
}

class EngineSource {
  readonly #kind: EngineKind;
  readonly #options: SourceOptions;
  readonly #context: SourceContext;
  readonly #daemons: Map<string, Daemon>;
  readonly #watches = new Map<string, EngineWatch>();
  readonly #broken = Promise.withResolvers<never>();
  readonly #cursors: Readonly<Record<string, number>>;
  #isUp = false;
  #cancelLook: () => void = () => {};

  constructor(
    kind: EngineKind,
    options: SourceOptions,
    context: SourceContext,
    daemons: Map<string, Daemon>,
  ) {
    this.#kind = kind;
    this.#options = options;
    this.#context = context;
    this.#daemons = daemons;
    this.#cursors = parseCursor(context.cursor);
    this.#broken.promise.catch(() => undefined);
  }

  async run(): Promise<SourceEnd> {
    const { stop } = this.#context;
    const sockets = this.#sockets();
    if (sockets.length === 0) return this.#absent(this.#kind.places.system[0] ?? "");
    const stopped = new Promise<SourceEnd>((resolve) => {
      stop.addEventListener("abort", () => resolve({ kind: "stopped" }), { once: true });
      if (stop.aborted) resolve({ kind: "stopped" });
    });
    try {
      return await Promise.race([stopped, this.#broken.promise, this.#follow(sockets)]);
    } finally {
      this.#cancelLook();
      for (const watch of this.#watches.values()) watch.close();
    }
  }

  #sockets(): string[] {
    const override = this.#options.sockets?.[this.#kind.name];
    if (override !== undefined) return [override];
    return findSockets(this.#context.host, this.#options, this.#kind.places);
  }

  async #follow(sockets: readonly string[]): Promise<SourceEnd> {
    const failures = (await Promise.all(sockets.map((one) => this.#join(one)))).flat();
    if (this.#context.stop.aborted) return { kind: "stopped" };
    // One that was there is waited for; a socket that a daemon left behind long ago is not.
    const missed = failures.find(({ socket }) => this.#daemons.has(socket));
    if (missed !== undefined) throw missed.error;
    const [first] = failures;
    if (this.#watches.size === 0 && first !== undefined) {
      return this.#unreachable(first.socket, first.error);
    }
    this.#list();
    this.#isUp = true;
    this.#context.up(this.#note());
    this.#lookAgain();
    return this.#broken.promise;
  }

  /** Follows one daemon, if it lets us; one that breaks later ends all of this, and all are tried anew. */
  async #join(socket: string): Promise<Failure[]> {
    const watch = this.#watch(socket);
    this.#watches.set(socket, watch);
    try {
      await watch.start();
      watch.ended.catch((error: unknown) => this.#broken.reject(error));
      return [];
    } catch (error) {
      watch.close();
      this.#watches.delete(socket);
      return [{ socket, error }];
    }
  }

  /** A user may start a daemon of his own at any time. */
  #lookAgain(): void {
    this.#cancelLook = this.#context.host.clock.after(LOOK_AGAIN_MILLISECONDS, async () => {
      const fresh = this.#sockets().filter((socket) => !this.#watches.has(socket));
      const failures = await Promise.all(fresh.map((socket) => this.#join(socket)));
      if (this.#context.stop.aborted) return;
      if (failures.flat().length < fresh.length) this.#list();
      this.#lookAgain();
    });
  }

  #watch(socket: string): EngineWatch {
    const { host, stop, emit, lost } = this.#context;
    const daemon = this.#daemons.get(socket) ?? {
      memory: new EngineMemory(this.#kind.name, (wall) => instantAtWall(host.clock, wall)),
      cursor: this.#cursors[socket] ?? null,
    };
    return new EngineWatch({
      host,
      client: new EngineClient(host, this.#kind.dialect, socket, stop),
      memory: daemon.memory,
      procRoot: this.#options.procRoot,
      cursor: daemon.cursor,
      emit: (observations) => {
        if (observations.length > 0 && !stop.aborted) emit(observations);
      },
      lost: (count, what) => lost(count, what),
      saveCursor: (wallMicroseconds) => {
        this.#daemons.set(socket, daemon);
        daemon.cursor = wallMicroseconds;
        this.#saveCursor();
      },
      listed: () => {
        if (this.#isUp) this.#list();
      },
    });
  }

  /** All containers of all daemons: one that is not there is gone. */
  #list(): void {
    const { host, emit } = this.#context;
    const containerIds = [...this.#daemons.values()].flatMap(({ memory }) => memory.ids);
    const at = instantNow(host.clock);
    emit([{ kind: "list", source: this.#kind.name, at, containerIds }]);
  }

  #saveCursor(): void {
    const cursors = [...this.#daemons].map(([socket, { cursor }]) => [socket, cursor]);
    this.#context.saveCursor(JSON.stringify(Object.fromEntries(cursors)));
  }

  #note(): string {
    const sockets = [...this.#daemons.keys()];
    const count = [...this.#daemons.values()].reduce(
      (sum, { memory }) => sum + memory.ids.length,
      0,
    );
    return `${sockets.join(", ")}, ${count} ${count === 1 ? "container" : "containers"}`;
  }

  #unreachable(socket: string, error: unknown): SourceEnd {
    const code = error instanceof HostError ? error.code : "";
    if (code === "EACCES" || code === "EPERM") {
      const reason = `${socket} may not be opened (${code})`;
      return { kind: "unavailable", reason, remedy: this.#kind.remedies.forbidden };
    }
    if (code === "ENOENT" || code === "ENOTDIR") return this.#absent(socket);
    throw error;
  }

  #absent(socket: string): SourceEnd {
    const known = [...this.#daemons.keys()][0];
    // It was there and will be again: tried soon, not in a minute.
    if (known !== undefined) throw new HostError("ENOENT", known, `there is no ${known} now`);
    const reason = `there is no ${socket}`;
    return { kind: "unavailable", reason, remedy: this.#kind.remedies.absent };
  }
}

/** The last event of each socket, as `#saveCursor` wrote it. */
function parseCursor(text: string | null): Readonly<Record<string, number>> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    if (typeof value !== "object" || value === null) return {};
    const entries = Object.entries(value).filter(([, at]) => Number.isSafeInteger(at));
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}
