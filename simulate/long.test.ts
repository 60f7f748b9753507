import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Progress, runLong } from "./long.ts";

test("a long run goes on where it was interrupted, and tells what failed before", async () => {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-long-"));
  const file = join(directory, "progress.json");
  const before: Progress = {
    seed: 1_000_000,
    schedules: 5_020,
    bug: null,
    ran: 5_000,
    kills: 7,
    wrongGuesses: 1,
    withoutCgroup: 2,
    seconds: 3,
    failures: [{ seed: 1_000_003, problem: "was wrong" }],
  };
  writeFileSync(file, JSON.stringify(before));
  const told: number[] = [];
  const done = await runLong({
    task: { seed: null, schedules: 5_020, bug: null },
    file,
    workers: 1,
    told: ({ ran }) => told.push(ran),
  });
  assert.deepEqual([done.seed, done.ran, told], [1_000_000, 5_020, [5_020]]);
  assert.deepEqual(done.failures, before.failures);
  assert.ok(done.kills > before.kills);
  assert.equal(existsSync(file), false, "a run that is over leaves nothing");
  rmSync(directory, { recursive: true });
});

test("a file of another run is not taken up", async () => {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-long-"));
  const file = join(directory, "progress.json");
  writeFileSync(file, '{"seed":5,"schedules":7,"bug":null,"ran":6');
  const task = { seed: 1_000_000, schedules: 3, bug: null };
  const done = await runLong({ task, file, workers: 1, told: () => undefined });
  assert.deepEqual([done.ran, done.failures], [3, []]);
  rmSync(directory, { recursive: true });
});
