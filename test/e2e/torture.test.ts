import assert from "node:assert/strict";
import { test } from "node:test";
import { line } from "../torture/print.ts";
import { complaintsOf } from "../torture/row.ts";
import { loadRows, runRow, whyNot } from "../torture/run.ts";

for (const row of await loadRows()) {
  test(`${row.name}: ${row.fault}`, { skip: whyNot(row) ?? false }, async (t) => {
    const result = await runRow(row, false);
    t.diagnostic(line(result, 200));
    assert.deepEqual(complaintsOf(result), []);
  });
}
