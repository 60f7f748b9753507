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

test("a thread of a listed process is that process; the largest need not be told again", () => {
  const threaded = report({
    tasks: [task("main", 10, 4, { tid: 13 }), task("worker", 11, 94)],
    trigger: { ...asker, pid: 13 },
  });
  assert.match(
    says(trigger, story(threaded)).findings[0] ?? "",
    /^main\[13\] asked .* \(it holds 4 MiB\)/,
  );
  const largest = report({ tasks: [task("main", 10, 60), task("worker", 11, 30)], trigger: asker });
  assert.match(
    says(trigger, story(largest)).findings[0] ?? "",
    /^main\[10\] asked for memory when there was none; worker/,
  );
  const stranger = report({ trigger: { ...asker, pid: 77, comm: "kswapd0" } });
  assert.match(
    says(trigger, story(stranger)).findings[0] ?? "",
    /^kswapd0\[77\] asked for memory when there was none; worker/,
  );
  const self = report({
    tasks: [task("worker", 11, 94, { tid: 12 })],
    trigger: { ...asker, pid: 12 },
  });
  assert.deepEqual(says(trigger, story(self)).findings, []);
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
