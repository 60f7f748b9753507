import type { ContainerdApi } from "./containerd-api.ts";
import { KnownContainers } from "./containerd-known.ts";
import { ContainerdWatch } from "./containerd-watch.ts";
import { type Daemon, followDaemons, forbidden } from "./grpc-daemons.ts";
import { containerdSockets, userOf } from "./grpc-sockets.ts";
import { instantNow } from "./instant.ts";
import type { Source, SourceContext, SourceOptions } from "./source.ts";
import { contextFor } from "./user-claims.ts";

/**
 * containerd: which containers there are, when they begin and end, and what it says of OOM kills. All namespaces: pods
 * (k8s.io), Docker's (moby), nerdctl's and ctr's (default).
 */
export function createContainerdSource(options: SourceOptions): Source {
  const memory = new Memory(options);
  return { name: "containerd", run: (context) => memory.run(context) };
}

/** What outlives a connection. */
class Memory {
  readonly #options: SourceOptions;
  readonly #known = new KnownContainers();
  readonly #reached = new Set<string>();
  #heardMicroseconds: number | null = null;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  async run(program: SourceContext) {
    const { host, stop } = program;
    const configured = this.#options.sockets?.containerd;
    const context = contextFor(program, userOf(host, configured));
    const plan = {
      sockets: () => containerdSockets(host, this.#options.procRoot, configured),
      connect: async (socket: string) => {
        const { containerdApi } = await import("./containerd-api.ts");
        const chosen = this.#options.containerdNamespaces ?? null;
        return containerdApi(await host.grpc.connect(socket), stop, chosen, context.lost);
      },
      follow: (daemons: readonly Daemon<ContainerdApi>[], note: string, up: () => void) =>
        this.#follow(context, daemons, note, up),
      unavailable: forbidden,
      absent: {
        reason: `there is no ${configured ?? "socket of containerd at its usual places"}`,
        remedy:
          "Where it listens elsewhere, mount its socket here and name it: --containerd-socket.",
      },
    };
    try {
      return await followDaemons(context, plan, this.#reached);
    } finally {
      if (this.#heardMicroseconds !== null) this.#heard(context);
    }
  }

  async #follow(
    context: SourceContext,
    daemons: readonly Daemon<ContainerdApi>[],
    note: string,
    up: () => void,
  ): Promise<never> {
    const toldUntil = wallOf(context.cursor);
    const { procRoot } = this.#options;
    const known = this.#known;
    const heardMicroseconds = this.#heardMicroseconds;
    const scope = { context, procRoot, known, toldUntil, heardMicroseconds };
    const watches = daemons.map(({ socket, api }) => new ContainerdWatch(scope, api, socket));
    await Promise.all(watches.map((watch) => watch.list()));
    const at = instantNow(context.host.clock);
    context.emit([{ kind: "list", source: "containerd", at, containerIds: known.ids() }]);
    if (toldUntil === null) context.saveCursor(String(at.wallMicroseconds));
    up();
    this.#heard(context);
    context.up(note);
    return Promise.race(watches.map((watch) => watch.follow()));
  }

  #heard({ host }: SourceContext): void {
    this.#heardMicroseconds = host.clock.monotonicMicroseconds();
  }
}

function wallOf(cursor: string | null): number | null {
  return cursor !== null && /^\d{1,17}$/.test(cursor) ? Number(cursor) : null;
}
