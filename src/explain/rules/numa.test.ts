import assert from "node:assert/strict";
import { test } from "node:test";
import { node, nodeReport, report, says, story } from "../testing.ts";
import { numa } from "./numa.ts";

test("bound to nodes that are full while others have room", () => {
  const machine = node({ active_anon: 200, free: 700 });
  const policy = says(numa, story(nodeReport({ constraint: "memory_policy", node: machine })));
  assert.deepEqual(policy.findings, [
    "Only the NUMA nodes that a memory policy allows ran out; the machine as a whole has 700 MiB free, on nodes it may not use.",
  ]);
  assert.deepEqual(policy.confidences, ["certain"]);
  assert.equal(policy.evidence[0], "constraint=CONSTRAINT_MEMORY_POLICY");
  assert.match(policy.advice[0] ?? "", /numactl --preferred/);
  const cpuset = says(numa, story(nodeReport({ constraint: "cpuset", node: machine })));
  assert.match(cpuset.findings[0] ?? "", /that the cpuset allows ran out; the machine/);
  assert.match(cpuset.advice[0] ?? "", /cpuset\.mems/);
});

test("with nothing free elsewhere the shortage is told alone; a whole machine and a cgroup are other rules'", () => {
  const full = says(numa, story(nodeReport({ constraint: "cpuset" })));
  assert.deepEqual(full.findings, ["Only the NUMA nodes that the cpuset allows ran out."]);
  assert.deepEqual(says(numa, story(nodeReport())).findings, []);
  assert.deepEqual(says(numa, story(report())).findings, []);
});
