import assert from "node:assert/strict";
import { test } from "node:test";
import { report, says, stats, story } from "../testing.ts";
import { locked } from "./locked.ts";

const unevictable = (mib: number) =>
  says(locked, story(report({ cgroupStats: stats({ anon: 98, file: 0, unevictable: mib }) })));

test("locked memory leaves nothing to reclaim", () => {
  const { findings, confidences, evidence, advice } = unevictable(60);
  assert.deepEqual(findings, [
    "60 MiB (60 %) is locked in memory: it can neither be swapped nor dropped.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, ["unevictable 62914560 bytes"]);
  assert.match(advice[0] ?? "", /mlock/);
});

test("a little of it is not the reason", () => {
  assert.deepEqual(unevictable(4).findings, []);
});
