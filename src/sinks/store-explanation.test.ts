import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { explainRecord } from "../explain/explain.ts";
import { openSqlite } from "../host/sqlite.ts";
import type { Explanation } from "../model/explanation.ts";
import { killRoute } from "./http-kills.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import { explainedKill } from "./store-explanation.ts";
import { openStoreReader } from "./store-read.ts";
import { killRecord, manualClock, realClock, temporaryDirectory } from "./testing/records.ts";

const MADE: Explanation = {
  ...explainRecord(killRecord(1), null),
  headline: "hog[1001] killed: told when it happened",
  memory: { of: "cgroup", totalBytes: 20, parts: [{ name: "private memory", bytes: 18 }] },
  ranking: [
    {
      pid: 1_001,
      comm: "hog",
      badness: null,
      rssBytes: 18,
      swapBytes: null,
      oomScoreAdj: -5,
      victim: true,
      trigger: false,
    },
  ],
  taskCount: 1,
  rankingAgrees: true,
};

async function withStore(work: (store: Store, file: string) => void | Promise<void>) {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  const store = createStore({ path: file, clock: realClock, report: assert.fail });
  try {
    await work(store, file);
  } finally {
    await store.close();
    directory.remove();
  }
}

test("an explanation told before its kill is on disk stays with it, also after a restart", () =>
  withStore(async (store, file) => {
    const record = killRecord(1);
    store.accept([{ sequence: 1, record }]);
    store.explain?.([{ record, explanation: MADE }]);
    assert.deepEqual(store.explanation(record.id), MADE);
    // An amendment does not take it away.
    store.accept([{ sequence: 2, record: { ...record, revision: 1 } }]);
    await store.close();
    const reader = openStoreReader(file);
    assert.deepEqual(reader.explanation(record.id), MADE);
    assert.equal(reader.explanation("k0000"), null, "an id is not searched for by its beginning");
    const found = reader.kill("k0000");
    assert.equal(found.kind === "found" && found.record.revision, 1);
    reader.close();
  }));

test("the last telling wins, a flush has it on disk", () =>
  withStore((store, file) => {
    const record = killRecord(1);
    store.accept([{ sequence: 1, record }]);
    store.explain?.([{ record, explanation: MADE }]);
    store.explain?.([{ record, explanation: { ...MADE, headline: "later" } }]);
    assert.equal(store.flush(), true);
    const reader = openStoreReader(file);
    assert.equal(reader.explanation(record.id)?.headline, "later");
    reader.close();
  }));

test("without an explanation, or with a damaged one, the record tells what it can", () =>
  withStore((store, file) => {
    const record = killRecord(1);
    store.accept([{ sequence: 1, record }]);
    const alone = explainRecord(record, null);
    assert.deepEqual(explainedKill(store, record).explanation, alone);
    store.flush();
    const database = openSqlite(file, "write");
    for (const damage of ["{", "[]", "null", JSON.stringify({ ...MADE, ranking: [{}] })]) {
      database.prepare("UPDATE kills SET explanation = ?").run(damage);
      assert.deepEqual(explainedKill(store, record).explanation, alone, damage);
    }
    database.close();
  }));

test("the API gives one kill with its explanation", () =>
  withStore((store) => {
    const record = killRecord(1);
    store.accept([{ sequence: 1, record }]);
    store.explain?.([{ record, explanation: MADE }]);
    const route = killRoute(store, "k0000");
    assert.ok(route.kind === "long");
    const reply = route.begin();
    assert.equal(reply.status, 200);
    assert.deepEqual(JSON.parse([...reply.body].join("")), { ...record, explanation: MADE });
  }));

test("explanations that wait for a disk that does not come are bounded and counted", async () => {
  const store = createStore({
    path: "/proc/none/oomwitness.db",
    clock: manualClock(),
    report: () => {},
  });
  for (let index = 0; index < 6_000; index++) {
    store.explain?.([{ record: killRecord(index), explanation: MADE }]);
  }
  assert.equal(store.dropped(), 1_000);
  await store.close();
});
