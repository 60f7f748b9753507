import assert from "node:assert/strict";
import type { ContainerFacts } from "../../model/container.ts";
import type { ExitRecord, KillRecord, PodRecord } from "../../model/record.ts";
import type { SeriesCount } from "../../sinks/sink.ts";
import { killRecord } from "../../sinks/testing/records.ts";
import { Metrics, type MetricsState } from "../metrics.ts";

/** Parts for the tests of the counters; no program imports this file. */

export const NOW = 1_795_216_200;
export const ID = "0123456789abcdef".repeat(4);

export function pod(name: string, uid = `uid-${name}`): PodRecord {
  return { namespace: "shop", name, uid, container: "api", qosClass: null, owner: null };
}

export function facts(id: string, change: Partial<ContainerFacts> = {}): ContainerFacts {
  return {
    runtime: "docker",
    id,
    name: "cart",
    image: "cart:2",
    imageId: null,
    restarts: null,
    pod: null,
    sandbox: false,
    cgroupPath: null,
    mainPid: null,
    startedAt: null,
    ...change,
  };
}

/** A kill in a container that its record names. */
export function killIn(
  number: number,
  { runtime, id, name, image, imageId, restarts, pod: itsPod }: ContainerFacts,
  change: Partial<KillRecord> = {},
): KillRecord {
  return killRecord(number, {
    container: { runtime, id, name, image, imageId, restarts },
    pod: itsPod,
    witnesses: ["tracefs", "vmstat"],
    limit: { scope: "container", constraint: "memcg", cgroup: null, bytes: null },
    ...change,
  });
}

export const NOBODYS: Partial<KillRecord> = {
  container: null,
  pod: null,
  limit: { scope: null, constraint: null, cgroup: null, bytes: null },
};

export function exitOf(one: ContainerFacts, change: Partial<ExitRecord> = {}): ExitRecord {
  const { runtime, id, name, image, imageId, restarts, pod: itsPod } = one;
  return {
    type: "exit",
    id: `${id.slice(0, 12)}-1795216205000`,
    revision: 0,
    at: "2026-11-20T23:10:05.000000Z",
    container: { runtime, id, name, image, imageId, restarts },
    pod: itsPod,
    exitCode: 137,
    signal: 9,
    verdict: "oom-killed",
    kills: [],
    ...change,
  };
}

export function started(state: MetricsState | null = null, options = {}): Metrics {
  const metrics = new Metrics(state, options);
  metrics.advance(NOW);
  return metrics;
}

/** What a checkpoint makes of it. */
export function restarted(metrics: Metrics): Metrics {
  const state: MetricsState = JSON.parse(JSON.stringify(metrics.state()));
  return new Metrics(state);
}

/** `value` of the one series with these labels; `null` when there is none. */
export function value(
  series: readonly SeriesCount[],
  labels: Record<string, string>,
): number | null {
  const found = series.filter((one) =>
    Object.entries(labels).every(([name, text]) => one.labels[name] === text),
  );
  assert.ok(found.length <= 1, JSON.stringify(found));
  return found[0]?.value ?? null;
}

export function sum(series: readonly SeriesCount[]): number {
  return series.reduce((total, one) => total + one.value, 0);
}
