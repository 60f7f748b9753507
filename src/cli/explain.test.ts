import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { explainedLineSchema } from "../model/explanation-schema.ts";
import { runProgram } from "./program.ts";
import { fakeConsole, fakeContext } from "./testing/console.ts";

const directory = mkdtempSync(path.join(tmpdir(), "oomwitness-explain-"));
after(() => rmSync(directory, { recursive: true }));

const POD = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";
const PATH = `/kubepods/burstable/pod${POD}/${"ab".repeat(32)}`;

function killText(pid: number, time = "2026-11-20T23:10:05.123456+00:00 host kernel: "): string {
  return [
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${PATH},task_memcg=${PATH},task=hog,pid=${pid},uid=0`,
    `Memory cgroup out of memory: Killed process ${pid} (hog) total-vm:21572kB, anon-rss:20268kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0`,
  ]
    .map((line) => `${time}[  100.000${pid}] ${line}\n`)
    .join("");
}

function file(name: string, content: string | Uint8Array): string {
  const name_ = path.join(directory, name);
  writeFileSync(name_, content);
  return name_;
}

async function explain(...words: readonly string[]) {
  const console = fakeConsole();
  const status = await runProgram(["explain", ...words], fakeContext(console));
  return { status, out: console.out.join(""), errors: console.errors };
}

async function pidsIn(...words: readonly string[]): Promise<unknown[]> {
  const { out } = await explain("--json", ...words);
  const lines = out.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line).victim?.pid);
}

const NOISE = "2026-11-20T23:10:05.123456+00:00 host sshd[12]: session opened for root\n";
const one = file("one.log", NOISE.repeat(500) + killText(101) + NOISE.repeat(500));

test("every line of --json is as the schema says", async () => {
  const fixtures = path.join(import.meta.dirname, "../../test/fixtures");
  const pattern = path.join(fixtures, "{stories,kernel-logs,reports,reports-public}/*.txt");
  const { out } = await explain("--json", pattern);
  const lines = out.split("\n").filter((line) => line !== "");
  assert.ok(lines.length > 100);
  for (const line of lines) explainedLineSchema.parse(JSON.parse(line));
});

test("one kill is told in full, in 80 columns", async () => {
  const { status, out, errors } = await explain(one);
  assert.equal(status, 0);
  assert.deepEqual(errors, []);
  assert.match(out, /^hog\[101\] killed/);
  assert.match(out, /WHAT HAPPENED/);
  for (const line of out.split("\n")) assert.ok(line.length <= 80, line);
});

test("packed files, patterns, several files, UTF-16: all the same", async () => {
  file("two.log.1.gz", gzipSync(killText(102)));
  file("two.log.2.zst", zstdCompressSync(killText(103)));
  const windows = file("three.txt", Buffer.from(`\ufeff${killText(104)}`, "utf16le"));
  const pattern = path.join(directory, "two.log*");
  assert.deepEqual(await pidsIn(one, pattern, windows), [101, 102, 103, 104]);
});

test("a kill that several files have is told once", async () => {
  const copy = file("copy.log", killText(101));
  const { out, errors } = await explain("--list", one, copy);
  assert.equal(out.match(/hog\[101\]/g)?.length, 1);
  assert.deepEqual(errors, ["oomwitness: in several files, told once: 1 kill"]);
});

test("a packed file that is cut off gives what it has, and the fault is said", async () => {
  const whole = gzipSync(killText(105) + NOISE.repeat(20_000), { level: 0 });
  const cut = file("cut.gz", whole.subarray(0, Math.floor(whole.length / 2)));
  const { status, out, errors } = await explain("--list", cut);
  assert.match(out, /hog\[105\]/);
  assert.equal(status, 1);
  assert.match(errors[0] ?? "", /^oomwitness: E_INPUT: '.*cut\.gz' cannot be read: damaged/);
});

test("a directory, and what is not there, are refused in one sentence", async () => {
  mkdirSync(path.join(directory, "logs"), { recursive: true });
  const refused: readonly (readonly [string, RegExp])[] = [
    ["logs", /E_INPUT: '.*logs' is a directory: name its files, such as '.*logs\/\*'\.$/],
    ["no.log", /E_INPUT: there is no file '.*no\.log'\.$/],
    ["no*", /E_INPUT: no file matches '.*no\*'\.$/],
  ];
  for (const [name, line] of refused) {
    const { status, out, errors } = await explain("--list", path.join(directory, name), one);
    assert.equal(status, 1);
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? "", line);
    // The others are read all the same.
    assert.match(out, /hog\[101\]/);
  }
  await assert.rejects(explain("--json", "--markdown", one), /exclude each other/);
});

test("a journal, or a file packed otherwise, is refused with what to do", async () => {
  const journal = file("system.journal", Buffer.from("LPKSHHRH\0\0\0"));
  const packed = file("kern.log.xz", Buffer.from("\xfd7zXZ\0\0", "latin1"));
  const { status, errors } = await explain(journal, packed);
  assert.equal(status, 1);
  assert.match(
    errors[0] ?? "",
    /journalctl --file .*system\.journal -o json \| oomwitness explain$/,
  );
  assert.match(errors[1] ?? "", /xz -dc .*kern\.log\.xz \| oomwitness explain$/);
});

test("nothing found: one line on standard error and status 1", async () => {
  const { status, out, errors } = await explain(file("quiet.log", NOISE));
  assert.equal(status, 1);
  assert.equal(out, "");
  assert.deepEqual(errors, ["oomwitness: no OOM kill in 1 line"]);
});

test("--since, --pod and --unit choose", async () => {
  const old = killText(201, "2026-11-18T23:10:05.123456+00:00 host kernel: ");
  const log = file("days.log", old + killText(202) + killText(203, "kernel: "));
  assert.deepEqual(await pidsIn("--since", "2026-11-20T00:00:00Z", log), [202, 203]);
  const { errors } = await explain("--since", "2026-11-20T00:00:00Z", log);
  assert.match(errors.join(), /without a date in the text, shown whatever --since says: 1 kill/);
  assert.deepEqual(await pidsIn("--pod", POD, log), [201, 202, 203]);
  assert.deepEqual(await pidsIn("--pod", POD.replaceAll("-", "_"), log), [201, 202, 203]);
  assert.deepEqual(await pidsIn("--pod", "another", log), []);
  assert.deepEqual(await pidsIn("--unit", "nginx", log), []);
});

test("200 kills begin with a summary; --list has a line for each, --kill tells one", async () => {
  const many = Array.from({ length: 200 }, (_, index) => killText(1000 + index)).join(NOISE);
  const log = file("many.log", many);
  const { out } = await explain(log);
  assert.match(out, /^200 kills in 200 runs/);
  assert.ok(out.split("\n").length < 100, `${out.split("\n").length} lines`);
  assert.match(out, /--list: one line for each/);
  const list = await explain("--list", log);
  assert.equal(list.out.match(/hog\[\d+\]/g)?.length, 200);
  assert.match((await explain("--kill", "17", log)).out, /^hog\[1016\] killed/);
  const markdown = await explain("--markdown", log);
  assert.match(markdown.out, /^\*\*200 OOM kills\*\*/);
});

test("lines without an end, bytes that are no text, and NULs do no harm", async () => {
  const long = Buffer.alloc(5 << 20, "x");
  const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => (at * 7919) % 256));
  const log = file("bytes.bin", Buffer.concat([bytes, long, Buffer.from(`\n${killText(301)}`)]));
  assert.deepEqual(await pidsIn(log), [301]);
});
