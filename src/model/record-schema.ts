/**
 * The public contract of `record.ts` as schemas, for tests, tools and `schema/records.json`. The agent itself never
 * loads this file: it costs 9 MB of heap.
 */
import { z } from "zod";
import { SOURCE_NAMES } from "./observation.ts";

/** RFC 3339 in UTC with microseconds. */
const instant = z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/);
const count = z.int().nonnegative();
const bytes = count.nullable();
const id = z.string().min(1);
/** Unknown is `null`, never "". */
const known = z.string().min(1).nullable();
const cgroupPath = z.string().startsWith("/").nullable();
const pid = z.int().positive().nullable();

const victim = z.strictObject({
  pid,
  tid: pid,
  comm: z.string().nullable(),
  uid: count.nullable(),
  oomScoreAdj: z.int().min(-1000).max(1000).nullable(),
  main: z.boolean().nullable(),
  totalVmBytes: bytes,
  anonRssBytes: bytes,
  fileRssBytes: bytes,
  shmemRssBytes: bytes,
  pageTableBytes: bytes,
});

const container = z.strictObject({
  runtime: z.string().min(1),
  id,
  name: known,
  image: known,
  imageId: known,
  restarts: count.nullable(),
});

const pod = z.strictObject({
  namespace: known,
  name: known,
  uid: known,
  container: known,
  qosClass: known,
  owner: z.strictObject({ kind: z.string().min(1), name: z.string().min(1) }).nullable(),
});

const limit = z.strictObject({
  scope: z
    .enum(["container", "pod", "ancestor", "node", "cpuset", "mempolicy", "cgroup"])
    .nullable(),
  constraint: z.enum(["memcg", "none", "cpuset", "memory_policy"]).nullable(),
  cgroup: cgroupPath,
  bytes,
});

const cgroup = z.strictObject({
  path: cgroupPath,
  id: z.int().positive().nullable(),
  version: z.union([z.literal(1), z.literal(2)]).nullable(),
});

export const killRecordSchema = z.strictObject({
  type: z.literal("kill"),
  id,
  revision: count,
  at: instant,
  node: z.string().min(1),
  bootId: z.string().min(1),
  incident: z.strictObject({ id, group: z.boolean() }),
  victim,
  trigger: z.strictObject({ pid, comm: z.string().nullable() }).nullable(),
  outcome: z.enum([
    "killed",
    "selected",
    "summary",
    "reaped",
    "unknown",
    "none-killable",
    "panic",
    "duplicate",
    "unconfirmed",
  ]),
  limit,
  cgroup,
  container: container.nullable(),
  pod: pod.nullable(),
  unit: known,
  visibility: z.enum(["visible", "invisible", "pending", "unknown"]),
  attribution: z.enum(["exact", "inferred", "none"]),
  basis: z.enum(["probe", "kernel-log", "proc", "counter", "neighbour"]).nullable(),
  recovered: z.boolean(),
  witnesses: z.array(z.enum(SOURCE_NAMES)),
});

export const ledgerRecordSchema = z.strictObject({
  type: z.literal("ledger"),
  kernel: count.nullable(),
  recorded: count,
  unaccounted: z.int().nullable(),
  unattributed: count,
});

export const sourceRecordSchema = z.strictObject({
  type: z.literal("source"),
  source: z.enum(SOURCE_NAMES),
  state: z.enum(["up", "down", "blind", "unavailable"]),
  reason: known,
  lost: count,
  missed: count,
});

export const exitRecordSchema = z.strictObject({
  type: z.literal("exit"),
  id,
  revision: count,
  at: instant,
  container,
  pod: pod.nullable(),
  exitCode: z.int().min(0).max(255).nullable(),
  signal: z.int().min(1).max(127).nullable(),
  verdict: z.enum(["oom-killed", "not-oom", "oom-unreported", "oom-stale", "unknown"]),
  kills: z.array(id),
});

export const userspaceKillRecordSchema = z.strictObject({
  type: z.literal("userspace-kill"),
  tool: z.string().min(1),
  at: instant.nullable(),
  pid,
  comm: z.string().nullable(),
  cgroup: z.string().nullable(),
  reason: known,
});

/** At most 200 characters: names in them are cut. */
const sentence = z.string().min(1);

const explanationSchema = z.strictObject({
  headline: z.string().min(1).max(120),
  findings: z.array(
    z.strictObject({
      rule: id,
      confidence: z.enum(["certain", "likely", "possible"]),
      sentence,
      evidence: z.array(z.string()),
    }),
  ),
  advice: z.array(z.strictObject({ rule: id, sentence, reason: sentence })),
  memory: z
    .strictObject({
      of: z.enum(["cgroup", "node"]),
      totalBytes: count,
      parts: z.array(z.strictObject({ name: z.string().min(1), bytes: count })),
    })
    .nullable(),
  ranking: z
    .array(
      z.strictObject({
        pid: count,
        comm: z.string(),
        badness: z.int().nullable(),
        rssBytes: count,
        swapBytes: bytes,
        oomScoreAdj: z.int().min(-1000).max(1000).nullable(),
        victim: z.boolean(),
        trigger: z.boolean(),
      }),
    )
    .max(20),
  taskCount: count.nullable(),
  rankingAgrees: z.boolean().nullable(),
});

/** A kill with its story: `show --json`, `explain --json`, `/api/v1/kills/ID`. One read from a text may lack time and place. */
export const explainedKillSchema = z.strictObject({
  ...killRecordSchema.shape,
  at: instant.nullable(),
  node: known,
  bootId: known,
  explanation: explanationSchema.nullable(),
  /** Where in which text it stands; only `explain` tells, and `null` is a recorded kill. */
  log: z.strictObject({ file: z.string(), line: z.int().positive() }).nullable().optional(),
});

/** Every line that any command prints as JSON, but for kills with their explanation. */
export const outputRecordSchema = z.discriminatedUnion("type", [
  killRecordSchema,
  exitRecordSchema,
  userspaceKillRecordSchema,
  ledgerRecordSchema,
  sourceRecordSchema,
]);

/** `schema/records.json`: JSON Schema 2020-12 of all record types. */
export function recordsJsonSchema(): Record<string, unknown> {
  const title = "Records of oomwitness";
  const description = "One JSON object a line. Unknown is null, never 0 or an empty string.";
  return {
    title,
    description,
    ...z.toJSONSchema(z.union([outputRecordSchema, explainedKillSchema])),
  };
}
