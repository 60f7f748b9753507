import assert from "node:assert/strict";
import { test } from "node:test";
import { headlineOf } from "../headline.ts";
import {
  CONTAINER_PATH,
  facts,
  ID,
  MIB,
  node,
  nodeReport,
  recordStory,
  report,
  says,
  stats,
  story,
} from "../testing.ts";
import { limit } from "./limit.ts";
import { swap } from "./swap.ts";

test("whose limit, how much was used of how much, and how often it was reached", () => {
  const { findings, confidences, evidence } = says(limit, story(report()));
  assert.deepEqual(findings, [
    "Container 5f1d3c9a4b7e reached its memory limit: 100 MiB used of 100 MiB.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence.slice(1), [
    "memory: usage 102400kB, limit 102400kB",
    "the limit had been reached 42 times (failcnt)",
  ]);
});

test("the limit is raised by half and rounded, with the request beside it where Kubernetes sets it", () => {
  assert.deepEqual(says(limit, story(report())).advice, [
    "Raise resources.limits.memory to 160Mi and set the request to the same value, then compare with the peak you see.",
  ]);
  const unit = report({
    limitCgroup: "/system.slice/db.service",
    kills: [],
    memory: { usageBytes: 3000 * MIB, limitBytes: 3000 * MIB, failCount: 1 },
  });
  assert.deepEqual(says(limit, story(unit)).advice, [
    "Raise MemoryMax= of service db.service from 2.93 GiB to 5 GiB, then compare with the peak you see.",
  ]);
  const docker = report({ limitCgroup: `/docker/${ID}`, kills: [] });
  assert.deepEqual(says(limit, story(docker)).advice, [
    "Raise the limit of container 5f1d3c9a4b7e from 100 MiB to 160 MiB (docker update --memory), then compare with the peak you see.",
  ]);
  const plain = report({ limitCgroup: "/jobs/a", kills: [] });
  assert.match(
    says(limit, story(plain)).advice[0] ?? "",
    /^Raise the limit from 100 MiB to 160 MiB,/,
  );
});

test("all pods together are many", () => {
  const of = report({ limitCgroup: "/kubepods.slice" });
  assert.equal(
    says(limit, story(of)).findings[0],
    "All pods of the node together reached their memory limit: 100 MiB used of 100 MiB.",
  );
});

test("a larger limit is no advice for a full volume, nor for one that was lowered", () => {
  const volume = report({ cgroupStats: stats({ anon: 20, file: 80, shmem: 79 }) });
  assert.deepEqual(says(limit, story(volume)).advice, []);
  const memory = { usageBytes: 150 * MIB, limitBytes: 100 * MIB, failCount: 1 };
  const over = says(limit, story(report({ memory })));
  assert.deepEqual(over.advice, []);
  assert.match(over.findings[0] ?? "", /is over its memory limit: 150 MiB used of 100 MiB/);
});

test("a machine that ran out had no limit, and a larger one is not advised", () => {
  const { findings, confidences, advice } = says(limit, story(nodeReport()));
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(findings, [
    "The whole machine ran out of memory (1000 MiB usable): 10 MiB free (1 %). No cgroup's limit was involved.",
  ]);
  assert.deepEqual(advice, []);
  for (const constraint of ["cpuset", "memory_policy"] as const)
    assert.deepEqual(says(limit, story(nodeReport({ constraint }))).findings, []);
});

test("a record without a report names pod and container, and what it knows of the size", () => {
  const { findings } = says(limit, recordStory(facts(), null));
  assert.deepEqual(findings, [
    "Container api of pod shop/cart-0 reached its memory limit of 100 MiB.",
  ]);
  const unsized = facts({
    limit: { scope: "container", constraint: "memcg", cgroup: null, bytes: null },
  });
  assert.match(
    says(limit, recordStory(unsized, null)).findings[0] ?? "",
    /does not say how large it is/,
  );
});

