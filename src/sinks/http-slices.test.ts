import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openSqlite } from "../host/sqlite.ts";
import { startHttp } from "./http.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import { ask } from "./testing/http-client.ts";
import { agentView, killStream, realClock, temporaryDirectory } from "./testing/records.ts";

async function withStore(
  kills: number,
  work: (parts: { store: Store; file: string; url: string }) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  const store = createStore({ path: file, clock: realClock, report: () => undefined });
  store.accept(killStream(1, kills));
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView(),
    log: store,
    clock: realClock,
    notReady: () => store.problem(),
    report: assert.fail,
  });
  try {
    await work({ store, file, url: sink.url });
  } finally {
    await sink.close();
    await store.close();
    directory.remove();
  }
}

const query = { since: null, until: null, cursor: null };

test("a list read in slices is the page that one question gives", () =>
  withStore(350, async ({ store, url }) => {
    for (const limit of [1, 99, 100, 101, 200, 349, 350, 351, 1000]) {
      const answer = await ask(`${url}/api/v1/kills?limit=${limit}`);
      assert.deepEqual(
        JSON.parse(answer.body),
        { ...store.kills({ ...query, limit }), stored: true },
        String(limit),
      );
    }
    const answer = await ask(`${url}/api/v1/kills?namespace=nowhere`);
    assert.deepEqual(JSON.parse(answer.body), { items: [], next: null, stored: true });
  }));

test("what is no JSON is left out of a list, and what follows it is there", () =>
  withStore(350, async ({ store, file, url }) => {
    store.flush();
    const database = openSqlite(file, "write");
    database.exec(
      "UPDATE kills SET json = '{\"type\":' WHERE id BETWEEN 'k00000100' AND 'k00000320'",
    );
    database.close();
    const answer = await ask(`${url}/api/v1/kills?limit=1000`);
    assert.equal(JSON.parse(answer.body).items.length, 350 - 221);
  }));

test("an agent whose store failed is not ready, and says why", () =>
  withStore(1, async ({ store, file, url }) => {
    store.flush();
    assert.equal((await ask(`${url}/readyz`)).status, 200);
    const database = openSqlite(file, "write");
    database.exec("DROP TABLE events");
    store.accept(killStream(2, 2));
    assert.equal(store.flush(), false);
    const answer = await ask(`${url}/readyz`);
    assert.equal(answer.status, 503);
    assert.match(answer.body, /^not ready: .*events/);
    database.close();
  }));
