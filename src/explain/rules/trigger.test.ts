import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, nodeReport, report, says, story, task } from "../testing.ts";
import { trigger } from "./trigger.ts";

const asker = { comm: "main", pid: 10, gfpMask: null, gfpFlags: null, order: 0, oomScoreAdj: 0 };

test("who asked is not who held", () => {
  const { findings, confidences, evidence } = says(trigger, story(report({ trigger: asker })));
  assert.deepEqual(findings, [
    "main[10] asked for memory when there was none (it holds 4 MiB); worker[11] was killed for it.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["main[10] invoked oom-killer"]);
});

test("a victim that holds little did not fill the machine", () => {
  const tasks = [task("agent", 10, 700, { oomScoreAdj: -999 }), task("web", 20, 12)];
  const { findings, confidences } = says(trigger, story(nodeReport({ trigger: asker, tasks })));
  assert.equal(
    findings[1],
    "web[20] is not what filled the machine: it held 12 MiB, 1 % of 1000 MiB.",
  );
  assert.equal(confidences[1], "likely");
});

test("one that asked and died itself is not told twice, and one that lowered a limit asked for nothing", () => {
  assert.deepEqual(says(trigger, story(report())).findings, []);
  const memory = { usageBytes: 140 * MIB, limitBytes: 96 * MIB, failCount: 1 };
  const writer = { ...asker, comm: "runc", pid: 900 };
  assert.deepEqual(says(trigger, story(report({ trigger: writer, memory }))).findings, []);
  assert.deepEqual(says(trigger, story(report({ trigger: { ...asker, pid: null } }))).findings, []);
});
