import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openSqlite, type SqliteDatabase } from "../host/sqlite.ts";
import type { ExitRecord, KillRecord } from "../model/record.ts";
import { parseFormattedWall } from "../model/time.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import { openStoreReader, type RecordLog } from "./store-read.ts";
import {
  CONTAINER,
  exitRecord,
  killRecord,
  POD,
  realClock,
  temporaryDirectory,
} from "./testing/records.ts";

const ALL = { since: null, until: null, limit: 100, cursor: null };

/** The tables as version 3 left them: exits had no id, and no record had a seal. */
const SCHEMA_3 = `
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, type TEXT NOT NULL, at INTEGER NOT NULL, id TEXT, json TEXT NOT NULL
) STRICT;
CREATE INDEX events_small_at ON events (at) WHERE type IN ('ledger', 'source');
CREATE TABLE kills (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, first_sequence INTEGER NOT NULL, at INTEGER NOT NULL,
  comm TEXT, pid INTEGER, cgroup TEXT, json TEXT NOT NULL, container_id TEXT, container_name TEXT,
  pod_container TEXT, pod TEXT, namespace TEXT, visibility TEXT, explanation TEXT
) STRICT;
CREATE INDEX kills_owner
  ON kills (at, id, visibility, namespace, pod, pod_container, container_name, container_id);
CREATE TABLE exits (
  sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, container_id TEXT NOT NULL, container_name TEXT,
  pod_container TEXT, pod TEXT, namespace TEXT, verdict TEXT NOT NULL, json TEXT NOT NULL
) STRICT;
CREATE INDEX exits_owner
  ON exits (at, sequence, namespace, pod, pod_container, container_name, container_id);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
PRAGMA user_version = 3;
`;

const KILLS = [1, 2, 3].map((number) => killRecord(number, { pod: POD, container: CONTAINER }));
/** Two of one container and one of another, all as version 3 wrote them. */
const EXITS = [1, 2, 3].map((number) =>
  exitRecord(number, {
    container: number === 3 ? { ...CONTAINER, id: "9".repeat(64) } : CONTAINER,
    kills: [`k0000000${number}`],
  }),
);

type Value = string | number | null;

function quoted(value: Value): string {
  if (value === null) return "NULL";
  return typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`;
}

function insert(database: SqliteDatabase, table: string, row: Record<string, Value>) {
  const values = Object.values(row).map(quoted).join(", ");
  database.exec(`INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${values})`);
}

function wallOf({ at }: KillRecord | ExitRecord): number {
  return parseFormattedWall(at) ?? 0;
}

function ownerOf({ container, pod }: KillRecord | ExitRecord): Record<string, string | null> {
  return {
    container_id: container?.id ?? null,
    container_name: container?.name ?? null,
    pod_container: pod?.container ?? null,
    pod: pod?.name ?? null,
    namespace: pod?.namespace ?? null,
  };
}

function insertKill(database: SqliteDatabase, kill: KillRecord, sequence: number): void {
  const [at, json] = [wallOf(kill), JSON.stringify(kill)];
  const { id, revision, visibility, cgroup, victim } = kill;
  insert(database, "events", { sequence, type: "kill", at, id, json });
  const when = { id, revision, first_sequence: sequence, at, json };
  const what = { comm: victim.comm, pid: victim.pid, cgroup: cgroup.path, visibility };
  insert(database, "kills", { ...when, ...what, ...ownerOf(kill) });
}

function insertExit(database: SqliteDatabase, exit: ExitRecord, sequence: number): void {
  const { id: _, revision: __, ...record } = exit;
  const [at, json] = [wallOf(exit), JSON.stringify(record)];
  const { verdict } = exit;
  insert(database, "events", { sequence, type: "exit", at, json });
  insert(database, "exits", { sequence, at, verdict, json, ...ownerOf(exit) });
}

function makeStoreOfVersion3(file: string): void {
  const database = openSqlite(file, "write");
  database.exec(SCHEMA_3);
  for (const [index, kill] of KILLS.entries()) insertKill(database, kill, 2 * index + 1);
  for (const [index, exit] of EXITS.entries()) insertExit(database, exit, 2 * index + 2);
  database.exec("INSERT INTO meta VALUES ('last_sequence', 6)");
  database.close();
}

/** The id that this version would give the exit. */
function idOf(exit: ExitRecord): string {
  return `${exit.container.id.slice(0, 12)}-${Math.floor(wallOf(exit) / 1000)}`;
}

function assertAllIsThere(log: RecordLog): void {
  const kills = log.kills(ALL).items.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  assert.deepEqual(kills, KILLS);
  const exits = log.exits(ALL).items.toSorted((one, other) => (one.at < other.at ? -1 : 1));
  assert.deepEqual(
    exits,
    EXITS.map((exit) => ({ ...exit, id: idOf(exit), revision: 0 })),
  );
}

/** The store is closed also when the work fails, or the test would not end. */
async function withStore(file: string, work: (store: Store) => void): Promise<void> {
  const store = createStore({ path: file, clock: realClock, report: assert.fail });
  try {
    work(store);
  } finally {
    await store.close();
  }
}

async function withFile(work: (file: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  try {
    makeStoreOfVersion3(file);
    await work(file);
  } finally {
    directory.remove();
  }
}

test("a store of version 3 keeps every kill and every exit, also when it is looked through and opened again", () =>
  withFile(async (file) => {
    for (const _ of [1, 2]) {
      await withStore(file, (store) => {
        assertAllIsThere(store);
        assert.equal(store.lastSequence(), 6);
        const told = store.eventsAfter(0, 10).map(({ json }) => JSON.parse(json));
        const exits = told.filter(({ type }) => type === "exit").map(({ id }) => id);
        assert.deepEqual(exits, EXITS.map(idOf), "the stream has the same ids");
      });
    }
    const reader = openStoreReader(file);
    assertAllIsThere(reader);
    reader.close();
  }));

test("an exit of version 3 that is amended now is the same exit", () =>
  withFile((file) =>
    withStore(file, (store) => {
      const [first] = EXITS;
      assert.ok(first !== undefined);
      const verdict = "oom-unreported";
      const amended: ExitRecord = { ...first, id: idOf(first), revision: 1, verdict };
      store.accept([{ sequence: 7, record: amended }]);
      const exits = store.exits(ALL).items;
      assert.equal(exits.length, EXITS.length);
      assert.deepEqual(
        exits.find(({ id }) => id === amended.id),
        amended,
      );
    }),
  ));
