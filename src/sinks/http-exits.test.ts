import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { OutputRecord } from "../model/record.ts";
import { startHttp } from "./http.ts";
import { createStore, STORE_FILE } from "./store.ts";
import { ask, readEvents } from "./testing/http-client.ts";
import {
  agentView,
  CONTAINER,
  exitRecord,
  killRecord,
  POD,
  realClock,
  temporaryDirectory,
  USERSPACE_KILL,
} from "./testing/records.ts";

const RECORDS: readonly OutputRecord[] = [
  killRecord(1, { container: CONTAINER, pod: POD, visibility: "invisible" }),
  killRecord(2),
  exitRecord(1),
  exitRecord(2, {
    container: { ...CONTAINER, id: "e".repeat(64), name: "web & co" },
    pod: null,
    verdict: "not-oom",
    kills: [],
  }),
  USERSPACE_KILL,
];

/** A server with a store, both told the records. */
async function withServer(work: (url: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  const store = createStore({ path: file, clock: realClock, report: assert.fail });
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView(),
    log: store,
    clock: realClock,
    report: assert.fail,
  });
  const stream = RECORDS.map((record, index) => ({ sequence: index + 1, record }));
  sink.accept(stream);
  store.accept(stream);
  try {
    await work(sink.url);
  } finally {
    await sink.close();
    await store.close();
    directory.remove();
  }
}

async function itemsOf(url: string): Promise<unknown[]> {
  const { status, body } = await ask(url);
  assert.equal(status, 200, body);
  return JSON.parse(body).items;
}

test("exits: newest first, by owner, in pages", () =>
  withServer(async (url) => {
    const exits = `${url}/api/v1/exits`;
    assert.deepEqual(await itemsOf(exits), [RECORDS[3], RECORDS[2]]);
    assert.deepEqual(await itemsOf(`${exits}?pod=cart-0&namespace=shop`), [RECORDS[2]]);
    assert.deepEqual(await itemsOf(`${exits}?container=web%20%26%20co`), [RECORDS[3]]);
    assert.deepEqual(await itemsOf(`${exits}?container=${"e".repeat(12)}`), [RECORDS[3]]);
    assert.deepEqual(await itemsOf(`${exits}?pod=nobody`), []);
    const first = JSON.parse((await ask(`${exits}?limit=1`)).body);
    assert.deepEqual(first.items, [RECORDS[3]]);
    assert.deepEqual(await itemsOf(`${exits}?limit=1&cursor=${first.next}`), [RECORDS[2]]);
  }));

test("kills by owner and visibility", () =>
  withServer(async (url) => {
    const kills = `${url}/api/v1/kills`;
    for (const query of ["pod=cart-0", "container=api", "namespace=shop", "invisible=true"]) {
      assert.deepEqual(await itemsOf(`${kills}?${query}`), [RECORDS[0]], query);
    }
    assert.equal((await itemsOf(`${kills}?invisible=false`)).length, 2);
  }));

test("what is not asked for properly is refused", () =>
  withServer(async (url) => {
    for (const [query, code] of [
      ["kills?invisible=yes", "bad-invisible"],
      ["kills?invisible", "bad-invisible"],
      ["exits?invisible=true", "unknown-parameter"],
      ["exits?limit=0", "bad-limit"],
      ["exits?cursor=x", "bad-cursor"],
      // A cursor of the other list.
      [
        `exits?cursor=${JSON.parse((await ask(`${url}/api/v1/kills?limit=1`)).body).next}`,
        "bad-cursor",
      ],
      ["exits?pod=a&pod=b", "repeated-parameter"],
    ] as const) {
      const { status, body } = await ask(`${url}/api/v1/${query}`);
      assert.equal(status, 400, query);
      assert.equal(JSON.parse(body).error.code, code, query);
    }
  }));

test("exits and kills by userspace come with the event stream, in order", () =>
  withServer(async (url) => {
    const reader = await readEvents(`${url}/api/v1/events?after=0`);
    await reader.until(() => reader.events.length === RECORDS.length);
    assert.deepEqual(
      reader.events.map(({ id, event, data }) => [id, event, JSON.parse(data)]),
      RECORDS.map((record, index) => [index + 1, record.type, record]),
    );
    reader.close();
  }));
