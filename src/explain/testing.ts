/** Reports for tests of rules: a plain one, of which a test changes what it is about. */
import type { ExplainedKill } from "../model/explanation.ts";
import type { KillRecord } from "../model/record.ts";
import type { NodeMemory, OomReport, ReportKill, TaskRow, Zone } from "../model/report.ts";
import { type History, NO_HISTORY } from "./history.ts";
import type { Rule } from "./rule.ts";
import { type RecordFacts, type Story, storyOfRecord, storyOfReport } from "./story.ts";

export const MIB = 1024 * 1024;
export const ID = "5f1d3c9a4b7e60218c3d9f0e1a2b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d";
export const POD_PATH =
  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3f6a1c52_8d04_4b7e_9a31_5c2e7d90b1f4.slice";
export const CONTAINER_PATH = `${POD_PATH}/cri-containerd-${ID}.scope`;

export function task(comm: string, pid: number, mib: number, parts: Partial<TaskRow> = {}) {
  const rssBytes = Math.round(mib * MIB);
  const row: TaskRow = {
    tid: pid,
    uid: 1000,
    pid,
    comm,
    totalVmBytes: rssBytes + MIB,
    rssBytes,
    anonRssBytes: rssBytes,
    fileRssBytes: 0,
    shmemRssBytes: 0,
    pageTableBytes: 77_824,
    swapBytes: 0,
    oomScoreAdj: 0,
  };
  return { ...row, ...parts };
}

/** The kill of a row of the table. */
export function killOf(row: TaskRow, parts: Partial<ReportKill> = {}): ReportKill {
  const { pid, tid, comm, uid, oomScoreAdj, totalVmBytes, pageTableBytes } = row;
  const { anonRssBytes, fileRssBytes, shmemRssBytes } = row;
  const ids = { pid, tid, comm, uid, oomScoreAdj };
  return {
    outcome: "killed",
    victim: {
      ...ids,
      totalVmBytes,
      anonRssBytes,
      fileRssBytes,
      shmemRssBytes,
      pageTableBytes,
    },
    cgroupPath: CONTAINER_PATH,
    score: null,
    line: 40,
    at: "2026-11-21T03:12:44.104512Z",
    uptimeSeconds: 5_000.25,
    ...parts,
  };
}

export const MAIN = task("main", 10, 4);
export const WORKER = task("worker", 11, 94);

/** A container at its limit of 100 MiB: `worker` holds nearly all of it, asks for more, and is killed. */
export function report(parts: Partial<OomReport> = {}): OomReport {
  const tasks = parts.tasks ?? [MAIN, WORKER];
  return {
    at: "2026-11-21T03:12:44.104512Z",
    uptimeSeconds: 5_000.25,
    kernelRelease: "6.12.107+deb13-cloud-amd64",
    lines: { first: 1, last: 40 },
    trigger: {
      comm: "worker",
      pid: 11,
      gfpMask: "0xcc0",
      gfpFlags: ["GFP_KERNEL"],
      order: 0,
      oomScoreAdj: 0,
    },
    constraint: "memcg",
    printedConstraint: null,
    limitCgroup: CONTAINER_PATH,
    victimCgroup: CONTAINER_PATH,
    memory: { usageBytes: 100 * MIB, limitBytes: 100 * MIB, failCount: 42 },
    swap: { usageBytes: 0, limitBytes: null, failCount: 0 },
    memorySwap: null,
    kernelMemory: null,
    version: 2,
    cgroupStats: [{ path: CONTAINER_PATH, values: { anon: 98 * MIB, file: MIB, shmem: 0 } }],
    node: null,
    slabs: [],
    tasksDropped: 0,
    groupCgroup: null,
    kills: [killOf(tasks.at(-1) ?? WORKER)],
    outcome: "killed",
    selected: null,
    panicCause: null,
    sysrq: false,
    suppressedBefore: null,
    problems: [],
    ...parts,
    tasks,
  };
}

/** The figures of the cgroup's memory, in MiB: `anon`, `file`, `shmem`, … */
export function stats(values: Readonly<Record<string, number>>): OomReport["cgroupStats"] {
  const entries = Object.entries(values).map(([key, mib]) => [key, mib * MIB] as const);
  return [{ path: CONTAINER_PATH, values: Object.fromEntries(entries) }];
}

