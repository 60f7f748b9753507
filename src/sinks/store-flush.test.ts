import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createStore, STORE_FILE } from "./store.ts";
import { killStream, manualClock, temporaryDirectory } from "./testing/records.ts";

test("a flush waits for the disk, once, and only when something was written", async (t) => {
  const directory = temporaryDirectory();
  t.after(() => directory.remove());
  const synced: string[] = [];
  const real = fs.fsyncSync;
  t.mock.method(fs, "fsyncSync", (descriptor: number) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${descriptor}`));
    real(descriptor);
  });
  const file = path.join(fs.realpathSync(directory.path), STORE_FILE);
  const clock = manualClock();
  const store = createStore({ path: file, clock, report: (sentence) => assert.fail(sentence) });
  store.accept(killStream(1, 10));
  clock.advance(1_000);
  assert.deepEqual(synced, [], "nobody waits while a kill is told");
  store.flush();
  store.flush();
  assert.deepEqual(synced, [`${file}-wal`]);
  store.accept(killStream(11, 12));
  store.flush();
  assert.equal(synced.length, 2);
  await store.close();
});
