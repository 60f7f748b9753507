import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeReport, report, says, story, task } from "../testing.ts";
import { noneKillable } from "./none-killable.ts";

test("nobody may be killed: how many are immune", () => {
  const tasks = [task("agent", 9, 90, { oomScoreAdj: -1000 })];
  const of = report({ outcome: "none-killable", kills: [], tasks });
  const { findings, confidences, evidence, advice } = says(noneKillable, story(of));
  assert.deepEqual(findings, [
    "Memory ran out in container 5f1d3c9a4b7e and there was nobody to kill.",
    "1 process of 1 had oom_score_adj -1000, which forbids killing them.",
  ]);
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.deepEqual(evidence, ["Out of memory and no killable processes", "1 process in the table"]);
  assert.match(advice[0] ?? "", /^Give up oom_score_adj -1000/);
});

test("nobody is there: memory without an owner", () => {
  const { findings, confidences, advice } = says(
    noneKillable,
    story(report({ outcome: "none-killable", kills: [], tasks: [] })),
  );
  assert.match(findings[1] ?? "", /memory without an owner/);
  assert.equal(confidences[1], "likely");
  assert.match(advice[0] ?? "", /memory-backed volumes/);
});

test("a kill is one that found somebody", () => {
  assert.deepEqual(says(noneKillable, story(report())).findings, []);
  assert.deepEqual(says(noneKillable, story(nodeReport())).findings, []);
});
