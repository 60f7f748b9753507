import assert from "node:assert/strict";
import { test } from "node:test";
import { missingRanges } from "./ranges.ts";

test("what is missing is named as ranges", () => {
  assert.equal(missingRanges(1, 4, [1, 2, 3, 4]), null);
  assert.equal(missingRanges(5, 4, []), null);
  assert.equal(missingRanges(1, 9, [2, 3, 6, 12]), "1, 4-5, 7-9");
  assert.equal(missingRanges(1, 12, [2, 4, 6, 8, 10]), "1, 3, 5, 7, 9 and more");
});
