import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openSqlite } from "../host/sqlite.ts";
import type { OutputRecord } from "../model/record.ts";
import type { StreamRecord } from "./sink.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import {
  exitRecord,
  killRecord,
  killStream,
  manualClock,
  temporaryDirectory,
} from "./testing/records.ts";

const ALL = { since: null, until: null, limit: 1_000, cursor: null };

interface Bench {
  readonly file: string;
  readonly reports: string[];
  readonly clock: ReturnType<typeof manualClock>;
  open(): Store;
}

async function withFile(work: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, "state", STORE_FILE);
  fs.mkdirSync(path.dirname(file));
  const [clock, reports] = [manualClock(), [] as string[]];
  const open = () =>
    createStore({ path: file, clock, report: (sentence) => void reports.push(sentence) });
  try {
    await work({ file, reports, clock, open });
  } finally {
    directory.remove();
  }
}

const ids = (store: Store): string[] => store.kills(ALL).items.map(({ id }) => id);

test("a record that cannot be stored is put aside and said once; all others are stored, also later ones", () =>
  withFile(async ({ file, reports, open }) => {
    const store = open();
    const poison = (sequence: number): StreamRecord => {
      const record = { ...killRecord(sequence), revision: 0.5 } as OutputRecord;
      return { sequence, record };
    };
    store.accept([...killStream(1, 3), poison(4), ...killStream(5, 6), poison(7)]);
    assert.equal(store.flush(), true);
    store.accept(killStream(8, 9));
    assert.equal(store.flush(), true);
    assert.equal(store.problem(), null);
    assert.equal(ids(store).length, 7);
    assert.equal(store.dropped(), 2);
    assert.equal(reports.length, 1);
    assert.match(
      reports[0] ?? "",
      /cannot be stored \(.*\): kept in .*oomwitness\.db\.refused\.jsonl/,
    );
    const kept = fs.readFileSync(`${file}.refused.jsonl`, "utf8").trimEnd().split("\n");
    assert.deepEqual(
      kept.map((line) => JSON.parse(line).record.entry.sequence),
      [4, 7],
    );
    await store.close();
  }));

const CHANGES: readonly [string, string][] = [
  [
    "a record of the stream",
    "UPDATE events SET json = replace(json, '\"hog\"', '\"hag\"') WHERE sequence = 2",
  ],
  ["a kill", "UPDATE kills SET json = replace(json, '1002', '1003') WHERE id = 'k00000002'"],
  [
    "the name under which a kill is found",
    "UPDATE kills SET id = 'k00000999' WHERE id = 'k00000002'",
  ],
  ["the time under which a kill is listed", "UPDATE kills SET at = at + 1 WHERE id = 'k00000002'"],
  ["whose a kill is", "UPDATE kills SET pod = 'other' WHERE id = 'k00000002'"],
  ["the place of a record in the stream", "UPDATE events SET sequence = 77 WHERE sequence = 2"],
  ["the count of kills", "UPDATE meta SET value = value + 1 WHERE key = 'kills'"],
  ["the number of the last record", "UPDATE meta SET value = 999999 WHERE key = 'last_sequence'"],
  ["the version of the tables", "PRAGMA user_version = 2"],
  ["a newer version of the tables", "PRAGMA user_version = 77"],
  ["a table that is gone", "DROP TABLE exits"],
];

for (const [what, sql] of CHANGES) {
  test(`damage is found at the start and undone from what is whole: ${what}`, () =>
    withFile(async ({ file, reports, open }) => {
      const before = open();
      before.accept([...killStream(1, 9), { sequence: 10, record: exitRecord(10) }]);
      await before.close();
      const hand = openSqlite(file, "write");
      hand.exec(sql);
      hand.close();
      const store = open();
      assert.match(reports.join("\n"), /damaged .*moved to .*corrupt-1/);
      assert.match(reports.at(-1) ?? "", /9 kills and 1 exits in 10 records were saved/);
      assert.equal(store.problem(), null);
      assert.deepEqual(
        ids(store),
        killStream(1, 9)
          .map(({ record }) => "id" in record && record.id)
          .reverse(),
      );
      assert.deepEqual(store.exits(ALL).items, [exitRecord(10)]);
      assert.equal(store.eventsAfter(0, 100).length, 10);
      assert.equal(store.lastSequence(), 10);
      await store.close();
    }));
}

test("damage that nobody met is found by the hourly look, while the store is used", () =>
  withFile(async ({ file, reports, clock, open }) => {
    const store = open();
    store.accept(killStream(1, 9));
    store.flush();
    const hand = openSqlite(file, "write");
    hand.exec(CHANGES[1]?.[1] ?? "");
    hand.close();
    assert.equal(ids(store).includes("k00000002"), false, "what is damaged is not told");
    clock.advance(3_700_000);
    assert.match(reports.join("\n"), /kill k00000002.*\n.*9 kills .*nothing is lost/);
    assert.ok(ids(store).includes("k00000002"));
    await store.close();
  }));

test("a log that SQLite believes only in part: what is behind it is taken from it", () =>
  withFile(async ({ file, open }) => {
    const store = open();
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      store.accept(killStream(sequence, sequence));
      store.flush();
    }
    // As a killed writer leaves it: with its log.
    const copy = path.join(path.dirname(file), "copy.db");
    fs.copyFileSync(file, copy);
    const log = fs.readFileSync(`${file}-wal`);
    const [noise] = [Math.floor(log.length / 3)];
    log[noise] = (log[noise] ?? 0) ^ 1;
    fs.writeFileSync(`${copy}-wal`, log);
    await store.close();
    const second = createStore({ path: copy, clock: manualClock(), report: () => {} });
    const kept = ids(second).length;
    assert.ok(kept >= 19, `${kept} of 20 kills`);
    await second.close();
  }));

test("the directory of a running store is removed: all it held and all that comes is stored again", () =>
  withFile(async ({ file, reports, clock, open }) => {
    const store = open();
    store.accept(killStream(1, 300));
    clock.advance(1_000);
    fs.rmSync(path.dirname(file), { recursive: true });
    store.accept(killStream(301, 310));
    clock.advance(1_000);
    assert.equal(store.problem(), null);
    assert.match(
      reports.join("\n"),
      /was removed: it is made again.*\n.*300 kills .*nothing is lost/,
    );
    assert.equal(store.eventsAfter(0, 1_000).length, 310);
    await store.close();
    const second = open();
    assert.equal(ids(second).length, 310);
    await second.close();
  }));

test("a removed directory that cannot be made again: history is answered from the file that is still open", () =>
  withFile(async ({ file, clock, open }) => {
    const store = open();
    store.accept(killStream(1, 30));
    clock.advance(1_000);
    fs.rmSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(path.dirname(file), "in the way");
    store.accept(killStream(31, 31));
    clock.advance(1_000);
    assert.notEqual(store.problem(), null);
    assert.equal(ids(store).length, 30);
    fs.rmSync(path.dirname(file));
    clock.advance(60_000);
    assert.equal(store.problem(), null);
    assert.equal(ids(store).length, 31);
    await store.close();
  }));
