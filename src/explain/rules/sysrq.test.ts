import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeReport, report, says, story } from "../testing.ts";
import { sysrq } from "./sysrq.ts";

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
