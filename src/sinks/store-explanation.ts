import { explainRecord } from "../explain/explain.ts";
import type { SqliteDatabase } from "../host/sqlite.ts";
import type { ExplainedKill, Explanation } from "../model/explanation.ts";
import type { KillRecord } from "../model/record.ts";
import type { KillStory } from "./sink.ts";
import { sealStory, storyOf } from "./store-seal.ts";
import { fits, flag, listOf, number, oneOf, orNull, shape, text } from "./stored-shape.ts";

const TEXTS = listOf(text);

const EXPLANATION = shape({
  headline: text,
  findings: listOf(
    shape({
      rule: text,
      confidence: oneOf("certain", "likely", "possible"),
      sentence: text,
      evidence: TEXTS,
    }),
  ),
  advice: listOf(shape({ rule: text, sentence: text, reason: text })),
  memory: orNull(
    shape({
      of: oneOf("cgroup", "node"),
      totalBytes: number,
      parts: listOf(shape({ name: text, bytes: number })),
    }),
  ),
  ranking: listOf(
    shape({
      pid: number,
      comm: text,
      badness: orNull(number),
      rssBytes: number,
      swapBytes: orNull(number),
      oomScoreAdj: orNull(number),
      victim: flag,
      trigger: flag,
    }),
  ),
  taskCount: orNull(number),
  rankingAgrees: orNull(flag),
});

/** The explanation of this kill as the store keeps it; `null` when it is not one. */
export function parseExplanation(text: unknown, id: string): Explanation | null {
  const value = storyOf(text, id);
  return isExplanation(value) ? value : null;
}

function isExplanation(value: unknown): value is Explanation {
  return fits(EXPLANATION, value);
}

/** Puts explanations beside their kills, which were written before; of a kill that was forgotten nothing is kept. */
export function createStoryWriter(
  database: SqliteDatabase,
): (stories: readonly KillStory[]) => void {
  const update = database.prepare("UPDATE kills SET explanation = ? WHERE id = ?");
  return (stories) => {
    if (stories.length === 0) return;
    database.transaction(() => {
      for (const { record, explanation } of stories) {
        update.run(sealStory(record.id, explanation), record.id);
      }
    });
  };
}

export function findExplanation(database: SqliteDatabase, id: string): Explanation | null {
  const row = database.prepare("SELECT explanation FROM kills WHERE id = ?").get(id);
  return parseExplanation(row?.["explanation"], id);
}

/** A kill with its story: the one that was made when it happened, or what its record alone tells. */
export function explainedKill(
  log: { explanation(id: string): Explanation | null },
  record: KillRecord,
): ExplainedKill {
  return { ...record, explanation: log.explanation(record.id) ?? explainRecord(record, null) };
}
