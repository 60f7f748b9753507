import type { Host } from "../src/host/host.ts";
import { createHost } from "../src/host/real.ts";
import type { RuntimeObservation } from "../src/model/container.ts";
import type { CounterObservation, Observation } from "../src/model/observation.ts";
import {
  isOfKernel,
  type Source,
  type SourceContext,
  type SourceEnd,
} from "../src/sources/source.ts";

/** A source at work, and everything it said. */
export interface RunningSource {
  readonly source: Source;
  readonly observations: Observation[];
  /** What it said of containers. */
  readonly runtime: RuntimeObservation[];
  readonly notes: string[];
  readonly losses: { readonly count: number; readonly what: string }[];
  readonly disturbances: string[];
  readonly cursors: string[];
  /** Resolves with the note of `up`, or with the end when it came first. */
  readonly upOrEnd: Promise<string | SourceEnd>;
  readonly end: Promise<SourceEnd>;
  stop(): Promise<SourceEnd>;
}

export interface StartOptions {
  readonly host?: Host;
  readonly cursor?: string | null;
  readonly bootId?: string;
}

/** Runs `source` as the agent would, and keeps what it says. */
export function startSource(source: Source, options: StartOptions = {}): RunningSource {
  const controller = new AbortController();
  const up = Promise.withResolvers<string | SourceEnd>();
  const said = {
    observations: [],
    runtime: [],
    notes: [],
    losses: [],
    disturbances: [],
    cursors: [],
  } as Pick<
    RunningSource,
    "observations" | "runtime" | "notes" | "losses" | "disturbances" | "cursors"
  >;
  const context: SourceContext = {
    host: options.host ?? createHost(),
    stop: controller.signal,
    bootId: options.bootId ?? "00000000-0000-4000-8000-000000000000",
    cursor: options.cursor ?? null,
    emit: (observations) => {
      for (const observation of observations) {
        if (isOfKernel(observation)) said.observations.push(observation);
        else if (observation.kind !== "report") said.runtime.push(observation);
      }
    },
    up: (note) => {
      said.notes.push(note);
      up.resolve(note);
    },
    lost: (count, what) => void said.losses.push({ count, what }),
    disturbed: (what) => void said.disturbances.push(what),
    saveCursor: (cursor) => void said.cursors.push(cursor),
  };
  // The host's timers do not keep a program alive; the agent lives by its own.
  const alive = setInterval(() => {}, 1000);
  const end = source.run(context).finally(() => clearInterval(alive));
  end.then(up.resolve, up.reject);
  up.promise.catch(() => {});
  const stop = () => {
    controller.abort();
    return end;
  };
  return { source, ...said, upOrEnd: up.promise, end, stop };
}

/** Counter observations of one cgroup (all its books), or of the node. */
export function countersOf(
  observations: readonly Observation[],
  path: string | "node",
): CounterObservation[] {
  return observations.filter(
    (observation) =>
      observation.kind === "counter" &&
      (observation.book.kind === "node" ? path === "node" : observation.book.path === path),
  ) as CounterObservation[];
}

/** Waits until `condition` holds; rejects with `what` after `milliseconds`. */
export async function eventually(
  what: string,
  condition: () => boolean,
  milliseconds = 3000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
