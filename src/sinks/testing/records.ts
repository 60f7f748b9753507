import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../../host/host.ts";
import type {
  ContainerRecord,
  ExitRecord,
  KillRecord,
  LedgerRecord,
  OutputRecord,
  PodRecord,
  SourceRecord,
  UserspaceKillRecord,
} from "../../model/record.ts";
import { formatWall } from "../../model/time.ts";
import type { AgentView, MetricsView, StreamRecord } from "../sink.ts";

/** Parts for the tests of this folder; no program imports this file. */

/** 2026-11-20T23:10:05Z in µs. */
export const START = 1_795_216_205_000_000;

export function killRecord(number: number, change: Partial<KillRecord> = {}): KillRecord {
  return {
    type: "kill",
    id: `k${String(number).padStart(8, "0")}`,
    revision: 0,
    at: formatWall(START + number * 1_000),
    node: "worker-3",
    bootId: "5f6c2a34-0000-4000-8000-000000000000",
    incident: { id: `i${number}`, group: false },
    victim: {
      pid: 1_000 + number,
      tid: 1_000 + number,
      comm: "hog",
      uid: 0,
      oomScoreAdj: 0,
      main: false,
      totalVmBytes: 22_077_440,
      anonRssBytes: 20_316_160,
      fileRssBytes: 151_552,
      shmemRssBytes: 0,
      pageTableBytes: 77_824,
    },
    trigger: { pid: 1_000 + number, comm: "hog" },
    outcome: "killed",
    limit: { scope: "cgroup", constraint: "memcg", cgroup: "/docker/df1c", bytes: 20_971_520 },
    cgroup: { path: "/docker/df1c", id: 73, version: 1 },
    container: null,
    pod: null,
    unit: null,
    visibility: "unknown",
    attribution: "exact",
    basis: "kernel-log",
    recovered: false,
    witnesses: ["kernel-log", "tracefs"],
    ...change,
  };
}

export const CONTAINER: ContainerRecord = {
  runtime: "containerd",
  id: "0123456789abcdef".repeat(4),
  name: "api",
  image: "cart:2",
  imageId: null,
  restarts: 0,
};

export const POD: PodRecord = {
  namespace: "shop",
  name: "cart-0",
  uid: "5b1d7e0a-5b7a-4a86-9d6e-3f1f0c6d2f10",
  container: "api",
  qosClass: "Burstable",
  owner: { kind: "StatefulSet", name: "cart" },
};

export function exitRecord(number: number, change: Partial<ExitRecord> = {}): ExitRecord {
  return {
    type: "exit",
    id: `e${String(number).padStart(8, "0")}`,
    revision: 0,
    at: formatWall(START + number * 1_000),
    container: CONTAINER,
    pod: POD,
    exitCode: 137,
    signal: 9,
    verdict: "oom-killed",
    kills: [`k${String(number).padStart(8, "0")}`],
    ...change,
  };
}

export const USERSPACE_KILL: UserspaceKillRecord = {
  type: "userspace-kill",
  tool: "systemd-oomd",
  at: formatWall(START),
  pid: null,
  comm: null,
  cgroup: "/user.slice/user-1000.slice",
  reason: "memory pressure 72.3% > 60% for 20 s",
};

export const LEDGER: LedgerRecord = {
  type: "ledger",
  kernel: 12,
  recorded: 12,
  unaccounted: 0,
  unattributed: 0,
};

export const SOURCE: SourceRecord = {
  type: "source",
  source: "kernel-log",
  state: "up",
  reason: null,
  lost: 0,
  missed: 0,
};

/** Kills `first` … `last`, each with its number as sequence. */
export function killStream(first: number, last: number): StreamRecord[] {
  const records: StreamRecord[] = [];
  for (let number = first; number <= last; number += 1) {
    records.push({ sequence: number, record: killRecord(number) });
  }
  return records;
}

/** One record of each type in turn. */
export function mixedRecord(sequence: number): OutputRecord {
  if (sequence % 5 === 0) return LEDGER;
  if (sequence % 11 === 0) return exitRecord(sequence);
  if (sequence % 13 === 0) return USERSPACE_KILL;
  return sequence % 7 === 0 ? SOURCE : killRecord(sequence);
}

export function temporaryDirectory(): { path: string; remove(): void } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-sinks-"));
  return {
    path: directory,
    remove: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}

export interface ManualClock extends Clock {
  /** Moves time on and makes the calls that came due, also those they schedule. */
  advance(milliseconds: number): void;
  /** Nothing runs for so long, as on a machine that is busy with others; then all that is due. */
  stall(milliseconds: number): void;
}

export function manualClock(): ManualClock {
  let now = 0;
  let calls: { at: number; call: () => void }[] = [];
  const runDue = (): boolean => {
    const due = calls.filter(({ at }) => at <= now).sort((left, right) => left.at - right.at)[0];
    if (due === undefined) return false;
    calls = calls.filter((entry) => entry !== due);
    due.call();
    return true;
  };
  return {
    monotonicMicroseconds: () => now * 1_000,
    wallMicroseconds: () => START + now * 1_000,
    after: (milliseconds, call) => {
      const entry = { at: now + milliseconds, call };
      calls.push(entry);
      return () => {
        calls = calls.filter((other) => other !== entry);
      };
    },
    advance: (milliseconds) => {
      const end = now + milliseconds;
      while (now < end) {
        const next = Math.min(...calls.map(({ at }) => at), end);
        now = Math.max(now, next);
        while (runDue());
      }
      while (runDue());
    },
    stall: (milliseconds) => {
      now += milliseconds;
      while (runDue());
    },
  };
}

/** The machine's time; its timers, unlike the agent's, keep a test alive. */
export const realClock: Clock = {
  monotonicMicroseconds: () => Math.round(performance.now() * 1_000),
  wallMicroseconds: () => Date.now() * 1_000,
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

export const EMPTY_METRICS: MetricsView = {
  kills: [],
  invisibleKills: [],
  incidents: [],
  lastKillSeconds: [],
  kernelKills: 0,
  unaccountedKills: 0,
  unattributedKills: 0,
  recoveredKills: 0,
  latency: [],
  drops: [],
};

export function agentView(change: Partial<AgentView> = {}): AgentView {
  return {
    node: "worker-3",
    bootId: "5f6c2a34-0000-4000-8000-000000000000",
    version: "0.1.0",
    ledger: () => LEDGER,
    sources: () => [SOURCE],
    recentKills: () => [],
    ready: () => true,
    metrics: () => EMPTY_METRICS,
    ...change,
  };
}
