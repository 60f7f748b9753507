import { HostError } from "../host/host.ts";
import { EngineClient, type EngineDialect } from "./engine-client.ts";
import { EngineMemory, type EngineName, MAX_CONTAINERS } from "./engine-memory.ts";
import { type FoundSocket, findSockets, ownedSocket, type UsualPlaces } from "./engine-sockets.ts";
import { EngineWatch } from "./engine-watch.ts";
import { instantAtWall, instantNow } from "./instant.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import { USER_CONTAINERS_LIMIT, UserClaims } from "./user-claims.ts";

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
  /** What of it is believed; `null`: it is the machine's own. */
  readonly claims: UserClaims | null;
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
    if (sockets.length === 0)
      return this.#absent(this.#configured ?? this.#kind.places.system[0] ?? "");
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

  get #configured(): string | undefined {
    return this.#options.sockets?.[this.#kind.name];
  }

  #sockets(): FoundSocket[] {
    const { host } = this.#context;
    if (this.#configured === undefined) return findSockets(host, this.#options, this.#kind.places);
    const socket = ownedSocket(host, "", this.#configured);
    if (socket !== null) return [socket];
    const message = "is in a directory that others may write";
    throw new HostError("EPERM", this.#configured, message);
  }

  async #follow(sockets: readonly FoundSocket[]): Promise<SourceEnd> {
    const own = sockets.filter(({ uid }) => uid === null);
    const failures = (await Promise.all(own.map((one) => this.#join(one)))).flat();
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
    // Users' daemons are listened to besides: they must not keep us from the machine's.
    const users = sockets.filter(({ uid }) => uid !== null);
    this.#joinAll(users).finally(() => this.#lookAgain());
    return this.#broken.promise;
  }

  async #joinAll(sockets: readonly FoundSocket[]): Promise<void> {
    const failures = await Promise.all(sockets.map((socket) => this.#join(socket)));
    if (!this.#context.stop.aborted && failures.flat().length < sockets.length) this.#list();
  }

  /**
   * Follows one daemon, if it lets us. When the machine's own breaks later, all of this ends and all are tried anew; a user's is left
   * alone until they are looked for again.
   */
  async #join({ path: socket, uid }: FoundSocket): Promise<Failure[]> {
    const watch = this.#watch(socket, uid);
    this.#watches.set(socket, watch);
    const leave = () => {
      watch.close();
      this.#watches.delete(socket);
    };
    try {
      await watch.start();
      watch.ended.catch((error: unknown) => {
        if (uid === null) return this.#broken.reject(error);
        leave();
        this.#daemons.delete(socket);
        const code = error instanceof HostError ? error.code : "EPROTO";
        if (!this.#context.stop.aborted) this.#context.lost(1, `${socket} broke off (${code})`);
      });
      return [];
    } catch (error) {
      leave();
      return [{ socket, error }];
    }
  }

  /** A user may start a daemon of his own at any time. */
  #lookAgain(): void {
    this.#cancelLook = this.#context.host.clock.after(LOOK_AGAIN_MILLISECONDS, async () => {
      await this.#joinAll(this.#sockets().filter(({ path }) => !this.#watches.has(path)));
      if (!this.#context.stop.aborted) this.#lookAgain();
    });
  }

  #daemon(socket: string, uid: number | null): Daemon {
    const known = this.#daemons.get(socket);
    if (known !== undefined && (known.claims === null) === (uid === null)) return known;
    const { host, lost } = this.#context;
    const limit = uid === null ? MAX_CONTAINERS : USER_CONTAINERS_LIMIT;
    const instant = (wall: number) => instantAtWall(host.clock, wall);
    return {
      memory: new EngineMemory(this.#kind.name, instant, limit),
      cursor: this.#cursors[socket] ?? null,
      claims: uid === null ? null : new UserClaims(uid, lost),
    };
  }

  #watch(socket: string, uid: number | null): EngineWatch {
    const { host, stop, emit, lost } = this.#context;
    const daemon = this.#daemon(socket, uid);
    return new EngineWatch({
      host,
      client: new EngineClient(host, this.#kind.dialect, socket, stop),
      memory: daemon.memory,
      procRoot: this.#options.procRoot,
      isUsers: uid !== null,
      cursor: daemon.cursor,
      emit: (said) => {
        const observations = daemon.claims?.believed(said) ?? said;
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
    const all = [...this.#daemons.values()];
    const containerIds = all.flatMap(({ memory, claims }) => claims?.ids ?? memory.ids);
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
    const known = [...this.#daemons].find(([, { claims }]) => claims === null)?.[0];
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