test("v1: the limit of memory and swap together was hit while memory's own has room", () => {
  const memory = { usageBytes: 90 * MIB, limitBytes: 100 * MIB, failCount: 0 };
  const memorySwap = { usageBytes: 120 * MIB, limitBytes: 120 * MIB, failCount: 61_602 };
  const of = report({ version: 1, swap: null, memory, memorySwap });
  const { findings, confidences, advice } = says(limit, story(of));
  assert.deepEqual(findings, [
    "Container 5f1d3c9a4b7e reached its limit of 120 MiB of memory and swap together, not that of memory alone (90 MiB of 100 MiB).",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.match(advice[0] ?? "", /^Raise the limit of memory and swap together from 120 MiB to/);
  assert.match(headlineOf(story(of)), /hit its limit of 120 MiB of memory and swap together/);
  assert.deepEqual(says(swap, story(of)).findings, []);
  const reached = { ...memory, failCount: 3 };
  assert.deepEqual(says(limit, story(report({ ...of, memory: reached }))).confidences, ["likely"]);
  const full = { ...memory, usageBytes: 100 * MIB };
  assert.match(
    says(limit, story(report({ ...of, memory: full }))).findings[0] ?? "",
    /reached its memory limit: 100 MiB used of 100 MiB/,
  );
});

test("whose limit it was is certain only where the text says so", () => {
  const cut = report({ limitCgroup: null, memory: null });
  assert.match(says(limit, story(cut)).findings[0] ?? "", /^Container 5f1d3c9a4b7e reached/);
  assert.deepEqual(says(limit, story(cut)).confidences, ["likely"]);
  const ended = report({ limitCgroup: CONTAINER_PATH.slice(0, -20) });
  assert.deepEqual(says(limit, story(ended)).confidences, ["likely"]);
  const own = report({ limitCgroup: null });
  assert.deepEqual(says(limit, story(own)).confidences, ["certain"]);
  const unnamed = report({ limitCgroup: null, memory: null, cgroupStats: [] });
  assert.match(says(limit, story(unnamed)).findings[0] ?? "", /does not name reached/);
  assert.deepEqual(says(limit, story(unnamed)).confidences, ["certain"]);
});

test("a usage far below the limit reached nothing, and a larger limit is no advice", () => {
  const memory = { usageBytes: 125 * MIB, limitBytes: 256 * MIB, failCount: 44_749 };
  const of = story(report({ memory }));
  const { findings, confidences, advice } = says(limit, of);
  assert.equal(
    findings[0],
    "The kernel blames the limit of container 5f1d3c9a4b7e, but the usage it prints is far below: 125 MiB of 256 MiB.",
  );
  assert.deepEqual(confidences, ["certain", "possible"]);
  assert.deepEqual(advice, []);
  assert.match(headlineOf(of), /: the limit of container \w+ is blamed, at 125 MiB of 256 MiB/);
  const near = report({ memory: { ...memory, usageBytes: 250 * MIB } });
  assert.match(says(limit, story(near)).findings[0] ?? "", /reached its memory limit/);
});

test("'Out of memory' alone may be the machine or the nodes of a cpuset or a memory policy", () => {
  const bare = nodeReport({ printedConstraint: null, node: null });
  const { findings, confidences } = says(limit, story(bare));
  assert.deepEqual(findings, [
    "No memory cgroup's limit was hit: the whole machine ran out of memory, or the NUMA nodes that the process may use.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.equal(headlineOf(story(bare)), "leak[20] killed: out of memory, not of a cgroup's limit");
  const roomy = nodeReport({ printedConstraint: null, node: node({ free: 400 }) });
  assert.match(says(limit, story(roomy)).findings[0] ?? "", /, or the NUMA nodes/);
  const full = says(limit, story(nodeReport({ printedConstraint: null })));
  assert.match(full.findings[0] ?? "", /^The whole machine ran out of memory/);
  assert.deepEqual(full.confidences, ["likely"]);
});
