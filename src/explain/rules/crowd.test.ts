import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeReport, says, story, task } from "../testing.ts";
import { crowd } from "./crowd.ts";

const many = (count: number, mib: number) =>
  Array.from({ length: count }, (_, index) => task("worker", 100 + index, mib));

test("many small processes of one name are told as one crowd", () => {
  const of = nodeReport({ tasks: [task("sshd", 8, 6), ...many(20, 30)] });
  const { findings, confidences, evidence, advice } = says(crowd, story(of));
  assert.deepEqual(findings, [
    "Not one large process but many: 20 processes called worker hold 600 MiB (99 %), 30 MiB each.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["20 of 21 processes in the table"]);
  assert.match(advice[0] ?? "", /^Run fewer of worker at a time/);
});

test("very many are a fork storm", () => {
  const { findings, confidences, advice } = says(crowd, story(nodeReport({ tasks: many(200, 3) })));
  assert.match(findings[1] ?? "", /fork storm/);
  assert.equal(confidences[1], "likely");
  assert.match(advice[0] ?? "", /pids\.max/);
});

test("one large process among small ones is no crowd, nor are many that hold little", () => {
  const large = [...many(20, 3), task("leak", 20, 700)];
  assert.deepEqual(says(crowd, story(nodeReport({ tasks: large }))).findings, []);
  const few = [
    ...many(4, 100),
    task("a", 8, 6),
    task("b", 9, 6),
    task("c", 10, 6),
    task("d", 11, 6),
  ];
  assert.deepEqual(says(crowd, story(nodeReport({ tasks: few }))).findings, []);
  const small = [...many(20, 10), task("db", 20, 400, { oomScoreAdj: -900 }), task("web", 21, 5)];
  assert.deepEqual(says(crowd, story(nodeReport({ tasks: small }))).findings, []);
  const different = Array.from({ length: 20 }, (_, index) => task(`p${index}`, 100 + index, 30));
  assert.deepEqual(says(crowd, story(nodeReport({ tasks: different }))).findings, []);
});
