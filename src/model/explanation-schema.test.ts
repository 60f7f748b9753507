import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import type { z } from "zod";
import { explainText } from "../browser.ts";
import type { ExplainedKill, Explanation } from "./explanation.ts";
import {
  type explainedKillSchema,
  explainedLineSchema,
  type explanationSchema,
  explanationsJsonSchema,
} from "./explanation-schema.ts";

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

// These lines are the test: they do not compile when an interface and its schema differ.
const sameExplanation: Same<Mutable<Explanation>, z.infer<typeof explanationSchema>> = true;
const sameKill: Same<Mutable<ExplainedKill>, Mutable<z.infer<typeof explainedKillSchema>>> = true;

const FIXTURES = join(import.meta.dirname, "../../test/fixtures");

test("interfaces and schemas are the same types", () => {
  assert.deepEqual([sameExplanation, sameKill], [true, true]);
});

test("every kill of every log we have validates", () => {
  const files = globSync("{stories,kernel-logs,reports}/*.txt", { cwd: FIXTURES });
  assert.ok(files.length > 8);
  for (const file of files) {
    const { kills } = explainText(readFileSync(join(FIXTURES, file), "utf8"));
    assert.ok(kills.length > 0, file);
    for (const kill of kills) assert.deepEqual(explainedLineSchema.parse(kill), kill);
  }
});

test("what the contract forbids is refused", () => {
  const { kills } = explainText(readFileSync(join(FIXTURES, "stories/group-kill.txt"), "utf8"));
  const [kill] = kills;
  const explanation = kill?.explanation ?? null;
  assert.ok(kill !== undefined && explanation !== null);
  const wrong: unknown[] = [
    { ...kill, extra: 1 },
    { ...kill, explanation: { ...explanation, headline: "x".repeat(121) } },
    { ...kill, explanation: { ...explanation, findings: [{ rule: "a", sentence: "b" }] } },
    {
      ...kill,
      explanation: { ...explanation, ranking: new Array(21).fill(explanation.ranking[0]) },
    },
    { ...kill, explanation: undefined },
  ];
  for (const one of wrong) assert.ok(!explainedLineSchema.safeParse(one).success);
});

test("schema/explanations.json is what the schemas say", () => {
  const file = resolve(import.meta.dirname, "../../schema/explanations.json");
  const text = `${JSON.stringify(explanationsJsonSchema(), null, 2)}\n`;
  // Part of what is published, so it is not named *.golden.*; `npm run accept` writes it all the same.
  if (process.env["OOMWITNESS_ACCEPT"] === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(readFileSync(file, "utf8"), text, "differs: if it should, 'npm run accept'");
});
