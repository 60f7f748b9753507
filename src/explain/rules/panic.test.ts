import assert from "node:assert/strict";
import { test } from "node:test";
import { headlineOf } from "../headline.ts";
import { nodeReport, report, says, story, task } from "../testing.ts";
import { noneKillable } from "./none-killable.ts";
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

test("a panic after nobody could be killed is told once, and in the headline", () => {
  const dead = nodeReport({ outcome: "none-killable", panicCause: "none-killable", kills: [] });
  assert.match(says(panic, story(dead)).findings[0] ?? "", /^The kernel panicked/);
  assert.deepEqual(says(noneKillable, story(dead)).findings, []);
  assert.match(headlineOf(story(dead)), /^kernel panic: out of memory/);
});

test("nobody left to kill is a panic that no setting prevents", () => {
  const dead = { outcome: "panic", panicCause: "none-killable", kills: [] } as const;
  const empty = says(panic, story(nodeReport({ ...dead, tasks: [] })));
  assert.deepEqual(empty.findings[0], "The kernel panicked because there was nobody it may kill.");
  assert.deepEqual(empty.confidences, ["certain", "likely"]);
  assert.match(empty.advice.join("\n"), /^Protect fewer .*\nIf it was while booting/);
  const tasks = [task("agent", 9, 90, { oomScoreAdj: -1000 }), task("idle", 10, 1)];
  const immune = says(panic, story(nodeReport({ ...dead, tasks })));
  assert.match(immune.findings[1] ?? "", /^1 process of 2 had oom_score_adj -1000/);
  assert.equal(immune.advice.length, 1);
  for (const said of [empty, immune]) assert.doesNotMatch(said.advice.join(), /panic_on_oom=0/);
});
