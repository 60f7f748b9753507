import { parseVmstatOomKill } from "../parse/vmstat.ts";
import { instantBefore, instantNow } from "./instant.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";

/** One reading takes 25 µs (/proc/vmstat of 6.18, 2 CPUs, Node 24): every second is 0.003 % of a core. */
const TICK_MILLISECONDS = 1000;

/** After a reading that a poke caused, further pokes wait for one reading this much later. */
const COALESCE_MILLISECONDS = 5;

/** The node's book: `oom_kill` of /proc/vmstat. Read when another source speaks and every second. */
export function createVmstatSource(options: SourceOptions): Source {
  const path = `${options.procRoot}/vmstat`;
  let watching: VmstatWatch | null = null;
  return {
    name: "vmstat",
    async run(context) {
      const unavailable = whyUnavailable(context, path);
      if (unavailable !== null) return unavailable;
      const watch = new VmstatWatch(context, path);
      watching = watch;
      try {
        return await watch.untilStopped();
      } finally {
        watching = null;
      }
    },
    poke: () => watching?.poke(),
    finish: () => watching?.finish(),
    readAfter: () => watching?.readAfter ?? null,
  };
}

function whyUnavailable(context: SourceContext, path: string): SourceEnd | null {
  const text = context.host.files.tryReadText(path);
  if (text === null) {
    const remedy = "Mount the proc file system of the host and give its place with --proc-root.";
    return { kind: "unavailable", reason: `${path} cannot be read`, remedy };
  }
  if (parseVmstatOomKill(text) !== null) return null;
  const reason = `${path} has no oom_kill line (Linux before 4.13)`;
  return { kind: "unavailable", reason, remedy: "" };
}

class VmstatWatch {
  readonly #context: SourceContext;
  readonly #path: string;
  #lastCount: number | null = null;
  /** Taken before the last reading (µs, monotonic): the count was seen then at the earliest. */
  #lastReadMicroseconds = 0;
  #cancelTick = () => {};
  #cancelTrailing: (() => void) | null = null;
  #pokedAgain = false;
  #finished = false;
  #fail: (error: Error) => void = () => {};

  constructor(context: SourceContext, path: string) {
    this.#context = context;
    this.#path = path;
  }

  get readAfter(): number | null {
    return this.#lastCount === null ? null : this.#lastReadMicroseconds;
  }

  async untilStopped(): Promise<SourceEnd> {
    const { stop } = this.#context;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        stop.addEventListener("abort", () => resolve(), { once: true });
        if (stop.aborted) return resolve();
        this.#read();
        this.#context.up("reads every second and when another source speaks");
        this.#scheduleTick();
      });
      return { kind: "stopped" };
    } finally {
      this.#cancelTick();
      this.#cancelTrailing?.();
    }
  }

  finish(): void {
    if (this.#finished || this.#context.stop.aborted) return;
    this.#finished = true;
    this.#cancelTick();
    this.#read();
  }

  poke(): void {
    if (this.#finished || this.#context.stop.aborted) return;
    if (this.#cancelTrailing !== null) {
      this.#pokedAgain = true;
      return;
    }
    this.#read();
    this.#cancelTrailing = this.#context.host.clock.after(COALESCE_MILLISECONDS, () => {
      this.#cancelTrailing = null;
      if (!this.#pokedAgain) return;
      this.#pokedAgain = false;
      this.poke();
    });
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#context.host.clock.after(TICK_MILLISECONDS, () => {
      this.#read();
      this.#scheduleTick();
    });
  }

  #read(): void {
    const { host, emit } = this.#context;
    const before = host.clock.monotonicMicroseconds();
    const text = host.files.tryReadText(this.#path);
    const oomKill = text === null ? null : parseVmstatOomKill(text);
    if (oomKill === null) {
      this.#fail(new Error(`${this.#path} can no longer be read`));
      return;
    }
    const at = instantNow(host.clock);
    const [last, lastRead] = [this.#lastCount, this.#lastReadMicroseconds];
    this.#lastCount = oomKill;
    this.#lastReadMicroseconds = before;
    if (oomKill === last) return;
    const observation = {
      kind: "counter",
      source: "vmstat",
      sequence: String(oomKill),
      at,
      book: { kind: "node" },
      since: last === null ? null : instantBefore(at, lastRead),
      oomKill,
      oomGroupKill: null,
      baseline: last === null,
      final: false,
    } as const;
    emit([observation]);
  }
}
