import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openSqlite } from "../host/sqlite.ts";
import type { KillRecord } from "../model/record.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import { openStoreReader, type RecordLog } from "./store-read.ts";
import {
  killRecord,
  killStream,
  LEDGER,
  type ManualClock,
  manualClock,
  mixedRecord,
  START,
  temporaryDirectory,
} from "./testing/records.ts";

interface Bench {
  readonly file: string;
  readonly clock: ManualClock;
  readonly reports: string[];
  open(options?: { queueLimit?: number; sizeBytes?: number }): Store;
}

/** A store in a directory of its own; removed afterwards. */
async function withStore(work: (bench: Bench) => void | Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const clock = manualClock();
  const reports: string[] = [];
  const file = path.join(directory.path, STORE_FILE);
  const open: Bench["open"] = ({ queueLimit, sizeBytes } = {}) =>
    createStore({
      path: file,
      clock,
      report: (sentence) => reports.push(sentence),
      ...(queueLimit === undefined ? {} : { queueLimit }),
      retention: {
        ageMicroseconds: 3 * 86_400_000_000,
        smallAgeMicroseconds: 86_400_000_000,
        sizeBytes: sizeBytes ?? 256 * 1024 * 1024,
      },
    });
  try {
    await work({ file, clock, reports, open });
  } finally {
    directory.remove();
  }
}

const ALL = { since: null, until: null, limit: 100, cursor: null };

