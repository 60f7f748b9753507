import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, node, nodeReport, report, says, story, zone } from "../testing.ts";
import { allocation } from "./allocation.ts";

const asks = (order: number, gfpFlags: readonly string[] | null = ["GFP_KERNEL"]) => ({
  comm: "mkfs",
  pid: 30,
  gfpMask: "0xcc0",
  gfpFlags,
  order,
  oomScoreAdj: 0,
});

test("zones at their reserve could not serve a page", () => {
  const zones = [zone("DMA", { free: 1 }), zone("DMA32", { free: 1.5 })];
  const of = nodeReport({ trigger: asks(0), node: node({}, { zones }) });
  const { findings, confidences, evidence, advice } = says(allocation, story(of));
  assert.deepEqual(findings, [
    "mkfs[30] asked for one page (4 KiB) and there was none to give.",
    "Every zone that may serve it (DMA, DMA32) is down to the reserve that the kernel keeps for itself.",
  ]);
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.deepEqual(evidence, [
    "gfp_mask=GFP_KERNEL, order=0",
    "node 0 DMA: free 1 MiB, reserve (min) 2 MiB: exhausted",
    "node 0 DMA32: free 1.5 MiB, reserve (min) 2 MiB: exhausted",
  ]);
  assert.deepEqual(advice, []);
});

test("memory free in a zone that may not serve it is no help, and more of it neither", () => {
  const zones = [zone("DMA", {}), zone("Normal", {}), zone("HighMem", { free: 900 })];
  const of = nodeReport({ trigger: asks(0), node: node({}, { zones }) });
  const { findings, advice } = says(allocation, story(of));
  assert.match(findings[1] ?? "", /\(DMA, Normal\).*; 897 MiB free elsewhere may not be used/);
  assert.match(advice[0] ?? "", /^Relieve the zones DMA, Normal/);
});

test("a zone that HighMem requests may use is none that is out of reach", () => {
  const zones = [zone("Normal", {}), zone("HighMem", { free: 900 })];
  const trigger = asks(0, ["GFP_HIGHUSER_MOVABLE"]);
  const { findings, confidences } = says(
    allocation,
    story(nodeReport({ trigger, node: node({}, { zones }) })),
  );
  assert.match(findings[1] ?? "", /came free a moment too late/);
  assert.equal(confidences[1], "possible");
});

test("enough free in too small pieces is fragmentation, by the buddy lists", () => {
  const pieces = { ...zone("Normal", { free: 60 }), freeBlocks: [9000, 3000, 40, 0, 0] };
  const of = nodeReport({ trigger: asks(3), node: node({}, { zones: [pieces] }) });
  const { findings, confidences, advice } = says(allocation, story(of));
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.match(findings[0] ?? "", /asked for 8 pages in one piece \(32 KiB\)/);
  assert.match(findings[1] ?? "", /^Memory is fragmented: 60 MiB are free/);
  assert.match(advice[0] ?? "", /asks for 32 KiB in one piece/);
  const whole = { ...pieces, freeBlocks: [9000, 3000, 40, 1, 0] };
  const other = nodeReport({ trigger: asks(3), node: node({}, { zones: [whole] }) });
  assert.doesNotMatch(says(allocation, story(other)).findings.join(), /fragmented/);
});

test("what is set aside from other zones' requests is out of reach, too", () => {
  const kept = {
    ...zone("DMA", { free: 15, min: 1, high: 2 }),
    lowmemReservePages: [0, 3584, 3584, 0],
  };
  const zones = [kept, zone("DMA32", { free: 1 })];
  const of = nodeReport({ trigger: asks(0), node: node({}, { zones }) });
  const { findings, evidence } = says(allocation, story(of));
  assert.match(findings[1] ?? "", /is down to the reserve/);
  assert.equal(
    evidence[1],
    "node 0 DMA: free 15 MiB, reserve (min) 1 MiB and 14 MiB kept from such requests: exhausted",
  );
});

test("a cgroup's limit and sysrq ask for nothing; without zones only the question is told", () => {
  assert.deepEqual(says(allocation, story(report())).findings, []);
  assert.deepEqual(
    says(allocation, story(nodeReport({ trigger: asks(-1), sysrq: true }))).findings,
    [],
  );
  assert.equal(says(allocation, story(nodeReport({ trigger: asks(0) }))).findings.length, 1);
  const far = nodeReport({ trigger: asks(0), node: node({}, { usableBytes: 9 * MIB }) });
  assert.equal(says(allocation, story(far)).findings.length, 1);
});

test("a report that may be of a cgroup, and a page fault, name no request that the machine could not serve", () => {
  const cut = { constraint: null, trigger: asks(0) } as const;
  const fault = { ...asks(0, []), gfpMask: "0x0" };
  const findings = (parts: Parameters<typeof nodeReport>[0]) =>
    says(allocation, story(nodeReport(parts))).findings.length;
  assert.equal(findings({ ...cut, node: null }), 0);
  assert.equal(findings({ ...cut, node: node({}, { zones: [zone("Normal", {})] }) }), 2);
  assert.equal(findings({ trigger: asks(0), node: null }), 1);
  assert.equal(findings({ trigger: fault }), 0);
});
