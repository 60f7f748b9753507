import { SOURCE_NAMES } from "../model/observation.ts";
import type { ExitRecord, KillRecord } from "../model/record.ts";

/** A check of one value that came from a file. */
type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const number: Check = (value) => typeof value === "number";
const flag: Check = (value) => typeof value === "boolean";
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

function shape(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks);
  return (value) => {
    if (typeof value !== "object" || value === null) return false;
    const fields = new Map<string, unknown>(Object.entries(value));
    return entries.every(([name, check]) => check(fields.get(name)));
  };
}

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
  revision: number,
  at: text,
  node: text,
  bootId: text,
  incident: shape({ id: text, group: flag }),
  victim: VICTIM,
  trigger: orNull(shape({ pid: orNull(number), comm: orNull(text) })),
  outcome: oneOf("killed", "selected", "summary", "reaped", "unknown", "none-killable", "panic"),
  limit: LIMIT,
  cgroup: shape({ path: orNull(text), id: orNull(number), version: oneOf(1, 2, null) }),
  container: orNull(CONTAINER),
  pod: orNull(POD),
  unit: orNull(text),
  visibility: oneOf("visible", "invisible", "pending", "unknown"),
  attribution: oneOf("exact", "inferred", "none"),
  recovered: flag,
  witnesses: listOf(oneOf(...SOURCE_NAMES)),
});

const EXIT = shape({
  type: oneOf("exit"),
  at: text,
  container: CONTAINER,
  pod: orNull(POD),
  exitCode: orNull(number),
  signal: orNull(number),
  verdict: oneOf("oom-killed", "not-oom", "oom-unreported", "oom-stale", "unknown"),
  kills: listOf(text),
});

/** A kill record read back from a file that anybody may have edited; `null` when it is not one. */
export function parseKillRecord(json: unknown): KillRecord | null {
  const value = parsed(json);
  return isKillRecord(value) ? value : null;
}

/** The same of an exit. */
export function parseExitRecord(json: unknown): ExitRecord | null {
  const value = parsed(json);
  return isExitRecord(value) ? value : null;
}

function parsed(json: unknown): unknown {
  if (typeof json !== "string") return null;
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function isKillRecord(value: unknown): value is KillRecord {
  return KILL(value);
}

function isExitRecord(value: unknown): value is ExitRecord {
  return EXIT(value);
}
