import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatWall } from "../model/time.ts";
import { parseRfc3339, parseTimeBound } from "./time-bound.ts";

const NOW = 1_795_216_205_123_456;

test("times and durations", () => {
  for (const [text, expected] of [
    ["2026-11-20T23:10:05.123456Z", 1_795_216_205_123_456],
    ["2026-11-20T23:10:05Z", 1_795_216_205_000_000],
    ["2026-11-21T00:10:05+01:00", 1_795_216_205_000_000],
    ["2026-11-20 18:10:05.5-05:00", 1_795_216_205_500_000],
    ["2024-02-29T00:00:00Z", 1_709_164_800_000_000],
    ["15m", NOW - 900_000_000],
    ["1h30m", NOW - 5_400_000_000],
    ["7d", NOW - 604_800_000_000],
    ["0s", NOW],
  ] as const) {
    assert.equal(parseTimeBound(text, NOW), expected, text);
  }
});

test("anything else is refused", () => {
  for (const text of [
    "",
    "15",
    "m",
    "-15m",
    "1.5h",
    "15M",
    "1y",
    "now",
    "2026-11-20",
    "2026-11-20T23:10:05",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T23:10:05+25:00",
    "99999999999999999999s",
    " 15m",
    "15m\n",
  ]) {
    assert.equal(parseTimeBound(text, NOW), null, text);
  }
});

test("law: what the contract prints is read back to the microsecond", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000_000 }), (wall) => {
      assert.equal(parseRfc3339(formatWall(wall)), wall);
    }),
  );
});
