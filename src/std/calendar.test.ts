import assert from "node:assert/strict";
import { test } from "node:test";
import { daysSince1970 } from "./calendar.ts";

test("every day from 1900 to 2200 is the one that the language's own calendar has", () => {
  const first = Date.UTC(1900, 0, 1) / 86_400_000;
  const last = Date.UTC(2200, 11, 31) / 86_400_000;
  for (let days = first; days <= last; days++) {
    const date = new Date(days * 86_400_000);
    const found = daysSince1970(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate());
    assert.equal(found, days, date.toISOString());
  }
});
