import { SOURCE_NAMES } from "../model/observation.ts";
import type { ExitRecord, KillRecord, OutputRecord } from "../model/record.ts";
import {
  fits,
  flag,
  listOf,
  number,
  oneOf,
  orMissing,
  orNull,
  parsedJson,
  shape,
  text,
  whole,
} from "./stored-shape.ts";

const VICTIM = shape({
  pid: orNull(number),
  tid: orNull(number),
  comm: orNull(text),
  uid: orNull(number),
  oomScoreAdj: orNull(number),
  main: orNull(flag),
  totalVmBytes: orNull(number),
  anonRssBytes: orNull(number),
  fileRssBytes: orNull(number),
  shmemRssBytes: orNull(number),
  pageTableBytes: orNull(number),
});

const LIMIT = shape({
  scope: oneOf("container", "pod", "ancestor", "node", "cpuset", "mempolicy", "cgroup", null),
  constraint: oneOf("memcg", "none", "cpuset", "memory_policy", null),
  cgroup: orNull(text),
  bytes: orNull(number),
});

const CONTAINER = shape({
  runtime: text,
  id: text,
  name: orNull(text),
  image: orNull(text),
  imageId: orNull(text),
  restarts: orNull(number),
});

const POD = shape({
  namespace: orNull(text),
  name: orNull(text),
  uid: orNull(text),
  container: orNull(text),
  qosClass: orNull(text),
  owner: orNull(shape({ kind: text, name: text })),
});

const KILL = shape({
  type: oneOf("kill"),
  id: text,
  revision: whole,
  at: text,
  node: text,
  bootId: text,
  incident: shape({ id: text, group: flag }),
  victim: VICTIM,
  trigger: orNull(shape({ pid: orNull(number), comm: orNull(text) })),
  outcome: oneOf(
    "killed",
    "selected",
    "summary",
    "reaped",
    "unknown",
    "none-killable",
    "panic",
    "duplicate",
    "unconfirmed",
  ),
  limit: LIMIT,
  cgroup: shape({ path: orNull(text), id: orNull(number), version: oneOf(1, 2, null) }),
  container: orNull(CONTAINER),
  pod: orNull(POD),
  unit: orNull(text),
  visibility: oneOf("visible", "invisible", "pending", "unknown"),
  attribution: oneOf("exact", "inferred", "none"),
  basis: orMissing(oneOf("probe", "kernel-log", "proc", "counter", "neighbour", null)),
  recovered: flag,
  witnesses: listOf(oneOf(...SOURCE_NAMES)),
});

const EXIT = shape({
  type: oneOf("exit"),
  id: text,
  revision: number,
  at: text,
  container: CONTAINER,
  pod: orNull(POD),
  exitCode: orNull(number),
  signal: orNull(number),
  verdict: oneOf("oom-killed", "not-oom", "oom-unreported", "oom-stale", "unknown"),
  kills: listOf(text),
});

const OTHERS = [
  shape({
    type: oneOf("ledger"),
    kernel: orNull(number),
    recorded: number,
    unaccounted: orNull(number),
    unattributed: number,
  }),
  shape({
    type: oneOf("source"),
    source: oneOf(...SOURCE_NAMES),
    state: text,
    reason: orNull(text),
    lost: number,
  }),
  shape({
    type: oneOf("userspace-kill"),
    tool: text,
    at: orNull(text),
    pid: orNull(number),
    comm: orNull(text),
    cgroup: orNull(text),
    reason: orNull(text),
  }),
];

/** A record of any kind, as this program or an earlier version of it wrote it. */
export function isOutputRecord(value: unknown): value is OutputRecord {
  return [KILL, EXIT, ...OTHERS].some((check) => fits(check, value));
}

/** A kill record read back from a file that anybody may have edited; `null` when it is not one. */
export function parseKillRecord(json: unknown): KillRecord | null {
  const value = parsedJson(json);
  // Records of earlier versions have no basis.
  return isKillRecord(value) ? { ...value, basis: value.basis ?? null } : null;
}

/** The same of an exit. */
export function parseExitRecord(json: unknown): ExitRecord | null {
  const value = parsedJson(json);
  return isExitRecord(value) ? value : null;
}

function isKillRecord(value: unknown): value is KillRecord {
  return fits(KILL, value);
}

function isExitRecord(value: unknown): value is ExitRecord {
  return fits(EXIT, value);
}
