import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, killOf, node, recordStory, report, says, story, WORKER } from "../testing.ts";
import { lostEvidence } from "./lost-evidence.ts";

test("a kill without a report is told as such", () => {
  const { findings, confidences } = says(lostEvidence, recordStory(facts(), null));
  assert.match(
    findings[0] ?? "",
    /^The kernel printed no report for this kill: it prints ten in five seconds/,
  );
  assert.deepEqual(confidences, ["likely"]);
});

test("suppressed messages and unread lines are no absence of kills", () => {
  const of = report({
    suppressedBefore: 30,
    problems: ["2 rows of the task table could not be read."],
  });
  const { findings, confidences, evidence, advice } = says(lostEvidence, story(of));
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.match(findings[0] ?? "", /^30 messages of earlier runs were suppressed/);
  assert.match(findings[1] ?? "", /^The report is not whole/);
  assert.deepEqual(evidence, [
    "30 callbacks suppressed",
    "2 rows of the task table could not be read.",
  ]);
  assert.match(advice[0] ?? "", /kernel's counters, not by its log/);
});

test("a text that has the reaper's line only, the selection, or the summary says so", () => {
  for (const [outcome, words] of [
    ["reaped", /only the line of the OOM reaper/],
    ["selected", /whom the kernel selected/],
    ["summary", /the kernel's summary/],
  ] as const) {
    const of = report({ outcome, kills: [killOf(WORKER, { outcome })] });
    assert.match(says(lostEvidence, story(of)).findings[0] ?? "", words);
    assert.deepEqual(says(lostEvidence, story(of)).confidences, ["certain"]);
  }
});

test("a line of a kill alone asks for the rest of the log", () => {
  const nothing = { trigger: null, tasks: [], memory: null, cgroupStats: [], limitCgroup: null };
  const { findings, advice } = says(
    lostEvidence,
    story(report({ ...nothing, kills: [killOf(WORKER, { cgroupPath: null })] })),
  );
  assert.match(findings[0] ?? "", /^The text has only the line of the kill/);
  assert.match(advice[0] ?? "", /journalctl -k/);
});

test("whatever part of the report is there, it is not the line alone", () => {
  const nothing = {
    trigger: null,
    tasks: [],
    memory: null,
    cgroupStats: [],
    kills: [killOf(WORKER)],
  };
  const { trigger, tasks, memory, cgroupStats } = report();
  for (const part of [{ trigger }, { tasks }, { memory }, { cgroupStats }, { node: node() }])
    assert.deepEqual(says(lostEvidence, story(report({ ...nothing, ...part }))).findings, []);
});

test("a whole report lost nothing", () => {
  assert.deepEqual(says(lostEvidence, story(report())).findings, []);
});

test("a summary before the line of the kill is more than that line alone", () => {
  const nothing = { trigger: null, tasks: [], memory: null, cgroupStats: [] };
  const bare = { ...nothing, limitCgroup: null, kills: [killOf(WORKER, { cgroupPath: null })] };
  const alone = says(lostEvidence, story(report(bare)));
  assert.match(alone.findings[0] ?? "", /^The text has only the line of the kill/);
  for (const part of [
    { printedConstraint: "memcg" },
    { groupCgroup: "/a" },
    { kills: [killOf(WORKER)] },
  ] as const) {
    const { findings, advice } = says(lostEvidence, story(report({ ...bare, ...part })));
    assert.match(findings[0] ?? "", /^Of the kernel's report the text has only the end/);
    assert.match(advice[0] ?? "", /journalctl -k/);
  }
});
