import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, report, says, story } from "../testing.ts";
import { lowered } from "./lowered.ts";

const writer = { comm: "runc", pid: 900, gfpMask: null, gfpFlags: null, order: 0, oomScoreAdj: 0 };
const over = { usageBytes: 140 * MIB, limitBytes: 96 * MIB, failCount: 3 };

test("more in use than allowed, at the hands of an outsider: the limit came down", () => {
  const of = report({ trigger: writer, memory: over });
  const { findings, confidences, evidence, advice } = says(lowered, story(of));
  assert.deepEqual(findings, [
    "The limit was lowered below what was in use by runc[900], which is not one of its processes (140 MiB were in use, 96 MiB allowed).",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, [
    "usage 146800640 above limit 100663296 bytes",
    "runc[900] invoked the OOM killer and is not in the table of processes",
  ]);
  assert.match(advice[0] ?? "", /^Undo the change/);
});

test("either of the two alone is likely; an outsider must be one that writes limits", () => {
  assert.deepEqual(says(lowered, story(report({ memory: over }))).confidences, ["likely"]);
  assert.deepEqual(says(lowered, story(report({ trigger: writer }))).confidences, ["likely"]);
  const stranger = report({ trigger: { ...writer, comm: "nginx" } });
  assert.deepEqual(says(lowered, story(stranger)).findings, []);
});

test("a table that is not whole cannot make anybody an outsider", () => {
  assert.deepEqual(says(lowered, story(report({ trigger: writer, tasksDropped: 1 }))).findings, []);
  assert.deepEqual(says(lowered, story(report({ trigger: writer, tasks: [] }))).findings, []);
});

test("a process that reached its limit by itself lowered nothing", () => {
  assert.deepEqual(says(lowered, story(report())).findings, []);
});
