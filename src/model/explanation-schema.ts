/** The public contract of `explanation.ts` as schemas, for tests, tools and `schema/explanations.json`; see record-schema.ts. */
import { z } from "zod";
import { killRecordSchema, userspaceKillRecordSchema } from "./record-schema.ts";

const count = z.int().nonnegative();

const finding = z.strictObject({
  rule: z.string().min(1),
  confidence: z.enum(["certain", "likely", "possible"]),
  sentence: z.string().min(1).max(200),
  evidence: z.array(z.string().max(300)).min(1),
});

const advice = z.strictObject({
  rule: z.string().min(1),
  sentence: z.string().min(1).max(200),
  reason: z.string().min(1).max(200),
});

const rankedTask = z.strictObject({
  pid: count,
  comm: z.string(),
  badness: z.int().nullable(),
  rssBytes: count,
  swapBytes: count.nullable(),
  oomScoreAdj: z.int().nullable(),
  victim: z.boolean(),
  trigger: z.boolean(),
});

const memoryParts = z.strictObject({
  of: z.enum(["cgroup", "node"]),
  totalBytes: count,
  parts: z.array(z.strictObject({ name: z.string().min(1), bytes: count })),
});

export const explanationSchema = z.strictObject({
  headline: z.string().min(1).max(120),
  findings: z.array(finding),
  advice: z.array(advice),
  memory: memoryParts.nullable(),
  ranking: z.array(rankedTask).max(20),
  taskCount: count.nullable(),
  rankingAgrees: z.boolean().nullable(),
});

const { at, node, bootId } = killRecordSchema.shape;

export const explainedKillSchema = z.strictObject({
  ...killRecordSchema.shape,
  at: at.nullable(),
  node: node.nullable(),
  bootId: bootId.nullable(),
  explanation: explanationSchema.nullable(),
});

/** Where the kill's report begins: `file` as it was named, `-` for standard input. `null` for a recorded kill. */
const log = z.strictObject({ file: z.string().min(1), line: z.int().positive() }).nullable();

/** A line that `explain --json` prints. */
export const explainedLineSchema = z.discriminatedUnion("type", [
  z.strictObject({ ...explainedKillSchema.shape, log: log.optional() }),
  userspaceKillRecordSchema,
]);

/** `schema/explanations.json`: JSON Schema 2020-12 of kills with their explanation. */
export function explanationsJsonSchema(): Record<string, unknown> {
  const title = "Explained kills of oomwitness";
  const description =
    "What 'explain --json' prints, one JSON object a line; 'show --json' and the API give the same kill.";
  return { title, description, ...z.toJSONSchema(explainedLineSchema) };
}
