import { HostError } from "../host/host.ts";
import type { SourceContext, SourceEnd } from "./source.ts";

/** A daemon that can be asked. */
export interface DaemonApi {
  version(): Promise<string>;
  close(): void;
}

export interface Daemon<Api> {
  readonly socket: string;
  readonly api: Api;
}

/** What tells one source of this kind from another. */
export interface DaemonPlan<Api extends DaemonApi> {
  /** Where daemons listen now. */
  sockets(): readonly string[];
  connect(socket: string): Promise<Api>;
  /** Tells of all containers of these daemons, calls `up`, and follows them until one breaks. */
  follow(daemons: readonly Daemon<Api>[], note: string, up: () => void): Promise<never>;
  /** Why nothing can be seen when every daemon refuses with this; `null` when it may pass. */
  unavailable(error: HostError): SourceEnd | null;
  /** There is no socket: what would bring one. */
  readonly absent: { readonly reason: string; readonly remedy: string };
}

/** A daemon that comes, or comes back while others work, is noticed so soon. */
const LOOK_MILLISECONDS = 15_000;
const LOOK_FOR_KNOWN_MILLISECONDS = 1_000;
/** One that was there is looked for so often, for so long, before the next pause: what happens while it is away we miss. */
const RETURN_MILLISECONDS = 200;
const RETURN_LOOKS = 50;

/**
 * Follows all daemons of a kind on this machine, usually one. One that refuses does not blind us to the others. `reached`
 * remembers, between runs, who answered: a daemon that restarts takes its socket with it, one that never was is no failure.
 */
export async function followDaemons<Api extends DaemonApi>(
  context: SourceContext,
  plan: DaemonPlan<Api>,
  reached: Set<string>,
): Promise<SourceEnd> {
  if (plan.sockets().length === 0 && reached.size === 0) {
    return { kind: "unavailable", ...plan.absent };
  }
  const { stop } = context;
  const stopped = new Promise<SourceEnd>((resolve) => {
    stop.addEventListener("abort", () => resolve({ kind: "stopped" }), { once: true });
    if (stop.aborted) resolve({ kind: "stopped" });
  });
  for (;;) {
    const round = new Round(context, plan, reached);
    try {
      const end = await Promise.race([stopped, round.run()]);
      if (end !== "again") return end;
    } catch (error) {
      if (stop.aborted) return { kind: "stopped" };
      throw error;
    } finally {
      round.close();
    }
  }
}

/** One set of connections. When one breaks, all are begun anew: each list must be complete. */
class Round<Api extends DaemonApi> {
  readonly #context: SourceContext;
  readonly #plan: DaemonPlan<Api>;
  readonly #reached: Set<string>;
  readonly #open: Api[] = [];
  readonly #daemons: Daemon<Api>[] = [];
  readonly #refusals: { readonly socket: string; readonly error: HostError }[] = [];
  #closed = false;

  constructor(context: SourceContext, plan: DaemonPlan<Api>, reached: Set<string>) {
    this.#context = context;
    this.#plan = plan;
    this.#reached = reached;
  }

  async run(): Promise<SourceEnd | "again"> {
    await this.#connect();
    for (let looks = 1; looks < RETURN_LOOKS && this.#mayReturn(); looks++) {
      await this.#pause(RETURN_MILLISECONDS);
      this.#refusals.length = 0;
      await this.#connect();
    }
    if (this.#closed) return { kind: "stopped" };
    if (this.#daemons.length === 0) return this.#refused();
    const up = () => {
      for (const { socket } of this.#daemons) this.#reached.add(socket);
    };
    const follow = this.#plan.follow(this.#daemons, this.#note(), up);
    return Promise.race([follow, this.#othersCame()]);
  }

  close(): void {
    this.#closed = true;
    for (const api of this.#open) api.close();
  }

  async #connect(): Promise<void> {
    const found = this.#plan.sockets();
    const sockets = found.length > 0 ? found : [...this.#reached];
    for (const socket of sockets) await this.#try(socket);
  }

  #mayReturn(): boolean {
    return !this.#closed && this.#daemons.length === 0 && this.#reached.size > 0;
  }

  async #try(socket: string): Promise<void> {
    const api = await this.#plan.connect(socket);
    if (this.#closed) return api.close();
    try {
      await api.version();
      this.#open.push(api);
      this.#daemons.push({ socket, api });
    } catch (error) {
      api.close();
      if (!(error instanceof HostError)) throw error;
      this.#refusals.push({ socket, error });
    }
    if (this.#closed) api.close();
  }

  #refused(): SourceEnd {
    const [first] = this.#refusals;
    if (first === undefined) return { kind: "stopped" };
    const end = this.#plan.unavailable(first.error);
    if (end === null) throw first.error;
    return end;
  }

  /** Resolves when a daemon answers that is not followed. */
  async #othersCame(): Promise<"again"> {
    while (!this.#closed) {
      const missed = this.#refusals.some(({ socket }) => this.#reached.has(socket));
      await this.#pause(missed ? LOOK_FOR_KNOWN_MILLISECONDS : LOOK_MILLISECONDS);
      for (const socket of this.#plan.sockets()) {
        if (await this.#isNew(socket)) return "again";
      }
    }
    return "again";
  }

  async #isNew(socket: string): Promise<boolean> {
    if (this.#closed || this.#daemons.some((one) => one.socket === socket)) return false;
    const api = await this.#plan.connect(socket);
    try {
      await api.version();
      return true;
    } catch {
      return false;
    } finally {
      api.close();
    }
  }

  #note(): string {
    const refused = this.#refusals.map(({ socket, error }) => `${socket} refuses (${error.code})`);
    return [...this.#daemons.map(({ socket }) => socket), ...refused].join(", ");
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#context.host.clock.after(milliseconds, resolve);
    });
  }
}

/** What nobody can mend but the operator. */
export function forbidden({ path, code }: HostError): SourceEnd | null {
  if (code !== "EACCES" && code !== "EPERM") return null;
  const remedy = "Run as root, as a user who may open it, or with CAP_DAC_OVERRIDE.";
  return { kind: "unavailable", reason: `${path} may not be opened`, remedy };
}
