import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, node, nodeReport, report, says, story } from "../testing.ts";
import { swap } from "./swap.ts";

const usage = (usageMib: number, limitMib: number | null) => ({
  usageBytes: usageMib * MIB,
  limitBytes: limitMib === null ? null : limitMib * MIB,
  failCount: 0,
});

test("a cgroup that may not swap, one whose swap is full, one that has swapped", () => {
  const none = says(swap, story(report({ swap: usage(0, 0) })));
  assert.deepEqual(none.findings, ["It may not swap: its swap limit is 0."]);
  assert.deepEqual(none.confidences, ["certain"]);
  assert.deepEqual(none.evidence, ["swap: usage 0kB, limit 0kB"]);
  const full = says(swap, story(report({ swap: usage(50, 50) })));
  assert.deepEqual(full.confidences, ["certain"]);
  assert.deepEqual(full.findings, ["Its swap was full as well: 50 MiB of 50 MiB."]);
  const some = says(swap, story(report({ swap: usage(20, null) })));
  assert.deepEqual(some.confidences, ["certain"]);
  assert.deepEqual(some.findings, ["20 MiB of it are in swap already."]);
  assert.deepEqual(says(swap, story(report())).findings, []);
});

test("v1 limits memory and swap together", () => {
  const v1 = { version: 1, swap: null } as const;
  const same = says(swap, story(report({ ...v1, memorySwap: usage(100, 100) })));
  assert.match(
    same.findings[0] ?? "",
    /^It may not swap: memory and swap together have the same limit/,
  );
  assert.deepEqual(same.confidences, ["certain"]);
  const both = says(swap, story(report({ ...v1, memorySwap: usage(150, 150) })));
  assert.match(both.findings[0] ?? "", /reached their limit of 150 MiB: the 50 MiB of swap/);
});

test("a machine without swap, with full swap, with swap left", () => {
  const none = says(swap, story(nodeReport()));
  assert.deepEqual(none.confidences, ["certain"]);
  assert.match(none.findings[0] ?? "", /^The machine has no swap/);
  assert.match(none.advice[0] ?? "", /^Consider some swap/);
  const full = node({}, { swapTotalBytes: 500 * MIB, swapFreeBytes: MIB });
  assert.match(
    says(swap, story(nodeReport({ node: full }))).findings[0] ?? "",
    /^Swap is full: 499 MiB of 500 MiB/,
  );
  assert.deepEqual(says(swap, story(nodeReport({ node: full }))).confidences, ["certain"]);
  const left = node({}, { swapTotalBytes: 500 * MIB, swapFreeBytes: 400 * MIB });
  assert.match(
    says(swap, story(nodeReport({ node: left }))).findings[0] ?? "",
    /^Swap is not full/,
  );
});
