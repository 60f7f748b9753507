import type { HostError } from "../host/host.ts";
import type { CriApi } from "./cri-api.ts";
import { type CriKnown, CriWatch } from "./cri-watch.ts";
import { type Daemon, followDaemons, forbidden } from "./grpc-daemons.ts";
import { criSockets, userOf } from "./grpc-sockets.ts";
import { instantNow } from "./instant.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import { contextFor } from "./user-claims.ts";

/** Exits are told in the order in which we see them; one that was told may be a little younger than one that was not. */
const CURSOR_SLACK_MICROSECONDS = 10_000_000;

/**
 * The runtime of a Kubernetes node, asked through the CRI as the kubelet does: names, restarts, and how containers ended in
 * the words that the kubelet hears. For CRI-O the only way; beside containerd's events it tells the reason of an end.
 */
export function createCriSource(options: SourceOptions): Source {
  const memory = new Memory(options);
  return {
    name: "cri",
    run: (context) => memory.run(context),
    poke: () => memory.hurry(),
  };
}

/** What outlives a connection. */
class Memory {
  readonly #options: SourceOptions;
  readonly #known = new Map<string, CriKnown>();
  readonly #reached = new Set<string>();
  #watches: readonly CriWatch[] = [];

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  hurry(): void {
    for (const watch of this.#watches) watch.hurry();
  }

  async run(program: SourceContext): Promise<SourceEnd> {
    const { host, stop } = program;
    const configured = this.#options.sockets?.cri;
    const context = contextFor(program, userOf(host, configured));
    const plan = {
      sockets: () => criSockets(host, this.#options.procRoot, configured),
      connect: async (socket: string) => {
        const { criApi } = await import("./cri-api.ts");
        return criApi(await host.grpc.connect(socket), stop, context.lost);
      },
      follow: (daemons: readonly Daemon<CriApi>[], note: string, up: () => void) =>
        this.#follow(context, daemons, note, up),
      unavailable: (error: HostError) => withoutCri(error) ?? forbidden(error),
      absent: {
        reason: `there is no ${configured ?? "socket of containerd or CRI-O at its usual places"}`,
        remedy:
          "Where the runtime listens elsewhere, mount its socket here and name it: --cri-socket.",
      },
    };
    try {
      return await followDaemons(context, plan, this.#reached);
    } finally {
      this.#watches = [];
    }
  }

  async #follow(
    context: SourceContext,
    daemons: readonly Daemon<CriApi>[],
    note: string,
    up: () => void,
  ): Promise<never> {
    const { clock } = context.host;
    const toldUntil = wallOf(context.cursor);
    const newsSince =
      toldUntil === null ? clock.wallMicroseconds() : toldUntil - CURSOR_SLACK_MICROSECONDS;
    const scope = { context, procRoot: this.#options.procRoot, newsSince, known: this.#known };
    const watches = daemons.map(({ socket, api }) => new CriWatch(scope, api, socket));
    for (const watch of watches) await watch.poll();
    const at = instantNow(clock);
    context.emit([{ kind: "list", source: "cri", at, containerIds: [...this.#known.keys()] }]);
    if (toldUntil === null) context.saveCursor(String(at.wallMicroseconds));
    up();
    const runtimes = [...new Set(daemons.map(({ api }) => api.runtime))].join(", ");
    context.up(`${runtimes} at ${note}`);
    this.#watches = watches;
    return Promise.race(watches.map((watch) => watch.follow()));
  }
}

/** Docker's package of containerd comes with the plugin switched off. */
function withoutCri({ code, path }: HostError): SourceEnd | null {
  if (code !== "ENOSYS") return null;
  const reason = `${path} does not speak CRI`;
  const remedy =
    "Needed for Kubernetes alone: enable the plugin `cri` in containerd's configuration.";
  return { kind: "unavailable", reason, remedy };
}

function wallOf(cursor: string | null): number | null {
  return cursor !== null && /^\d{1,17}$/.test(cursor) ? Number(cursor) : null;
}
