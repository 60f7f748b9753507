import assert from "node:assert/strict";
import { test } from "node:test";
import { killOf, MIB, node, nodeReport, report, says, story, task } from "../testing.ts";
import { qos } from "./qos.ts";

const pod = (oomScoreAdj: number, of = report) => {
  const row = task("app", 11, 90, { oomScoreAdj });
  return says(qos, story(of({ tasks: [row], kills: [killOf(row)] })));
};

test("oom_score_adj tells the QoS class", () => {
  assert.deepEqual(pod(1000).findings, [
    "Its pod is BestEffort (no requests, no limits): the kernel takes it first.",
  ]);
  assert.deepEqual(pod(1000).confidences, ["certain"]);
  assert.deepEqual(pod(1000).evidence, ["oom_score_adj 1000"]);
  assert.match(pod(-997).findings[0] ?? "", /Guaranteed/);
  assert.deepEqual(pod(-997).confidences, ["likely"]);
  assert.match(pod(-998).findings[0] ?? "", /Guaranteed/);
  assert.match(
    pod(700).findings[0] ?? "",
    /Burstable and requests about 30 % of the node's memory\./,
  );
  assert.deepEqual(pod(700).confidences, ["likely"]);
});

test("on a full node a request below the use is what got it killed", () => {
  const full = pod(950, (parts) =>
    nodeReport({ ...parts, node: node({}, { usableBytes: 500 * MIB }) }),
  );
  assert.match(full.findings[0] ?? "", /about 5 % of the node's memory, less than it uses/);
  assert.match(full.advice[0] ?? "", /^Raise the memory request/);
  assert.match(pod(1000, nodeReport).advice[0] ?? "", /^Give the pod a memory request/);
  assert.deepEqual(pod(1000).advice, []);
});

test("a node that was full should have evicted before", () => {
  for (const adj of [1000, 700, -997])
    assert.match(
      pod(adj, nodeReport).advice.at(-1) ?? "",
      /^Keep more of the node free \(kubelet: --system-reserved/,
    );
  assert.deepEqual(pod(-997).advice, []);
});

test("other values, and other managers than Kubernetes, tell nothing", () => {
  assert.deepEqual(pod(0).findings, []);
  const row = task("app", 11, 90, { oomScoreAdj: 1000 });
  const plain = report({
    tasks: [row],
    kills: [killOf(row, { cgroupPath: "/system.slice/a.service" })],
  });
  assert.deepEqual(says(qos, story(plain)).findings, []);
});
