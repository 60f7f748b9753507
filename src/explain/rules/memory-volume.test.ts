import assert from "node:assert/strict";
import { test } from "node:test";
import { killOf, node, nodeReport, report, says, stats, story, task } from "../testing.ts";
import { memoryVolume } from "./memory-volume.ts";

const full = stats({ anon: 27, file: 72, shmem: 71 });

test("files in tmpfs that nobody has mapped are a memory-backed volume", () => {
  const { findings, confidences, evidence, advice } = says(
    memoryVolume,
    story(report({ cgroupStats: full, tasks: [task("dd", 10, 2), task("web", 11, 25)] })),
  );
  assert.deepEqual(findings, [
    "This is a memory-backed volume: 71 MiB (71 %) are files in tmpfs, not memory of a program.",
    "Killing does not free it: files in memory stay until somebody deletes them or the volume goes.",
  ]);
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.deepEqual(evidence.slice(0, 2), [
    "shmem 74448896 bytes",
    "processes have only 0 B of it mapped",
  ]);
  assert.deepEqual(advice, [
    "Give the volume a size (emptyDir.sizeLimit, --tmpfs size=) and count it into the memory limit (52Mi would leave 48Mi for programs); or put it on disk.",
  ]);
});

test("what one process has mapped is its shared memory, no volume", () => {
  const rows = [task("main", 10, 2), task("postgres", 11, 90, { shmemRssBytes: 70 * 1024 * 1024 })];
  const of = report({
    cgroupStats: full,
    tasks: rows,
    kills: rows.slice(1).map((row) => killOf(row)),
  });
  const { findings, confidences, advice } = says(memoryVolume, story(of));
  assert.deepEqual(confidences, ["certain"]);
  assert.match(
    findings[0] ?? "",
    /^71 MiB \(71 %\) is shared memory that processes have mapped; it is not page cache/,
  );
  assert.match(advice[0] ?? "", /shared_buffers/);
});

test("where the table does not split resident memory it is only likely", () => {
  const rows = [
    task("main", 10, 2, { shmemRssBytes: null }),
    task("web", 11, 25, { shmemRssBytes: null }),
  ];
  const { confidences } = says(memoryVolume, story(report({ cgroupStats: full, tasks: rows })));
  assert.equal(confidences[0], "likely");
});

test("where the programs were killed before, what they need is not guessed", () => {
  const cgroupStats = stats({ anon: 2, file: 96, shmem: 95 });
  const { advice } = says(memoryVolume, story(report({ cgroupStats, tasks: [task("dd", 11, 2)] })));
  assert.doesNotMatch(advice[0] ?? "", /would leave/);
});

test("on a full machine the tmpfs is to be found first; a little tmpfs is nothing", () => {
  const machine = nodeReport({ node: node({ shmem: 500 }) });
  assert.match(says(memoryVolume, story(machine)).advice[0] ?? "", /df -t tmpfs/);
  assert.deepEqual(says(memoryVolume, story(report())).findings, []);
});
