import assert from "node:assert/strict";
import { test } from "node:test";
import { node, nodeReport, report, says, story } from "../testing.ts";
import { unexplained } from "./unexplained.ts";

test("memory in no figure of the report has an owner outside the processes", () => {
  const of = nodeReport({ node: node({ active_anon: 300, inactive_anon: 0 }) });
  const { findings, confidences, advice } = says(unexplained, story(of));
  assert.match(findings[0] ?? "", /^645 MiB \(65 %\) are in no figure of the report/);
  assert.deepEqual(confidences, ["likely"]);
  assert.match(advice[0] ?? "", /balloon of the hypervisor/);
});

test("a full account leaves nothing to wonder at", () => {
  assert.deepEqual(says(unexplained, story(nodeReport())).findings, []);
  assert.deepEqual(says(unexplained, story(report())).findings, []);
});
