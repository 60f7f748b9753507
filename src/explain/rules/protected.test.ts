import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeReport, report, says, story, task } from "../testing.ts";
import { protectedProcesses } from "./protected.ts";

const agent = (mib: number, oomScoreAdj: number) => task("agent", 9, mib, { oomScoreAdj });

test("a protected process that holds more than the victim is named", () => {
  const of = nodeReport({ tasks: [agent(700, -999), task("web", 20, 12)] });
  const { findings, confidences, evidence, advice } = says(protectedProcesses, story(of));
  assert.deepEqual(findings, [
    "1 process protected by oom_score_adj holds more than the victim: 700 MiB, agent[9] (700 MiB, 70 % of the machine).",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["agent[9] oom_score_adj -999"]);
  assert.match(advice[0] ?? "", /^Bound agent\[9\] itself/);
});

test("one value for all, as a Guaranteed pod has, protects nobody from the others", () => {
  const tasks = [agent(90, -997), task("pause", 20, 1, { oomScoreAdj: -997 })];
  assert.deepEqual(says(protectedProcesses, story(report({ tasks }))).findings, []);
});

test("small ones, and mild values, protect nothing that matters", () => {
  const small = nodeReport({ tasks: [agent(8, -1000), task("web", 20, 700)] });
  assert.deepEqual(says(protectedProcesses, story(small)).findings, []);
  const modest = nodeReport({ tasks: [agent(40, -1000), task("web", 20, 100)] });
  assert.deepEqual(says(protectedProcesses, story(modest)).findings, []);
  const half = nodeReport({ tasks: [agent(60, -1000), task("web", 20, 100)] });
  assert.match(says(protectedProcesses, story(half)).findings[0] ?? "", /holds memory too: 60 MiB/);
  assert.deepEqual(says(protectedProcesses, story(half)).advice, []);
  const unnamed = nodeReport({ tasks: [agent(60, -1000)], kills: [], outcome: "unknown" });
  assert.match(says(protectedProcesses, story(unnamed)).findings[0] ?? "", /holds memory too/);
  const mild = nodeReport({ tasks: [agent(700, -100), task("web", 20, 12)] });
  assert.deepEqual(says(protectedProcesses, story(mild)).findings, []);
  assert.deepEqual(says(protectedProcesses, story(report())).findings, []);
});
