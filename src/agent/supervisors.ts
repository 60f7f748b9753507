import type { Host } from "../host/host.ts";
import type { Kill } from "../ledger/ledger.ts";
import type { SourceName } from "../model/observation.ts";
import type { SourceRecord } from "../model/record.ts";
import type { Source } from "../sources/source.ts";
import { Missed } from "./missed.ts";
import { Supervisor, type SupervisorHooks } from "./supervisor.ts";

/** Evidence of kills that the last reading of the counters shows gets so long. */
const LAST_WORDS_MICROSECONDS = 500_000;
const LOOK_MILLISECONDS = 10;

export interface SupervisorsHooks extends SupervisorHooks {
  kill(id: string): Kill | undefined;
}

/** All sources together: their lives, their states held against each other, and what there is to tell of them. */
export class Supervisors {
  /** Resolves when every source has said whether it can see. */
  readonly ready: Promise<void>;
  readonly #host: Host;
  readonly #hooks: SupervisorsHooks;
  readonly #missed: Missed;
  readonly #becomeReady: () => void;
  #all: readonly Supervisor[] = [];
  #untold: SourceRecord[] = [];
  #isReady = false;

  constructor(host: Host, hooks: SupervisorsHooks) {
    this.#host = host;
    this.#hooks = hooks;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#becomeReady = resolve;
    this.#missed = new Missed({
      kill: (id) => hooks.kill(id),
      isReadable: ({ path, id }) =>
        id !== null && this.#find("cgroup")?.source.isReadable?.(path, id) === true,
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether the first readings of all counters have been handed over, where there are any. */
  get countersKnown(): boolean {
    return (["cgroup", "vmstat"] as const).every((name) => this.#find(name)?.settled !== false);
  }

  get records(): readonly SourceRecord[] {
    return this.#all.map(({ record }) => record);
  }

  start(sources: readonly Source[]): void {
    const changed = (record: SourceRecord) => this.#changed(record);
    this.#all = sources.map(
      (source) => new Supervisor(source, this.#host, { ...this.#hooks, changed }),
    );
    for (const supervisor of this.#all) supervisor.start();
  }

  /**
   * Counters are read one last time. The kills they have are told of by others within milliseconds, on a busy machine within
   * hundreds: every source goes on until the books balance, but not for long, and ends.
   */
  async stop(isBalanced: () => boolean): Promise<void> {
    for (const { source } of this.#all) source.finish?.();
    const deadline = this.#host.clock.monotonicMicroseconds() + LAST_WORDS_MICROSECONDS;
    while (!isBalanced() && this.#host.clock.monotonicMicroseconds() < deadline) {
      await new Promise<void>((resolve) => this.#host.clock.after(LOOK_MILLISECONDS, resolve));
    }
    await Promise.all(this.#all.map((supervisor) => supervisor.stop()));
  }

  /** How a source works here: one short clause, or "". */
  note(source: SourceName): string {
    return this.#find(source)?.note ?? "";
  }

  /** A kill may have happened, in one of these cgroups: counters are read. */
  poke(cgroups: readonly string[]): void {
    for (const { source } of this.#all) source.poke?.(cgroups);
  }

  /** Only the counter of this cgroup is read. */
  pokeCgroup(path: string): void {
    this.#find("cgroup")?.source.poke?.([path]);
  }

  /** The node's counter was read after this moment (µs, monotonic), and what was read was handed over; `null`: never. */
  get nodeReadAfter(): number | null {
    return this.#find("vmstat")?.source.readAfter?.() ?? null;
  }

  /** A record of a kill was opened: who watched must see it. */
  opened(id: string): void {
    this.#missed.opened(id, this.#host.clock.monotonicMicroseconds());
  }

  /** Tells each source what it missed by `now` (µs, monotonic). */
  judge(now: number): void {
    for (const { source, missed, blind } of this.#missed.look(now)) {
      this.#find(source)?.judge(missed, blind);
    }
  }

  /** Records of sources that changed since they were taken last. */
  take(): SourceRecord[] {
    return this.#untold.splice(0);
  }

  #changed(record: SourceRecord): void {
    this.#untold.push(record);
    this.#missed.sourceChanged(record, this.#host.clock.monotonicMicroseconds());
    this.#hooks.changed(record);
    if (this.#isReady || !this.#all.every((supervisor) => supervisor.settled)) return;
    this.#isReady = true;
    this.#becomeReady();
  }

  #find(name: SourceName): Supervisor | undefined {
    return this.#all.find(({ source }) => source.name === name);
  }
}
