import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

/**
 * Logs found in public, labelled with what they contain; of unknown licence, so they are beside the repository, not in it.
 * The score program of the folder runs the real command on each and compares.
 */
const ROOT = path.resolve(import.meta.dirname, "..");
const SCORE = path.resolve(ROOT, "../shared/fixtures/corpus/score.mjs");
const run = promisify(execFile);

test("every labelled log of the corpus: all kills, every field, nothing invented", async (t) => {
  if (!existsSync(SCORE)) {
    t.skip(`the corpus of public logs is not here (${path.relative(ROOT, SCORE)})`);
    return;
  }
  const words = [SCORE, "--", path.join(ROOT, "bin/oomwitness")];
  const { stdout } = await run(process.execPath, words).catch((error: unknown) => {
    const { stdout } = error as { readonly stdout?: string };
    assert.fail(`the score is not full:\n${stdout ?? String(error)}`);
  });
  const [, clean, cases] = /cases clean (\d+)\/(\d+)/.exec(stdout) ?? [];
  assert.ok(Number(cases) > 0, stdout);
  assert.equal(clean, cases);
});
