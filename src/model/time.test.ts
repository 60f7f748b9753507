import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatWall, parseFormattedWall } from "./time.ts";

test("law: what was formatted can be read again", () => {
  const wall = fc.integer({ min: 0, max: 4_102_444_800_000_000 });
  fc.assert(fc.property(wall, (one) => assert.equal(parseFormattedWall(formatWall(one)), one)));
});

test("other texts are no time", () => {
  for (const text of ["", "2026-11-20", "2026-11-20T23:10:05Z"]) {
    assert.equal(parseFormattedWall(text), null);
  }
});
