import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createStore, STORE_FILE } from "./store.ts";
import { killStream, manualClock, temporaryDirectory } from "./testing/records.ts";

test("no call of the loop waits for the disk; a sync does, in another thread and only when something was written", async (t) => {
  const directory = temporaryDirectory();
  t.after(() => directory.remove());
  const waited: string[] = [];
  for (const name of ["fsyncSync", "fdatasyncSync"] as const) {
    t.mock.method(fs, name, () => void waited.push(name));
  }
  const opened: string[] = [];
  const real = fs.promises.open;
  t.mock.method(fs.promises, "open", (file: string, flags: number) => {
    opened.push(file);
    return real(file, flags);
  });
  const file = path.join(fs.realpathSync(directory.path), STORE_FILE);
  const clock = manualClock();
  const store = createStore({ path: file, clock, report: (sentence) => assert.fail(sentence) });
  store.accept(killStream(1, 10));
  clock.advance(1_000);
  store.flush();
  assert.deepEqual(opened, []);
  assert.equal(await store.sync?.(), true);
  assert.equal(await store.sync?.(), true);
  assert.deepEqual(opened, [`${file}-wal`]);
  store.accept(killStream(11, 12));
  store.flush();
  assert.equal(await store.sync?.(), true);
  assert.equal(opened.length, 2);
  await store.close();
  assert.deepEqual(waited, []);
});
