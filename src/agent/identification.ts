import { Containers, type ContainersState } from "../identify/containers.ts";
import type { Kill } from "../ledger/ledger.ts";
import type { RuntimeObservation, RuntimeSourceName } from "../model/container.ts";
import type { Identity } from "../model/identity.ts";
import { RUNTIME_SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { ExitRecord, KillRecord, OutputRecord, SourceRecord } from "../model/record.ts";
import type { Instant } from "../model/time.ts";
import type { Metrics } from "./metrics.ts";

/** An end that the kernel's OOM killer may have made. */
const KILLED = 137;

/** Whose the kills were, and how containers ended: what runtimes say, between the sources and the ledger. */
export class Identification {
  readonly #containers: Containers;
  readonly #metrics: Metrics;
  readonly #runsIn: (cgroup: string) => void;
  #heard: RuntimeObservation[] = [];

  /**
   * `now`: µs, monotonic. Without a state, what ended before now is history. `runsIn`: a container runs in this cgroup; its
   * limit is to be read now, as it may be gone when it was hit and the log is silent.
   */
  constructor(
    state: ContainersState | null,
    metrics: Metrics,
    now: number,
    runsIn: (cgroup: string) => void,
  ) {
    this.#containers = new Containers(state);
    this.#metrics = metrics;
    this.#runsIn = runsIn;
    this.#containers.advance(now);
  }

  /** Something is to be told within a second. */
  get pending(): boolean {
    return this.#containers.pending;
  }

  /** Claims of runtimes that were not believed. */
  get contradictions(): number {
    return this.#containers.contradictions;
  }

  state(): ContainersState {
    return this.#containers.state();
  }

  identify(record: KillRecord, at: Instant): Identity {
    return this.#containers.identify(record, at);
  }

  /** True when the counters should be read at once: the cgroup may be gone soon. */
  observe(observation: RuntimeObservation): boolean {
    const changed = this.#containers.observe(observation);
    // A list is asked for anew after a start.
    if (changed.length > 0 && observation.kind !== "list") this.#heard.push(observation);
    if (observation.kind === "container") {
      const { container, owner } = observation;
      if (!this.#containers.isTaken(container.id, owner)) return false;
      this.#metrics.container(this.#containers.complete(container), container.mainPid !== null);
      const { mainPid, cgroupPath } = container;
      if (mainPid !== null && cgroupPath !== null) this.#runsIn(cgroupPath);
    }
    for (const id of changed) {
      if (this.#containers.isGone(id)) this.#metrics.gone(id);
    }
    if (observation.kind === "oom-report") return true;
    if (observation.kind !== "exit") return false;
    return observation.exitCode === KILLED || observation.oomReported === true;
  }

  /** See `Containers.balanced`. */
  balanced(until: number | null): void {
    if (until !== null) this.#containers.balanced(until);
  }

  /** What an earlier process of this boot heard, from its journal. */
  hearAgain(observations: readonly RuntimeObservation[]): void {
    for (const observation of observations) this.observe(observation);
    this.#heard = [];
  }

  /** News from runtimes since it was asked last, for the journal. */
  takeHeard(): readonly RuntimeObservation[] {
    const heard = this.#heard;
    this.#heard = [];
    return heard;
  }

  sourceChanged({ source, state }: SourceRecord): void {
    if (isRuntime(source)) this.#containers.sourceChanged(source, state === "up");
  }

  /** What an earlier process told, from its journal; `kill` as its ledger had it, `null` of another boot. */
  restore(record: OutputRecord, kill: Kill | null): void {
    if (record.type === "exit") this.#containers.exitTold(record);
    if (record.type === "kill" && kill !== null) this.#containers.killTold(record, kill.at);
  }

  /** It is now `now` (µs, monotonic). Ids of kills that are to be told again. */
  advance(now: number): readonly string[] {
    this.#containers.advance(now);
    return this.#containers.takeChanged();
  }

  /** The ends that may be told once these kills are. */
  takeExits(
    kills: readonly KillRecord[],
    known: (id: string) => Kill | undefined,
  ): readonly ExitRecord[] {
    for (const record of kills) {
      const kill = known(record.id);
      if (kill !== undefined) this.#containers.killTold(record, kill.at);
    }
    return this.#containers.takeExits();
  }
}

function isRuntime(source: SourceName): source is RuntimeSourceName {
  return RUNTIME_SOURCE_NAMES.some((name) => name === source);
}