export function zone(name: string, mib: Partial<Record<"free" | "min" | "low" | "high", number>>) {
  const { free = 1, min = 2, low = 2.5, high = 3 } = mib;
  const row: Zone = {
    node: 0,
    name,
    freeBytes: free * MIB,
    minBytes: min * MIB,
    lowBytes: low * MIB,
    highBytes: high * MIB,
    managedBytes: 400 * MIB,
    lowmemReservePages: [0, 0, 0, 0],
    freeBlocks: [],
  };
  return row;
}

/** A machine of 1000 MiB; `counters` in MiB change its Mem-Info. */
export function node(
  counters: Readonly<Record<string, number>> = {},
  parts: Partial<NodeMemory> = {},
): NodeMemory {
  const plain = { active_anon: 800, inactive_anon: 40, active_file: 10, free: 10 };
  const kinds = { slab_reclaimable: 10, slab_unreclaimable: 20, pagetables: 5, shmem: 4 };
  const entries = Object.entries({ ...plain, inactive_file: 0, ...kinds, ...counters });
  return {
    counters: Object.fromEntries(entries.map(([key, mib]) => [key, mib * MIB])),
    zones: [],
    swapTotalBytes: 0,
    swapFreeBytes: 0,
    pageCacheBytes: null,
    usableBytes: 1000 * MIB,
    hugePagesBytes: 0,
    ...parts,
  };
}

/** The machine ran out: `leak` holds most of it and dies. */
export function nodeReport(parts: Partial<OomReport> = {}): OomReport {
  return report({
    constraint: "none",
    printedConstraint: "none",
    limitCgroup: null,
    victimCgroup: null,
    memory: null,
    swap: null,
    version: null,
    cgroupStats: [],
    node: node(),
    tasks: [task("sshd", 8, 6), task("leak", 20, 700)],
    ...parts,
  });
}

/** A record as the agent has it: in pod shop/cart-0, container api. */
export function facts(parts: Partial<RecordFacts> = {}): RecordFacts {
  return { ...record(), ...parts };
}

export function record(parts: Partial<KillRecord> = {}): KillRecord {
  const { victim } = killOf(WORKER);
  return {
    type: "kill",
    id: "5b2f1c9e-11-2",
    revision: 0,
    at: "2026-11-21T03:12:44.104512Z",
    node: "worker-3",
    bootId: "5b2f1c9e-7d1a-4a53-9a3e-0f5c4f7a1b2c",
    incident: { id: "5b2f1c9e-11-2", group: false },
    victim: { ...victim, main: null },
    trigger: { pid: 11, comm: "worker" },
    outcome: "killed",
    limit: {
      scope: "container",
      constraint: "memcg",
      cgroup: CONTAINER_PATH,
      bytes: 100 * MIB,
    },
    cgroup: { path: CONTAINER_PATH, id: 73, version: 2 },
    container: null,
    pod: {
      namespace: "shop",
      name: "cart-0",
      uid: "3f6a1c52-8d04-4b7e-9a31-5c2e7d90b1f4",
      container: "api",
      qosClass: "Burstable",
      owner: null,
    },
    unit: null,
    visibility: "pending",
    attribution: "exact",
    basis: "kernel-log",
    recovered: false,
    witnesses: ["kernel-log"],
    ...parts,
  };
}

export function explained(parts: Partial<ExplainedKill> = {}): ExplainedKill {
  return { ...record(), explanation: null, ...parts };
}

/** What one rule says of a story, in its words. */
export function says(rule: Rule, story: Story) {
  const told = rule.tell(story);
  return {
    findings: told?.findings.map(({ sentence }) => sentence) ?? [],
    confidences: told?.findings.map(({ confidence }) => confidence) ?? [],
    evidence: told?.findings.flatMap(({ evidence }) => evidence) ?? [],
    advice: told?.advice.map(({ sentence }) => sentence) ?? [],
  };
}

/** The story of a report's first kill. */
export function story(of: OomReport, history: History = NO_HISTORY): Story {
  return storyOfReport(of, of.kills[0] ?? null, history);
}

/** The story of a record, with or without a report. */
export function recordStory(
  of: RecordFacts,
  from: OomReport | null = report(),
  history: History = NO_HISTORY,
): Story {
  return storyOfRecord(of, from, history);
}
