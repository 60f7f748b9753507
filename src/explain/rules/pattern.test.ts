import assert from "node:assert/strict";
import { test } from "node:test";
import type { History, PastKill } from "../history.ts";
import {
  facts,
  killOf,
  MAIN,
  nodeReport,
  recordStory,
  report,
  says,
  story,
  task,
  WORKER,
} from "../testing.ts";
import { pattern } from "./pattern.ts";

const HOUR = 3600;
const past = (secondsBefore: number | null, parts: Partial<PastKill> = {}): PastKill => ({
  secondsBefore,
  comm: "worker",
  pid: 7,
  sameCgroup: true,
  main: null,
  tasks: new Set(["10/main", "7/worker"]),
  ...parts,
});
const history = (...kills: readonly PastKill[]): History => ({
  kills,
  forgotten: 0,
  watchedSeconds: null,
});

test("the first kill of a long watch", () => {
  const of = story(report(), { kills: [], forgotten: 0, watchedSeconds: 3 * 86_400 });
  assert.deepEqual(says(pattern, of).confidences, ["certain"]);
  assert.deepEqual(says(pattern, of).findings, [
    "It is the first kill here in the 3 days that were watched.",
  ]);
  assert.deepEqual(says(pattern, story(report())).findings, []);
});

test("the second kill happened before, the third is a loop, with its rate", () => {
  const second = says(pattern, story(report(), history(past(2 * HOUR))));
  assert.equal(
    second.findings[0],
    "It happened before: the 2nd kill here; the one before was 2 h earlier.",
  );
  assert.deepEqual(second.advice, []);
  const third = says(pattern, story(report(), history(past(HOUR), past(HOUR / 2))));
  assert.equal(
    third.findings[0],
    "This is a loop: the 3rd kill here within 60 min, about 2 an hour; the one before was 30 min earlier.",
  );
  assert.equal(third.confidences[0], "certain");
  assert.match(third.advice[0] ?? "", /heap profile/);
});

test("kills that were forgotten still count", () => {
  const of = story(report(), { ...history(past(HOUR), past(HOUR / 2)), forgotten: 997 });
  assert.match(
    says(pattern, of).findings[0] ?? "",
    /^This is a loop: the 1000th kill here, the last 3 of them within 60 min, about 2 an hour;/,
  );
});

test("a few seconds make no rate, and unknown times none either", () => {
  const quick = says(pattern, story(report(), history(past(20), past(10), past(5))));
  assert.equal(
    quick.findings[0],
    "This is a loop: the 4th kill here within 20 s; the one before was 5 s earlier.",
  );
  const partly = says(pattern, story(report(), history(past(null), past(60), past(30))));
  assert.equal(
    partly.findings[0],
    "This is a loop: the 4th kill here; the one before was 30 s earlier.",
  );
  const undated = says(pattern, story(report(), history(past(null), past(null))));
  assert.equal(undated.findings[0], "This is a loop: the 3rd kill here.");
});

test("a main process that lives through it starts the same child again", () => {
  const { findings, confidences } = says(pattern, story(report(), history(past(60))));
  assert.equal(
    findings[1],
    "main[10] lives through it, and worker is started anew each time: the container never restarts.",
  );
  assert.equal(confidences[1], "likely");
});

test("another container, another name, or another survivor is no living parent", () => {
  for (const other of [{ sameCgroup: false }, { comm: "sort" }, { tasks: new Set(["9/main"]) }]) {
    assert.equal(says(pattern, story(report(), history(past(60, other)))).findings.length, 1);
  }
  const init = report({ tasks: [task("tini", 10, 1), WORKER], kills: [killOf(WORKER)] });
  const kept = past(60, { tasks: new Set(["10/tini"]) });
  assert.equal(says(pattern, story(init, history(kept))).findings.length, 1);
});

test("the agent knows the main process: then it is certain", () => {
  const child = facts({ victim: { ...facts().victim, main: false } });
  const of = recordStory(child, null, history(past(60, { tasks: new Set() })));
  const { findings, confidences } = says(pattern, of);
  assert.match(findings[1] ?? "", /^Its main process lives through it/);
  assert.equal(confidences[1], "certain");
});

test("the main process of the container itself died before: nothing lived through that", () => {
  const of = story(report({ tasks: [MAIN, WORKER] }), history(past(60, { main: true })));
  assert.equal(says(pattern, of).findings.length, 1);
});

test("undated kills of other programs of a machine are no loop, and undated ones never a certain one", () => {
  const other = past(null, { comm: "switchd", sameCgroup: false });
  const undated = story(nodeReport(), history(other, other));
  assert.deepEqual(says(pattern, undated).findings, []);
  const same = past(null, { comm: "leak", sameCgroup: false });
  const loop = says(pattern, story(nodeReport(), history(same, same)));
  assert.deepEqual(loop.findings, ["This is a loop: the 3rd kill here."]);
  assert.deepEqual(loop.confidences, ["likely"]);
  const dated = says(pattern, story(nodeReport(), history({ ...other, secondsBefore: 60 })));
  assert.equal(dated.confidences[0], "certain");
});
