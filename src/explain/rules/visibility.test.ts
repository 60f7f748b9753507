import assert from "node:assert/strict";
import { test } from "node:test";
import {
  facts,
  killOf,
  nodeReport,
  recordStory,
  report,
  says,
  story,
  task,
  WORKER,
} from "../testing.ts";
import { visibility } from "./visibility.ts";

test("an invisible kill: nothing restarts, so a check is needed, or the group kill", () => {
  const { findings, confidences, evidence, advice } = says(
    visibility,
    recordStory(facts({ visibility: "invisible" })),
  );
  assert.match(
    findings[0] ?? "",
    /^Nothing was restarted: a child died and the container's main process lives on/,
  );
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["the victim is not the container's main process"]);
  assert.match(advice[0] ?? "", /^Add a liveness check that fails when worker is gone/);
  assert.match(advice[1] ?? "", /turn the group kill on \(kubelet: singleProcessOOMKill: false\)/);
});

test("a child is likely invisible before that is settled", () => {
  const child = facts({ victim: { ...facts().victim, main: false } });
  assert.deepEqual(says(visibility, recordStory(child)).confidences, ["likely"]);
});

test("a main process is noticed", () => {
  const main = facts({ victim: { ...facts().victim, main: true } });
  const { findings, advice } = says(visibility, recordStory(main));
  assert.match(findings[0] ?? "", /^Its main process died/);
  assert.deepEqual(advice, []);
});

test("the table alone makes it possible: an older process of the container lives on", () => {
  const { findings, confidences } = says(visibility, story(report()));
  assert.equal(
    findings[0],
    "main[10] of the container stayed alive, so nothing was restarted and no status shows this kill.",
  );
  assert.deepEqual(confidences, ["possible"]);
});

test("an init that ends with its child, a younger process, a whole group or machine tell nothing", () => {
  const only = (...rows: ReturnType<typeof task>[]) =>
    says(visibility, story(report({ tasks: [...rows, WORKER], kills: [killOf(WORKER)] }))).findings;
  assert.deepEqual(only(task("tini", 10, 1)), []);
  assert.deepEqual(only(task("sh", 10, 1)), []);
  assert.deepEqual(only(task("helper", 12, 1)), []);
  assert.deepEqual(says(visibility, story(nodeReport())).findings, []);
  const group = report({ groupCgroup: "/a" });
  assert.deepEqual(says(visibility, story(group)).findings, []);
});

test("cgroup v1 has no group kill to turn on", () => {
  const v1 = report({ version: 1 });
  assert.equal(says(visibility, story(v1)).advice.length, 1);
});
