import assert from "node:assert/strict";
import { test } from "node:test";
import { node, nodeReport, report, says, stats, story } from "../testing.ts";
import { anatomy } from "./anatomy.ts";

test("the largest part comes first, and it is said that it is not page cache", () => {
  const { findings, confidences, evidence } = says(anatomy, story(report()));
  assert.deepEqual(findings, [
    "98 % of it is private memory of processes (98 MiB).",
    "This is not page cache: only 1 MiB (1 %) could have been dropped; programs hold the rest.",
  ]);
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.match(
    evidence[0] ?? "",
    /^private memory of processes 98 MiB, page cache of files 1 MiB$/,
  );
});

test("a cache of nearly nothing is said to be that", () => {
  const cgroupStats = stats({ anon: 99, file: 0.5, shmem: 0 });
  assert.match(
    says(anatomy, story(report({ cgroupStats }))).findings[1] ?? "",
    /next to nothing could have been dropped/,
  );
});

test("what is page cache is not said to be none", () => {
  const cgroupStats = stats({ anon: 40, file: 58, shmem: 0 });
  const { findings } = says(anatomy, story(report({ cgroupStats })));
  assert.deepEqual(findings, [
    "58 % of it is page cache of files (58 MiB), then private memory of processes 40 %.",
  ]);
});

test("page cache is what is left of v2's file without shmem, of v1's cache without shmem", () => {
  const v2 = story(report({ cgroupStats: stats({ anon: 10, file: 80, shmem: 70 }) }));
  assert.match(
    says(anatomy, v2).findings[0] ?? "",
    /^70 % of it is tmpfs.*private memory of processes 10 %, page cache of files 10 %/,
  );
  const cgroupStats = stats({ rss: 0, total_rss: 90, total_cache: 8, total_shmem: 6 });
  const v1 = story(report({ version: 1, cgroupStats }));
  assert.match(
    says(anatomy, v1).findings[0] ?? "",
    /^90 % of it is private memory.*tmpfs and shared memory 6 %, page cache of files 2 %/,
  );
});

test("old kernels print every cgroup below the limit: they add up", () => {
  const [one] = stats({ cache: 1, rss: 50, shmem: 0 });
  const cgroupStats = one === undefined ? [] : [one, one];
  assert.match(says(anatomy, story(report({ cgroupStats }))).findings[0] ?? "", /\(100 MiB\)/);
});

test("the machine's lists hold tmpfs among the anonymous; it is told apart", () => {
  const of = nodeReport({ node: node({ active_anon: 900, inactive_anon: 0, shmem: 600 }) });
  assert.match(
    says(anatomy, story(of)).findings[0] ?? "",
    /^60 % of the machine is tmpfs and shared memory \(600 MiB\), then private memory of processes 30 %/,
  );
});

test("without figures nothing is said", () => {
  assert.deepEqual(says(anatomy, story(report({ cgroupStats: [] }))).findings, []);
  assert.deepEqual(says(anatomy, story(nodeReport({ node: null }))).findings, []);
});
