import { Worker } from "node:worker_threads";
import { toHostError } from "./errors.ts";
import { HostError } from "./host.ts";
import type { SqliteRow } from "./sqlite.ts";

/** Runs in the other thread, on a connection of its own. */
const PROGRAM = `
const { parentPort, workerData: { path, sql } } = require("node:worker_threads");
const sqlite = require("node:sqlite");
const Database = sqlite.Database ?? sqlite.DatabaseSync;
try {
  const database = new Database(path, { timeout: 1000 });
  const rows = database.prepare(sql).all().map((row) => ({ ...row }));
  database.close();
  parentPort.postMessage({ rows });
} catch (error) {
  parentPort.postMessage({ failure: String(error.message) });
}`;

/**
 * Runs one statement on a database in a thread of its own, for what takes long or waits for the disk. The thread costs about
 * 40 ms of CPU and 10 MB while it runs. Rejects with `HostError`.
 */
export function queryAside(path: string, sql: string): Promise<readonly SqliteRow[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(PROGRAM, { eval: true, workerData: { path, sql }, execArgv: [] });
    worker.unref();
    worker.on("message", (answer: { rows?: readonly SqliteRow[]; failure?: string }) => {
      if (answer.rows !== undefined) resolve(answer.rows);
      else reject(new HostError("SQLITE_ASIDE", path, answer.failure ?? "no answer"));
    });
    worker.on("error", (error) => reject(toHostError(error, path)));
    worker.on("exit", () => reject(new HostError("SQLITE_ASIDE", path, "the thread ended early")));
  });
}
