import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, node, nodeReport, report, says, story } from "../testing.ts";
import { hugePages } from "./huge-pages.ts";

const reserved = (mib: number) => nodeReport({ node: node({}, { hugePagesBytes: mib * MIB }) });

test("a reservation of huge pages is missing for everybody", () => {
  const { findings, confidences, evidence, advice } = says(hugePages, story(reserved(512)));
  assert.deepEqual(findings, [
    "512 MiB (51 %) are set aside as huge pages: nobody else can use them, free or not.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["hugepages_total × hugepages_size"]);
  assert.match(advice[0] ?? "", /vm\.nr_hugepages/);
});

test("a small one, or one of a machine whose cgroup ran out, is not the reason", () => {
  assert.deepEqual(says(hugePages, story(reserved(64))).findings, []);
  assert.deepEqual(says(hugePages, story(report())).findings, []);
});
