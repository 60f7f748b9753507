import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRfc3339 } from "./rfc3339.ts";

test("a time as Go prints it", () => {
  assert.equal(parseRfc3339("2026-11-21T06:52:42.138943778Z"), 1_795_243_962_138_943);
  assert.equal(parseRfc3339("2026-11-21T07:52:42+01:00"), 1_795_243_962_000_000);
  assert.equal(parseRfc3339("2026-11-21T01:22:42.5-05:30"), 1_795_243_962_500_000);
});

test("never, and what is no time", () => {
  for (const text of ["0001-01-01T00:00:00Z", "", "now", "2026-13-01T00:00:00Z"]) {
    assert.equal(parseRfc3339(text), null, text);
  }
});

test("agrees with Date on every millisecond from 1970 to 9999", () => {
  const moments = fc.integer({ min: 0, max: 253_402_300_799_999 });
  fc.assert(
    fc.property(moments, (milliseconds) => {
      const text = new Date(milliseconds).toISOString();
      assert.equal(parseRfc3339(text), milliseconds * 1000);
    }),
  );
});
