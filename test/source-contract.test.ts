import { existsSync } from "node:fs";
import { createHost } from "../src/host/real.ts";
import type { Observation } from "../src/model/observation.ts";
import { CGROUP_TUNING, createCgroupSource } from "../src/sources/cgroup.ts";
import { createKernelLogSource } from "../src/sources/kernel-log.ts";
import { createProbeSource } from "../src/sources/probe.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../src/sources/source.ts";
import { createTracefsSource } from "../src/sources/tracefs.ts";
import { createVmstatSource } from "../src/sources/vmstat.ts";
import { type Killed, testSource } from "./source-contract.ts";
import { countersOf, startSource } from "./source-harness.ts";

const ABSOLUTE =
  "a counter is absolute: told again as a baseline, compared by the ledger's checkpoint";
const TRACING = "/sys/kernel/tracing";
const noRoot = process.getuid?.() === 0 ? null : "needs root";

function sawVictim(observations: readonly Observation[], { pid }: Killed): boolean {
  return observations.some(({ kind, ...rest }) => kind === "kill" && isVictim(rest, pid));
}

function isVictim(observation: object, tid: number): boolean {
  return "victim" in observation && (observation.victim as { tid: number }).tid === tid;
}

testSource("vmstat", createVmstatSource, {
  unavailableHere: null,
  saw: (observations) => countersOf(observations, "node").length >= 2,
  resumes: { skip: ABSOLUTE },
  loses: { skip: "a count that is read late has lost nothing" },
});

testSource("cgroup", createCgroupSource, {
  unavailableHere: existsSync("/sys/fs/cgroup") ? null : "no cgroups here",
  saw: (observations, { path }) => countersOf(observations, path).length > 0,
  resumes: { skip: ABSOLUTE },
  loses: {
    count: 1,
    start: () => {
      const bounds = { maxCgroups: 1, maxDepth: 100 };
      const host = onlyOneCgroup();
      const tuning = { ...CGROUP_TUNING, bounds };
      return startSource(createCgroupSource(DEFAULT_SOURCE_OPTIONS, tuning), { host });
    },
  },
});

/** The real machine, but the root lists one child, whatever is there. */
function onlyOneCgroup() {
  const host = createHost();
  const list = () => [{ name: "process_api", directory: true }];
  return { ...host, files: { ...host.files, list, inode: () => 1 } };
}

testSource("kernel-log", createKernelLogSource, {
  unavailableHere: noRoot ?? (existsSync("/dev/kmsg") ? null : "there is no /dev/kmsg"),
  saw: sawVictim,
  resumes: "with its cursor",
  loses: {
    count: 4,
    start: () => {
      const options = { ...DEFAULT_SOURCE_OPTIONS, history: true };
      return startSource(createKernelLogSource(options), { host: logWithGap() });
    },
  },
});

/** The real machine, but its log says two lines, and four between them are gone. */
function logWithGap() {
  const host = createHost();
  const stream: typeof host.processes.stream = (_path, handler) => {
    const text = "6,10,1000,-;one\n6,15,2000,-;two\n";
    setTimeout(() => handler.data(new TextEncoder().encode(text)), 1);
    return { close: () => handler.end({ exitCode: 0, message: "" }) };
  };
  return { ...host, processes: { ...host.processes, stream } };
}

testSource("tracefs", createTracefsSource, {
  unavailableHere:
    noRoot ?? (existsSync(`${TRACING}/instances`) ? null : `tracefs is not mounted on ${TRACING}`),
  saw: sawVictim,
  resumes: "with its cursor",
  loses: { skip: "a ring that runs over is made in the tests of its own" },
});

testSource("probe", createProbeSource, {
  unavailableHere:
    noRoot ?? (existsSync(`${TRACING}/kprobe_events`) ? null : "this kernel has no kprobe_events"),
  saw: sawVictim,
  resumes: "with its cursor",
  loses: { skip: "a ring that runs over is made in the tests of tracefs" },
});
