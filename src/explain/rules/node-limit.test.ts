import assert from "node:assert/strict";
import { test } from "node:test";
import { node, nodeReport, report, says, story, task } from "../testing.ts";
import { nodeLimit } from "./node-limit.ts";

test("who holds the machine, and a limit that would have contained it", () => {
  const { findings, confidences, evidence, advice } = says(nodeLimit, story(nodeReport()));
  assert.deepEqual(findings, ["leak[20] alone holds 700 MiB (70 % of the machine)."]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["2 processes in the table"]);
  assert.match(advice[0] ?? "", /^Put a memory limit on leak.*768Mi would have stopped it/);
});

test("the largest is not always the victim", () => {
  const tasks = [task("db", 9, 700), task("cache", 20, 100, { oomScoreAdj: 900 })];
  assert.deepEqual(says(nodeLimit, story(nodeReport({ tasks }))).findings, [
    "The largest process is db[9] with 700 MiB (70 % of the machine), then cache[20] with 100 MiB.",
  ]);
});

test("where nobody is large, nobody is blamed", () => {
  const tasks = Array.from({ length: 30 }, (_, index) => task(`p${index}`, 50 + index, 28));
  const { findings, advice } = says(nodeLimit, story(nodeReport({ tasks })));
  assert.match(findings[0] ?? "", /^No single process is large/);
  assert.match(advice[0] ?? "", /more memory or fewer programs/);
});

test("memory that is not processes' is not cured by more memory for them", () => {
  const of = nodeReport({
    node: node({ active_anon: 20, slab_unreclaimable: 800 }),
    tasks: [task("a", 9, 15)],
  });
  assert.deepEqual(says(nodeLimit, story(of)).advice, []);
});

test("a protected process is another rule's, a cgroup's limit none of this one's", () => {
  const tasks = [task("agent", 9, 700, { oomScoreAdj: -999 }), task("web", 20, 10)];
  assert.deepEqual(says(nodeLimit, story(nodeReport({ tasks }))).findings, []);
  assert.deepEqual(says(nodeLimit, story(report())).findings, []);
});
