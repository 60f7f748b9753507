import assert from "node:assert/strict";
import { test } from "node:test";
import { report, says, stats, story } from "../testing.ts";
import { pageCache } from "./page-cache.ts";

const cache = (values: Record<string, number>) =>
  says(pageCache, story(report({ cgroupStats: stats({ anon: 30, shmem: 0, ...values }) })));

test("page cache that waits for the disk could not go", () => {
  const { findings, confidences, evidence, advice } = cache({
    file: 65,
    file_dirty: 30,
    file_writeback: 25,
  });
  assert.deepEqual(findings, [
    "65 MiB (65 %) is page cache, and 55 MiB of it could not go: it waits to be written to disk.",
  ]);
  assert.deepEqual(confidences, ["likely"]);
  assert.deepEqual(evidence, ["dirty and under write-back 57671680 bytes"]);
  assert.match(advice[0] ?? "", /Write less at a time/);
});

test("clean page cache that stayed is possibly a thrashing program", () => {
  const { findings, confidences } = cache({ file: 65 });
  assert.match(findings[0] ?? "", /^65 MiB \(65 %\) is page cache that was not given up/);
  assert.deepEqual(confidences, ["possible"]);
});

test("tmpfs is no page cache of a disk, and a little cache is nothing", () => {
  assert.deepEqual(cache({ file: 65, shmem: 60 }).findings, []);
  assert.deepEqual(cache({ file: 5 }).findings, []);
});
