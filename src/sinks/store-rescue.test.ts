import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { SqliteDatabase } from "../host/sqlite.ts";
import { openForWriting } from "./store-file.ts";
import { rescueOpen } from "./store-rescue.ts";
import { killStream, temporaryDirectory } from "./testing/records.ts";

test("a damaged tree whose pages follow each other in a circle is left after one round", () => {
  const directory = temporaryDirectory();
  const { database, write } = openForWriting(path.join(directory.path, "source.db"));
  write(killStream(1, 150).map((entry) => ({ entry, at: 1 })));
  // Whatever place is asked for, the same rows follow.
  const circle: SqliteDatabase = {
    ...database,
    prepare: (sql) => {
      const statement = database.prepare(sql);
      const isStep = sql.includes("ORDER BY rowid ASC") || sql.includes("explanation FROM");
      return isStep ? { ...statement, all: () => statement.all(0) } : statement;
    },
  };
  const target = openForWriting(path.join(directory.path, "target.db")).database;
  const job = rescueOpen(circle, target);
  let steps = 0;
  while (job.next().done !== true) {
    steps += 1;
    assert.ok(steps < 100, "it goes round and round");
  }
  assert.equal(target.integer("SELECT count(*) FROM kills"), 150);
  target.close();
  directory.remove();
});