function allKills(log: RecordLog, limit = 100): KillRecord[] {
  const found: KillRecord[] = [];
  let cursor: string | null = null;
  do {
    const page = log.kills({ ...ALL, limit, cursor });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

test("records reach the file 100 ms after they were told, and a reader sees them while the store is open", () =>
  withStore(async ({ file, clock, open }) => {
    const store = open();
    store.accept(killStream(1, 3));
    const reader = openStoreReader(file);
    assert.equal(reader.lastSequence(), 0);
    clock.advance(100);
    assert.equal(reader.lastSequence(), 3);
    assert.deepEqual(
      reader.kills(ALL).items.map(({ id }) => id),
      ["k00000003", "k00000002", "k00000001"],
    );
    assert.deepEqual(reader.kill("k00000002"), { kind: "found", record: killRecord(2) });
    assert.equal(reader.note, null);
    reader.close();
    await store.close();
  }));

test("a full batch does not wait", () =>
  withStore(async ({ file, clock, open }) => {
    const store = open();
    store.accept(killStream(1, 500));
    clock.advance(0);
    const reader = openStoreReader(file);
    assert.equal(reader.lastSequence(), 500);
    reader.close();
    await store.close();
  }));

test("the store's own answers include what still waits", () =>
  withStore(async ({ open }) => {
    const store = open();
    store.accept(killStream(1, 1_200));
    assert.equal(store.kill("k00000007").kind, "found");
    const events = store.eventsAfter(3, 2_000);
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      Array.from({ length: 1_197 }, (_, index) => index + 4),
    );
    assert.equal(store.lastSequence(), 1_200);
    await store.close();
  }));

test("law: any order of revisions and any repetition leaves each kill once, at its latest revision", () =>
  withStore(({ file, open }) => {
    const told = fc.array(
      fc.record({ kill: fc.integer({ min: 1, max: 6 }), revision: fc.nat(4) }),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(told, fc.integer({ min: 1, max: 5 }), (tellings, restartEvery) => {
        fs.rmSync(file, { force: true });
        fs.rmSync(`${file}-wal`, { force: true });
        fs.rmSync(`${file}-shm`, { force: true });
        let store = open();
        tellings.forEach(({ kill, revision }, index) => {
          const entry = { sequence: index + 1, record: killRecord(kill, { revision }) };
          store.accept([entry]);
          if (index % restartEvery === 0) {
            store.flush();
            void store.close();
            store = open();
            store.accept([entry]);
          }
        });
        store.flush();
        const latest = new Map<string, number>();
        for (const { kill, revision } of tellings) {
          const { id } = killRecord(kill);
          latest.set(id, Math.max(latest.get(id) ?? 0, revision));
        }
        const kept = new Map(allKills(store, 2).map(({ id, revision }) => [id, revision]));
        assert.deepEqual([...kept].sort(), [...latest].sort());
        assert.equal(store.eventsAfter(0, 100).length, tellings.length);
        assert.equal(store.lastSequence(), tellings.length);
        void store.close();
      }),
      { numRuns: 30 },
    );
  }));

test("pages: every kill once, newest first, whatever the page size and however many share a moment", () =>
  withStore(async ({ open }) => {
    const store = open();
    const records = killStream(1, 137).map(({ sequence }) => ({
      sequence,
      record: killRecord(sequence, { at: killRecord(Math.floor(sequence / 10)).at }),
    }));
    store.accept(records);
    store.flush();
    const expected = records.map(({ record }) => record.id).reverse();
    for (const limit of [1, 7, 100, 1_000]) {
      assert.deepEqual(
        allKills(store, limit).map(({ id }) => id),
        expected,
      );
    }
    const first = store.kills({ ...ALL, limit: 10 });
    store.accept([{ sequence: 138, record: killRecord(999) }]);
    const second = store.kills({ ...ALL, limit: 10, cursor: first.next });
    assert.equal(second.items[0]?.id, "k00000127");
    assert.throws(() => store.kills({ ...ALL, cursor: "bm9uc2Vuc2U" }), { code: "BAD_CURSOR" });
    await store.close();
  }));

test("since is included, until is not; filters narrow", () =>
  withStore(async ({ open }) => {
    const store = open();
    const elsewhere = { cgroup: { path: "/docker/df1cx", id: 1, version: 1 } as const };
    store.accept([
      ...killStream(1, 4),
      { sequence: 5, record: killRecord(5, elsewhere) },
      {
        sequence: 6,
        record: killRecord(6, { cgroup: { ...elsewhere.cgroup, path: "/docker/df1c/a" } }),
      },
    ]);
    const ids = (query: Parameters<Store["kills"]>[0]) =>
      store.kills(query).items.map(({ id }) => Number(id.slice(1)));
    assert.deepEqual(ids({ ...ALL, since: START + 2_000, until: START + 4_000 }), [3, 2]);
    assert.deepEqual(ids({ ...ALL, filter: { cgroup: "/docker/df1c" } }), [6, 4, 3, 2, 1]);
    assert.deepEqual(ids({ ...ALL, filter: { pid: 1_003, comm: "hog" } }), [3]);
    assert.deepEqual(ids({ ...ALL, filter: { comm: "' OR 1=1 --" } }), []);
    await store.close();
  }));

test("a prefix finds one kill, or says which it could mean", () =>
  withStore(async ({ open }) => {
    const store = open();
    store.accept(killStream(98, 101));
    assert.equal(store.kill("k0000009").kind, "ambiguous");
    assert.deepEqual(store.kill("k0000009"), {
      kind: "ambiguous",
      ids: ["k00000098", "k00000099"],
    });
    assert.deepEqual(store.kill("k00000100"), { kind: "found", record: killRecord(100) });
    assert.equal(store.kill("").kind, "none");
    assert.equal(store.kill("k%").kind, "none");
    await store.close();
  }));

test("hostile names survive the file unchanged", () =>
  withStore(async ({ open }) => {
    const store = open();
    const comm = "x) Killed process 1 (init\n\"'\u2028\u202e\ud800\u0000";
    const record = killRecord(1, { victim: { ...killRecord(1).victim, comm } });
    store.accept([{ sequence: 1, record }]);
    assert.deepEqual(store.kill(record.id), { kind: "found", record });
    assert.equal(store.eventsAfter(0, 1)[0]?.json.split(/[\n\r\u2028\u2029]/).length, 1);
    await store.close();
  }));

test("a queue that is full drops and counts, and what it kept is in order", () =>
  withStore(async ({ open }) => {
    const store = open({ queueLimit: 1_000 });
    store.accept(killStream(1, 1_500));
    assert.equal(store.dropped(), 500);
    store.flush();
    assert.equal(store.eventsAfter(0, 10_000).length, 1_000);
    assert.equal(store.lastSequence(), 1_500);
    await store.close();
  }));

test("retention by age: old kills go, ledger and source records after a day, sequences go on", () =>
  withStore(async ({ clock, open }) => {
    const store = open();
    store.accept([1, 2, 3, 4, 5].map((sequence) => ({ sequence, record: mixedRecord(sequence) })));
    store.accept([{ sequence: 6, record: LEDGER }]);
    clock.advance(3_600_000);
    assert.equal(store.eventsAfter(0, 100).length, 6);
    clock.advance(25 * 3_600_000);
    assert.deepEqual(
      store.eventsAfter(0, 100).map(({ sequence }) => sequence),
      [1, 2, 3, 4],
    );
    store.accept([{ sequence: 7, record: killRecord(7, { at: "2026-11-22T00:00:00.000000Z" }) }]);
    clock.advance(2 * 86_400_000 + 60_000);
    assert.deepEqual(
      allKills(store).map(({ id }) => id),
      ["k00000007"],
    );
    assert.equal(store.lastSequence(), 7);
    await store.close();
    assert.equal(open().lastSequence(), 7);
  }));

test("retention by size: the file shrinks below its limit and the newest kills stay", () =>
  withStore(async ({ file, clock, open }) => {
    const limit = 2 * 1024 * 1024;
    const store = open({ sizeBytes: limit });
    for (let first = 1; first <= 10_000; first += 1_000) {
      store.accept(killStream(first, first + 999));
      store.flush();
    }
    assert.ok(fs.statSync(file).size + fs.statSync(`${file}-wal`).size > 5 * limit);
    clock.advance(120_000);
    const kept = allKills(store, 1_000);
    assert.ok(kept.length > 300 && kept.length < 3_000, `${kept.length} kills kept`);
    assert.equal(kept[0]?.id, "k00010000");
    await store.close();
    assert.ok(fs.statSync(file).size <= limit + 2 * 1024 * 1024, `${fs.statSync(file).size} bytes`);
  }));

/** The last: kills that are saved at least. */
const DAMAGES: readonly [string, (file: string) => void, number][] = [
  ["not a database", (file) => fs.writeFileSync(file, "this is not a database, ".repeat(400)), 0],
  ["a page of noise", (file) => overwrite(file, 4_096, 4 * 4_096), 2_000],
  [
    "half of it missing",
    (file) => fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2)),
    900,
  ],
];

