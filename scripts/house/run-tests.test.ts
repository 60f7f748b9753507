import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { runTests } from "./run-tests.ts";

async function runText(text: string, limitSeconds = 60) {
  const directory = mkdtempSync(path.join(tmpdir(), "oomwitness-run-"));
  const file = path.join(directory, "planted.test.ts");
  writeFileSync(file, text);
  try {
    return await runTests({ files: [file], sequential: true, limitSeconds, live: false });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("passes, failures and skips are counted, each once, with their reasons", async () => {
  const tally = await runText(`
    import { test, describe } from "node:test";
    test("good", () => {});
    test("bad", () => { console.log("printed"); throw new Error("planted failure"); });
    test("away", { skip: "needs a moon" }, () => {});
    test("away too", (t) => t.skip("needs two moons"));
    describe("group", () => { test("inner", () => {}); });
    test("outer", async (t) => { await t.test("nested bad", () => { throw new Error("nested"); }); });
  `);
  assert.equal(tally.passed, 2);
  assert.deepEqual(tally.failures.map(({ name }) => name).sort(), ["bad", "nested bad"]);
  assert.match(tally.failures.find(({ name }) => name === "bad")?.detail ?? "", /planted failure/);
  assert.deepEqual(tally.skips.map(({ reason }) => reason).sort(), [
    "needs a moon",
    "needs two moons",
  ]);
});

test("a file that does not load, or ends badly, is a failure", async () => {
  assert.equal((await runText('import "./none.ts";')).failures.length, 1);
  assert.equal((await runText("process.exit(3);")).failures.length, 1);
});

test("a file that hangs is a failure", async () => {
  const tally = await runText(
    'import { test } from "node:test"; test("hangs", () => new Promise(() => setInterval(() => {}, 1000)));',
    1,
  );
  assert.ok(tally.failures.length >= 1);
});

test("no files are no tests", async () => {
  const none = { files: [], sequential: false, limitSeconds: 1, live: false };
  assert.deepEqual(await runTests(none), { passed: 0, failures: [], skips: [] });
});
