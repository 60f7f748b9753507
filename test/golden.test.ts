import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { matchGolden } from "./golden.ts";

test("a golden is written on accept, matched afterwards, and a difference is shown", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "oomwitness-golden-"));
  const file = path.join(directory, "a.golden.txt");
  const before = process.env["OOMWITNESS_ACCEPT"];
  try {
    delete process.env["OOMWITNESS_ACCEPT"];
    assert.throws(() => matchGolden(file, "x"), /is missing: 'npm run accept'/);
    process.env["OOMWITNESS_ACCEPT"] = "1";
    matchGolden(file, "one\ntwo\n");
    assert.equal(readFileSync(file, "utf8"), "one\ntwo\n");
    delete process.env["OOMWITNESS_ACCEPT"];
    matchGolden(file, "one\ntwo\n");
    assert.throws(
      () => matchGolden(file, "one\n2\n"),
      /line 2:\n {2}expected "two"\n {2}actual {3}"2"/,
    );
    assert.throws(() => matchGolden(file, "one\ntwo\nthree\n"), /line 3/);
    assert.throws(() => matchGolden(path.join(directory, "a.txt"), "x"), /named/);
  } finally {
    if (before === undefined) delete process.env["OOMWITNESS_ACCEPT"];
    else process.env["OOMWITNESS_ACCEPT"] = before;
    rmSync(directory, { recursive: true });
  }
});