function overwrite(file: string, from: number, bytes: number): void {
  const handle = fs.openSync(file, "r+");
  fs.writeSync(handle, Buffer.alloc(bytes, 0xa5), 0, bytes, from);
  fs.closeSync(handle);
}

for (const [name, damage, least] of DAMAGES) {
  test(`a damaged file (${name}) is moved aside, and what is whole in it is in the new one`, () =>
    withStore(async ({ file, reports, open }) => {
      const before = open();
      const told = killStream(1, 2_000);
      before.accept(told);
      await before.close();
      damage(file);
      const store = open();
      store.accept(killStream(2_001, 2_010));
      store.flush();
      assert.equal(store.problem(), null);
      assert.ok(fs.existsSync(`${file}.corrupt-1`), reports.join("\n"));
      assert.match(reports.join("\n"), /damaged .*moved to .*oomwitness\.db\.corrupt-1/);
      const kept = allKills(store, 1_000);
      const truth = new Map(
        [...told, ...killStream(2_001, 2_010)].map((one) => [
          one.record.type === "kill" ? one.record.id : "",
          one.record,
        ]),
      );
      for (const kill of kept) assert.deepEqual(kill, truth.get(kill.id));
      assert.ok(kept.length >= 10 + least, `${kept.length} kills`);
      assert.equal(kept[0]?.id, "k00002010");
      await store.close();
    }));
}

test("a file damaged while the agent runs is replaced too, and what waited is kept", () =>
  withStore(async ({ file, reports, open }) => {
    const store = open();
    store.accept(killStream(1, 2_000));
    store.flush();
    const checkpoint = openSqlite(file, "write");
    checkpoint.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    overwrite(file, 0, fs.statSync(file).size);
    checkpoint.close();
    for (let sequence = 2_001; sequence <= 2_005; sequence += 1) {
      store.accept(killStream(sequence, sequence));
      store.flush();
    }
    assert.equal(store.problem(), null, reports.join("\n"));
    assert.ok(store.eventsAfter(2_000, 10).length > 0);
    await store.close();
  }));

test("a directory that is not there is a problem, not a crash; records wait and are written when it comes", () =>
  withStore(async ({ file, clock, reports }) => {
    const late = path.join(path.dirname(file), "later", STORE_FILE);
    const store = createStore({ path: late, clock, report: (line) => reports.push(line) });
    store.accept(killStream(1, 10));
    clock.advance(5_000);
    assert.match(store.problem() ?? "", /SQLITE_CANTOPEN/);
    assert.throws(() => store.kills(ALL), { code: "STORE_UNAVAILABLE" });
    assert.equal(store.eventsAfter(4, 3).length, 3);
    assert.equal(reports.length, 1);
    fs.mkdirSync(path.dirname(late));
    clock.advance(30_000);
    assert.equal(store.problem(), null);
    assert.equal(allKills(store).length, 10);
    assert.match(reports.at(-1) ?? "", /works again/);
    await store.close();
  }));

test("a file of a newer version is left alone", () =>
  withStore(async ({ file, reports, open }) => {
    const newer = openSqlite(file, "write");
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    const store = open();
    assert.match(store.problem() ?? "", /newer oomwitness/);
    assert.equal(reports.length, 1);
    await store.close();
    assert.throws(() => openStoreReader(file), { code: "STORE_NEWER" });
  }));

test("reading errors say what to do", () =>
  withStore(({ file }) => {
    assert.throws(() => openStoreReader(file), { code: "ENOENT", message: /oomwitness agent/ });
    fs.writeFileSync(file, "nonsense ".repeat(1_000));
    assert.throws(() => openStoreReader(file), { code: "SQLITE_NOTADB", message: /damaged/ });
  }));

test("kill -9 of a writer: the reader sees every record up to some point and none after", async () => {
  for (const waitMilliseconds of [60, 140, 260]) {
    await withStore(async ({ file }) => {
      const child = spawn(
        process.execPath,
        [path.join(import.meta.dirname, "testing/store-writer.ts"), file],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      await new Promise((resolve) => child.stdout.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, waitMilliseconds));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      const reader = openStoreReader(file);
      const last = reader.lastSequence();
      assert.ok(last > 0);
      const events = reader.eventsAfter(0, 1_000_000);
      assert.deepEqual(
        [events.length, events[0]?.sequence, events.at(-1)?.sequence],
        [last, 1, last],
      );
      assert.equal(allKills(reader, 1_000).length, last);
      reader.close();
    });
  }
});
