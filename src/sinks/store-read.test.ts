import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { createStore, STORE_FILE } from "./store.ts";
import { openStoreReader } from "./store-read.ts";
import { killStream, realClock, temporaryDirectory } from "./testing/records.ts";

/** What an ordinary user sees of a store, asked in a process of its own without any right to the directory. */
const PROBE = `
const { openStoreReader } = await import(process.argv[1]);
try {
  const reader = openStoreReader(process.argv[2]);
  const { items } = reader.kills({ since: null, until: null, limit: 1000, cursor: null });
  console.log(JSON.stringify({ kills: items.length, last: reader.lastSequence(), note: reader.note }));
  reader.close();
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}`;

interface Seen {
  readonly kills?: number;
  readonly last?: number;
  readonly note?: string | null;
  readonly code?: string;
  readonly message?: string;
}

function asNobody(file: string): Seen {
  const module = path.join(import.meta.dirname, "store-read.ts");
  const node = [process.execPath, "--input-type=module", "-e", PROBE, module, file];
  const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"];
  const done = spawnSync("setpriv", [...drop, ...node], { encoding: "utf8" });
  return JSON.parse(done.stdout || JSON.stringify({ message: done.stderr }));
}

/** Why another user cannot be tried here; `null` when it can. */
function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "needs root, to become another user";
  const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
  const program = spawnSync("setpriv", [...drop, process.execPath, "--version"]);
  if (program.error !== undefined) return "setpriv is not installed: apt-get install util-linux";
  const source = path.join(import.meta.dirname, "store-read.ts");
  const readable = spawnSync("setpriv", [...drop, "cat", source]);
  return program.status === 0 && readable.status === 0
    ? null
    : "an ordinary user may not read this clone";
}

async function withDirectory(
  t: TestContext,
  work: (file: string, directory: string) => Promise<void>,
): Promise<void> {
  const reason = whyNot();
  if (reason !== null) return t.skip(reason);
  const directory = temporaryDirectory();
  fs.chmodSync(directory.path, 0o755);
  try {
    await work(path.join(directory.path, STORE_FILE), directory.path);
  } finally {
    directory.remove();
  }
}

test("an ordinary user reads a store while the agent writes it", (t) =>
  withDirectory(t, async (file) => {
    const store = createStore({ path: file, clock: realClock, report: assert.fail });
    store.accept(killStream(1, 300));
    store.flush();
    assert.deepEqual(asNobody(file), { kills: 300, last: 300, note: null });
    await store.close();
  }));

test("an ordinary user reads a store after the agent stopped", (t) =>
  withDirectory(t, async (file) => {
    const store = createStore({ path: file, clock: realClock, report: assert.fail });
    store.accept(killStream(1, 300));
    await store.close();
    assert.ok(!fs.existsSync(`${file}-shm`));
    assert.deepEqual(asNobody(file), { kills: 300, last: 300, note: null });
  }));

test("an ordinary user reads a store whose agent was killed", (t) =>
  withDirectory(t, async (file) => {
    await writeAndKill(file);
    const seen = asNobody(file);
    assert.ok((seen.last ?? 0) > 1_000, JSON.stringify(seen));
    assert.equal(seen.note, null);
    // Root sees the same.
    const reader = openStoreReader(file);
    assert.equal(reader.lastSequence(), seen.last);
    reader.close();
  }));

test("where the log cannot be read the reader says what may be missing", (t) =>
  withDirectory(t, async (file) => {
    await writeAndKill(file);
    fs.chmodSync(`${file}-wal`, 0o600);
    fs.chmodSync(`${file}-shm`, 0o600);
    const seen = asNobody(file);
    const said = seen.note ?? seen.message ?? "";
    assert.match(said, /run as root|may be missing/, JSON.stringify(seen));
  }));

test("a directory or file that may not be read is said with a remedy", (t) =>
  withDirectory(t, async (file, directory) => {
    const store = createStore({ path: file, clock: realClock, report: assert.fail });
    await store.close();
    fs.chmodSync(file, 0o600);
    assert.match(asNobody(file).message ?? "", /may not read .* run as root/);
    fs.chmodSync(directory, 0o700);
    assert.equal(asNobody(file).code, "EACCES");
  }));

async function writeAndKill(file: string): Promise<void> {
  const writer = path.join(import.meta.dirname, "testing/store-writer.ts");
  const child = spawn(process.execPath, [writer, file], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await new Promise((resolve) => setTimeout(resolve, 250));
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
}
