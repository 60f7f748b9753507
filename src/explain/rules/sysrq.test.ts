import assert from "node:assert/strict";
import { test } from "node:test";
import { headlineOf } from "../headline.ts";
import { nodeReport, report, says, story } from "../testing.ts";
import { sysrq } from "./sysrq.ts";
import { unknownVictim } from "./unknown-victim.ts";

test("somebody asked for it: no shortage, no limit", () => {
  const { findings, confidences, evidence, advice } = says(
    sysrq,
    story(nodeReport({ sysrq: true })),
  );
  assert.deepEqual(findings, ["leak[20] was killed by hand (sysrq-f): memory had not run out."]);
  assert.deepEqual(confidences, ["certain"]);
  assert.match(evidence[0] ?? "", /order=-1/);
  assert.match(advice[0] ?? "", /^Find out who wrote 'f'/);
});

test("nobody asked", () => {
  assert.deepEqual(says(sysrq, story(report())).findings, []);
});

test("nobody is said to be killed where the text has no victim, or the kernel panicked", () => {
  const nobody = { sysrq: true, kills: [], trigger: null } as const;
  for (const outcome of ["unknown", "panic"] as const)
    assert.deepEqual(says(sysrq, story(nodeReport({ ...nobody, outcome }))).findings, [
      "The OOM killer was called by hand (sysrq-f): memory had not run out.",
    ]);
  const unknown = story(nodeReport({ ...nobody, outcome: "unknown" }));
  assert.doesNotMatch(says(unknownVictim, unknown).findings.join(), /ran out/);
  assert.match(says(unknownVictim, unknown).findings.join(), /does not say who was killed/);
  assert.match(headlineOf(unknown), /by hand \(sysrq-f\): who was killed is not known$/);
  const stopped = story(nodeReport({ ...nobody, outcome: "panic" }));
  assert.match(headlineOf(stopped), /^kernel panic by hand/);
});
