/** What `explain --json`, `show --json` and the API give of every captured report is as the schema says. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { test } from "node:test";
import { TextExplainer } from "../src/agent/text-explainer.ts";
import { explainRecord } from "../src/explain/explain.ts";
import { explainedKillSchema } from "../src/model/record-schema.ts";
import { killRecord } from "../src/sinks/testing/records.ts";

const FIXTURES = globSync(
  resolve(import.meta.dirname, "fixtures/{reports,kernel-logs,stories}/*.txt"),
);

test("kills read from texts", () => {
  let kills = 0;
  for (const path of FIXTURES) {
    const explainer = new TextExplainer();
    const lines = readFileSync(path, "utf8").split("\n");
    const events = [...lines.flatMap((line) => explainer.push(line)), ...explainer.end()];
    for (const event of events) {
      if (event.kind !== "kill") continue;
      kills += 1;
      const parsed = explainedKillSchema.safeParse(event.kill);
      assert.ok(parsed.success, `${basename(path)}: ${parsed.error?.message}`);
    }
  }
  assert.ok(kills > 300, `${kills} kills`);
});

test("a recorded kill, and what is none", () => {
  const record = killRecord(1);
  const kill = { ...record, explanation: explainRecord(record, null) };
  assert.ok(explainedKillSchema.safeParse(kill).success);
  assert.ok(!explainedKillSchema.safeParse({ ...kill, explanation: "because" }).success);
  assert.ok(!explainedKillSchema.safeParse(record).success);
});
