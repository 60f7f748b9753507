import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openSqlite } from "../host/sqlite.ts";
import type { ExitRecord, OutputRecord } from "../model/record.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import { type KillFilter, openStoreReader, type RecordLog } from "./store-read.ts";
import {
  CONTAINER,
  exitRecord,
  killRecord,
  LEDGER,
  manualClock,
  POD,
  realClock,
  START,
  temporaryDirectory,
  USERSPACE_KILL,
} from "./testing/records.ts";

const ALL = { since: null, until: null, limit: 100, cursor: null };
/** A file that version 0.1.0 wrote, before there were containers: three kills, a ledger and a source record. */
const OLD_STORE = path.join(import.meta.dirname, "testing/store-schema-1.sql");

async function withStore(work: (store: Store, file: string) => void): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  const store = createStore({ path: file, clock: realClock, report: assert.fail });
  try {
    work(store, file);
  } finally {
    await store.close();
    directory.remove();
  }
}

function tell(store: Store, ...records: OutputRecord[]): void {
  const first = store.lastSequence() + 1;
  store.accept(records.map((record, index) => ({ sequence: first + index, record })));
}

function everyExit(log: RecordLog, limit: number): ExitRecord[] {
  const found: ExitRecord[] = [];
  let cursor: string | null = null;
  do {
    const page = log.exits({ ...ALL, limit, cursor });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

test("exits: newest first, each once whatever the page, also those of one moment", () =>
  withStore((store) => {
    const exits = [1, 2, 2, 2, 3, 4].map((number, index) =>
      exitRecord(number, { id: `e${index}` }),
    );
    tell(store, ...exits);
    for (const limit of [1, 2, 100]) {
      assert.deepEqual(everyExit(store, limit), exits.toReversed());
    }
    const bounds = { since: START + 2_000, until: START + 4_000 };
    assert.deepEqual(
      store.exits({ ...ALL, ...bounds }).items.map(({ at }) => at),
      [3, 2, 2, 2].map((number) => exitRecord(number).at),
    );
    assert.throws(() => store.exits({ ...ALL, cursor: "nonsense" }), { code: "BAD_CURSOR" });
  }));

test("an exit that is amended stays one exit, in its place, and an older revision changes nothing", () =>
  withStore((store) => {
    const concluded = exitRecord(2, { id: "e", exitCode: null, signal: null, verdict: "unknown" });
    const heard = exitRecord(5, { id: "e", revision: 1 });
    tell(store, exitRecord(1), concluded, exitRecord(3), heard, concluded);
    assert.deepEqual(
      everyExit(store, 1).map(({ id, revision, verdict }) => [id, revision, verdict]),
      [
        ["e", 1, "oom-killed"],
        [exitRecord(3).id, 0, "oom-killed"],
        [exitRecord(1).id, 0, "oom-killed"],
      ],
    );
  }));

test("kills and exits are found by whose they are", () =>
  withStore((store) => {
    const other = { ...CONTAINER, id: "f".repeat(64), name: "k8s_web_1" };
    const web = { ...POD, name: "web-0", container: "web" };
    tell(
      store,
      killRecord(1, { container: CONTAINER, pod: POD, visibility: "invisible" }),
      killRecord(2, { container: other, pod: web, visibility: "visible" }),
      killRecord(3),
      exitRecord(1),
      exitRecord(2, { container: other, pod: web }),
    );
    const kills = (filter: KillFilter) =>
      store.kills({ ...ALL, filter }).items.map(({ id }) => Number(id.slice(1)));
    assert.deepEqual(kills({ pod: "cart-0" }), [1]);
    assert.deepEqual(kills({ namespace: "shop" }), [2, 1]);
    assert.deepEqual(kills({ container: "web" }), [2]);
    assert.deepEqual(kills({ container: "k8s_web_1" }), [2]);
    assert.deepEqual(kills({ container: "0123456789ab" }), [1]);
    assert.deepEqual(kills({ container: "0123" }), [], "too short for an id");
    assert.deepEqual(kills({ invisible: true }), [1]);
    assert.deepEqual(kills({ invisible: false }), [3, 2, 1]);
    assert.deepEqual(kills({ pod: "' OR 1=1 --" }), []);
    assert.equal(store.exits({ ...ALL, filter: { pod: "web-0" } }).items.length, 1);
    assert.equal(store.exits({ ...ALL, filter: { namespace: "shop" } }).items.length, 2);
    assert.equal(store.exits({ ...ALL, filter: { container: "none" } }).items.length, 0);
  }));

test("a kill that is amended is found under its new owner", () =>
  withStore((store) => {
    const found = () => store.kills({ ...ALL, filter: { pod: "cart-0", invisible: true } }).items;
    tell(store, killRecord(1));
    assert.deepEqual(found(), []);
    tell(
      store,
      killRecord(1, { revision: 1, container: CONTAINER, pod: POD, visibility: "invisible" }),
    );
    assert.equal(found().length, 1);
  }));

test("an exit told again after a crash is there once; hostile names come back unchanged", () =>
  withStore((store, file) => {
    const name = 'a"b\n\x1b[31m\ud800'.toWellFormed();
    const hostile = exitRecord(1, { container: { ...CONTAINER, name }, pod: null });
    store.accept([{ sequence: 1, record: hostile }]);
    store.flush?.();
    store.accept([{ sequence: 1, record: hostile }]);
    store.flush?.();
    const reader = openStoreReader(file);
    assert.deepEqual(reader.exits({ ...ALL, filter: { container: name } }).items, [hostile]);
    reader.close();
  }));

test("retention takes exits of the age of kills; records of userspace kills stay as long", async () => {
  const directory = temporaryDirectory();
  const clock = manualClock();
  const day = 86_400_000;
  const store = createStore({
    path: path.join(directory.path, STORE_FILE),
    clock,
    report: assert.fail,
    retention: {
      ageMicroseconds: 3 * day * 1_000,
      smallAgeMicroseconds: day * 1_000,
      sizeBytes: 2 ** 28,
    },
  });
  try {
    tell(store, exitRecord(1), USERSPACE_KILL, LEDGER);
    clock.advance(2 * day);
    const types = () => store.eventsAfter(0, 10).map(({ json }) => JSON.parse(json).type);
    assert.deepEqual(types(), ["exit", "userspace-kill"]);
    assert.equal(store.exits(ALL).items.length, 1);
    clock.advance(2 * day);
    assert.deepEqual(types(), []);
    assert.equal(store.exits(ALL).items.length, 0);
  } finally {
    await store.close();
    directory.remove();
  }
});

/** Makes the file of the earlier version. */
function oldStore(file: string): void {
  const database = openSqlite(file, "write");
  database.exec(fs.readFileSync(OLD_STORE, "utf8"));
  database.close();
}

test("a store of the version before keeps its records and takes new ones", async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  try {
    oldStore(file);
    const store = createStore({ path: file, clock: realClock, report: assert.fail });
    const ids = store.kills(ALL).items.map(({ id }) => id);
    assert.deepEqual(ids, ["k00000003", "k00000002", "k00000001"]);
    assert.equal(store.lastSequence(), 5);
    assert.equal(store.eventsAfter(0, 10).length, 5);
    const invisible = store.kills({ ...ALL, filter: { invisible: true } }).items;
    assert.deepEqual(
      invisible.map(({ id }) => id),
      ["k00000002"],
      "what old records say can be asked for",
    );
    tell(store, exitRecord(9), killRecord(9, { pod: POD }));
    assert.equal(store.exits(ALL).items.length, 1);
    assert.equal(store.kills({ ...ALL, filter: { pod: "cart-0" } }).items.length, 1);
    await store.close();
    const reader = openStoreReader(file);
    assert.equal(reader.lastSequence(), 7);
    reader.close();
  } finally {
    directory.remove();
  }
});

test("a reader answers from a store that no agent of this version has opened yet, and leaves it alone", () => {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  try {
    oldStore(file);
    const reader = openStoreReader(file);
    assert.equal(reader.kills(ALL).items.length, 3);
    assert.deepEqual(reader.exits(ALL), { items: [], next: null });
    assert.deepEqual(reader.kills({ ...ALL, filter: { pod: "cart-0" } }).items, []);
    assert.equal(reader.kill("k00000001").kind, "found");
    reader.close();
    const database = openSqlite(file, "read");
    assert.equal(database.integer("PRAGMA user_version"), 1);
    database.close();
  } finally {
    directory.remove();
  }
});
