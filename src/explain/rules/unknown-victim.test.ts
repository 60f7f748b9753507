import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, nodeReport, recordStory, report, says, story } from "../testing.ts";
import { unknownVictim } from "./unknown-victim.ts";

test("a report that ends early names who asked, and says that it does not name who died", () => {
  const { findings, confidences, evidence } = says(
    unknownVictim,
    story(nodeReport({ kills: [], outcome: "unknown" })),
  );
  assert.deepEqual(findings, [
    "worker[11] ran out of memory; this text does not say who was killed.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["lines 1-40 have no 'Killed process'"]);
});

test("a kill that only a counter saw", () => {
  const victim = { ...facts().victim, pid: null, tid: null, comm: null };
  const { findings, confidences } = says(
    unknownVictim,
    recordStory(facts({ victim, outcome: "unknown" }), null),
  );
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(findings, ["The kernel counted a kill here and nobody saw the victim."]);
});

test("a known victim, a panic and nobody to kill are other stories", () => {
  assert.deepEqual(says(unknownVictim, story(report())).findings, []);
  for (const outcome of ["panic", "none-killable"] as const)
    assert.deepEqual(says(unknownVictim, story(report({ kills: [], outcome }))).findings, []);
});
