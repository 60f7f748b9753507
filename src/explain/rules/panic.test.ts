import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeReport, report, says, story } from "../testing.ts";
import { panic } from "./panic.ts";

test("the machine stopped instead of killing", () => {
  const { findings, confidences, evidence, advice } = says(
    panic,
    story(nodeReport({ outcome: "panic", kills: [] })),
  );
  assert.deepEqual(findings, ["The kernel panicked instead of killing a process."]);
  assert.deepEqual(confidences, ["certain"]);
  assert.match(evidence.join(), /vm\.panic_on_oom/);
  assert.match(advice[0] ?? "", /vm\.panic_on_oom=0/);
});

test("a kill is no panic", () => {
  assert.deepEqual(says(panic, story(report())).findings, []);
});
