import type {
  CounterObservation,
  KillObservation,
  Observation,
  Victim,
} from "../../src/model/observation.ts";
import type { Instant } from "../../src/model/time.ts";

const WALL_AT_BOOT = 1_795_000_000_000_000;
/** A storm: a kill every 2 ms. */
export const KILL_INTERVAL_MICROSECONDS = 2_000;
/** Cgroups in which the kills happen, in turn. */
const KILLING = 10;
/** In its first ten kills of five seconds the log prints the limit and the cgroup. */
const NAMED = 10;
const RATE_MICROSECONDS = 5_000_000;

function instant(microseconds: number, uncertaintyMicroseconds: number): Instant {
  return {
    monotonicMicroseconds: microseconds,
    wallMicroseconds: WALL_AT_BOOT + microseconds,
    uncertaintyMicroseconds,
  };
}

const path = (index: number) => `/kubepods/pod${index}/${index.toString(16).padStart(64, "0")}`;

function traceVictim(tid: number): Victim {
  return {
    pid: tid,
    tid,
    comm: "worker",
    uid: 1000,
    oomScoreAdj: 0,
    totalVmBytes: 22_077_440,
    anonRssBytes: 20_316_160,
    fileRssBytes: 151_552,
    shmemRssBytes: 0,
    pageTableBytes: 77_824,
  };
}

/** All evidence of one kill, in the order in which it comes: trace, node's book, cgroup's book, log. */
export function evidenceOf(index: number, beganAt: number): Observation[] {
  const at = beganAt + index * KILL_INTERVAL_MICROSECONDS;
  const tid = 1_000 + (index % 4_000_000);
  const cgroup = path(index % KILLING);
  const trace: KillObservation = {
    kind: "kill",
    source: "tracefs",
    sequence: `${index % 2}:${at}`,
    at: instant(at, 1),
    victim: traceVictim(tid),
    cgroup: { path: cgroup, id: 100 + (index % KILLING), version: 1, basis: "proc" },
    limit: null,
    trigger: null,
    incident: `${index % 2}:${at}`,
    group: false,
    repeat: false,
    counted: true,
  };
  const killsBefore = Math.floor((at % RATE_MICROSECONDS) / KILL_INTERVAL_MICROSECONDS);
  const log: KillObservation = {
    ...trace,
    source: "kernel-log",
    sequence: String(index * 3),
    incident: String(index * 3),
    at: instant(at + 60, 4_000),
    cgroup:
      killsBefore < NAMED ? { path: cgroup, id: null, version: 1, basis: "kernel-log" } : null,
    limit:
      killsBefore < NAMED
        ? { constraint: "memcg", cgroup, bytes: 20_971_520 }
        : { constraint: "memcg", cgroup: null, bytes: null },
    trigger: { pid: tid, comm: "worker" },
  };
  const killsThere = Math.floor(index / KILLING) + 1;
  return [trace, nodeBook(at, index + 1), cgroupBook(index % KILLING, at, killsThere), log];
}

export function nodeBook(at: number, oomKill: number): CounterObservation {
  const read = instant(at + 400, 0);
  return {
    kind: "counter",
    source: "vmstat",
    sequence: `vmstat:${at}`,
    at: read,
    book: { kind: "node" },
    since: instant(at - KILL_INTERVAL_MICROSECONDS + 401, 0),
    oomKill,
    oomGroupKill: null,
    baseline: oomKill === 0,
    final: false,
  };
}

export function cgroupBook(index: number, at: number, oomKill: number): CounterObservation {
  return {
    ...nodeBook(at, oomKill),
    source: "cgroup",
    sequence: `cgroup:${index}:${at}`,
    since: instant(at - KILLING * KILL_INTERVAL_MICROSECONDS + 401, 0),
    book: {
      kind: "cgroup",
      path: path(index),
      id: 100 + index,
      version: 1,
      extent: "local",
      limitBytes: 20_971_520,
    },
  };
}
