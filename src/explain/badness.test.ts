import assert from "node:assert/strict";
import { test } from "node:test";
import type { OomReport, TaskRow } from "../model/report.ts";
import { pageBytesOf, rank, victimRow } from "./badness.ts";
import { MIB, node, nodeReport, report, task } from "./testing.ts";

const PAGE = 4096;

/** The first of a report's ranking under a kernel. */
function first(kernelRelease: string, tasks: readonly TaskRow[], parts: Partial<OomReport> = {}) {
  const of = report({ kernelRelease, tasks, kills: [], ...parts });
  return rank(of, tasks.at(-1) ?? null);
}

const pages = (count: number, pid: number, parts: Partial<TaskRow> = {}) =>
  task(`p${pid}`, pid, (count * PAGE) / MIB, { pageTableBytes: 0, ...parts });

test("5.9 and later: rss, swap and page tables in pages, the adjustment by whole thousandths of the limit", () => {
  const row = pages(1000, 11, {
    swapBytes: 24 * PAGE,
    pageTableBytes: 3 * PAGE + 100,
    oomScoreAdj: -500,
  });
  const { order, adjBytes, agrees } = first("6.12.1", [row]);
  // 100 MiB are 25600 pages, a thousandth of it 25.
  assert.equal(adjBytes, 25 * PAGE);
  assert.equal(order[0]?.badness, 1000 + 24 + 3 - 500 * 25);
  assert.equal(agrees, true);
});

test("before 5.9 nobody was below 1, so the first of the unlikely ones was as good as the other", () => {
  const rows = [pages(900, 10, { oomScoreAdj: -900 }), pages(400, 11, { oomScoreAdj: -900 })];
  assert.equal(first("5.8.0", rows).order[0]?.badness, 1);
  assert.equal(first("5.8.0", rows).agrees, true);
  assert.equal(first("5.9.0", rows).agrees, false);
});

test("a snapshot of linux-next may have ranked by what was never released", () => {
  const rows = [pages(900, 10), pages(400, 11)];
  assert.equal(first("5.8.0-rc4-next-20200710", rows).agrees, null);
  assert.match(first("5.8.0-rc4-next-20200710", rows).doubt ?? "", /linux-next/);
  assert.equal(first("5.8.0-rc4", rows).agrees, false);
});

test("before 4.17 root was favoured: by 3 % of its own pages, before 3.14 by thirty thousandths", () => {
  const rows = [pages(2010, 10, { uid: 0 }), pages(2000, 11)];
  assert.equal(first("4.9.0", rows).order[0]?.task, rows[1]);
  assert.equal(first("4.9.0", rows).order[1]?.badness, 2010 - 60);
  assert.equal(first("3.13.0", rows).order[1]?.badness, 2010 - 30 * 25);
  assert.equal(first("4.17.0", rows).order[0]?.task, rows[0]);
});

test("root of a container has no CAP_SYS_ADMIN and no bonus: both are tried", () => {
  const rows = [pages(2000, 10), pages(2010, 11, { uid: 0 })];
  assert.equal(first("4.9.0", rows).agrees, true);
});

test("kernels whose formula or table says too little are not computed", () => {
  const rows = [pages(900, 10, { swapBytes: null }), pages(400, 11, { swapBytes: null })];
  for (const release of ["2.6.32-754.el6.x86_64", "3.2.0-4-amd64"]) {
    const { order, agrees, doubt } = first(release, rows);
    assert.equal(order[0]?.badness, null);
    assert.equal(order[0]?.task, rows[0]);
    assert.equal(agrees, null);
    assert.match(doubt ?? "", /cannot be computed/);
  }
});

test("Red Hat's kernels carry later formulas under old numbers: any that fits is taken", () => {
  const rows = [pages(2010, 10, { uid: 0 }), pages(2000, 11)];
  assert.equal(first("3.10.0-1160.el7.x86_64", rows).agrees, true);
  assert.equal(first("4.18.0-553.el8.x86_64", rows.toReversed()).agrees, true);
});

test("who must not be killed is never ranked", () => {
  const rows = [pages(9000, 10, { oomScoreAdj: -1000 }), task("init", 1, 90), pages(400, 11)];
  const { order, agrees } = first("6.1.0", rows);
  assert.deepEqual(
    order.map(({ unkillable }) => unkillable),
    [false, true, true],
  );
  assert.equal(agrees, true);
});

test("equals are the kernel's choice", () => {
  const rows = [pages(400, 10), pages(400, 12), pages(400, 11)];
  assert.equal(first("6.1.0", rows).agrees, true);
});

test("the swap that a cgroup may use weighs in the adjustment, v1's by its difference", () => {
  const rows = [pages(400, 11)];
  const usage = (mib: number) => ({ usageBytes: 0, limitBytes: mib * MIB, failCount: 0 });
  const machine = node({}, { swapTotalBytes: 1000 * MIB });
  const v2 = { kernelRelease: "6.1.0", tasks: rows, swap: usage(100), node: machine };
  assert.equal(rank(report(v2), null).adjBytes, 51 * PAGE);
  const v1 = { ...v2, version: 1, swap: null, memorySwap: usage(150) } as const;
  assert.equal(rank(report(v1), null).adjBytes, 38 * PAGE);
  const alone = { ...v2, swap: usage(0) };
  assert.equal(rank(report(alone), null).adjBytes, 25 * PAGE);
});

test("on a full machine the whole is its RAM and swap", () => {
  const machine = node({}, { usableBytes: 1000 * MIB, swapTotalBytes: 24 * MIB });
  const of = nodeReport({ kernelRelease: "6.1.0", node: machine });
  assert.equal(rank(of, null).adjBytes, 262 * PAGE);
});

test("known reasons make a difference a doubt, not a contradiction", () => {
  const rows = [pages(900, 10), pages(400, 11)];
  assert.match(first("4.19.0", rows).doubt ?? "", /child of the worst process/);
  const asked = nodeReport({ tasks: rows, node: node() });
  assert.match(rank(asked, rows[1] ?? null).doubt ?? "", /oom_kill_allocating_task/);
  const bound = nodeReport({ tasks: rows, constraint: "cpuset" });
  assert.match(rank(bound, rows[1] ?? null).doubt ?? "", /exhausted nodes/);
  assert.equal(first("6.1.0", rows).agrees, false);
});

test("a table that is not whole agrees with nothing", () => {
  assert.equal(first("6.1.0", [pages(400, 11)], { tasksDropped: 3 }).agrees, null);
});

test("pages are as large as the table's figures allow", () => {
  const large = Array.from({ length: 8 }, (_, index) =>
    task(`p${index}`, 20 + index, 1, { rssBytes: 65_536 * (index + 1), totalVmBytes: 655_360 }),
  );
  assert.equal(pageBytesOf(report({ tasks: large })), 65_536);
  assert.equal(pageBytesOf(report({ tasks: [pages(1, 10), pages(3, 11)] })), PAGE);
});

test("a victim is found by its thread, then by its process", () => {
  const row = pages(400, 11, { tid: 12 });
  const of = report({ tasks: [pages(100, 12, { tid: 13 }), row] });
  assert.equal(victimRow(of, 12, null), row);
  assert.equal(victimRow(of, 99, 11), row);
  assert.equal(victimRow(of, 99, 98), null);
});
