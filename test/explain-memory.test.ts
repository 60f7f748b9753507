/** What the real command takes, whatever it is given: memory by the kernel's own count of its peak, time, and words. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { createGzip, gzipSync, zstdCompressSync } from "node:zlib";

const COMMAND = resolve(import.meta.dirname, "../bin/oomwitness");
const REPORT = readFileSync(join(import.meta.dirname, "fixtures/reports/6.12-memcg.txt"), "utf8");
const directory = mkdtempSync(join(tmpdir(), "oomwitness-memory-"));
after(() => rmSync(directory, { recursive: true }));
const skip = process.platform === "linux" ? false : "peaks are read from /proc";

/** Measured 120 to 140 MiB, of which Node itself has 60: V8 lets garbage lie while there is memory. */
const MOST_MEBIBYTES = 200;

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
  readonly outBytes: number;
  readonly peakMebibytes: number;
  readonly seconds: number;
}

async function explain(...words: readonly string[]): Promise<Run> {
  const began = performance.now();
  const child = spawn(COMMAND, ["explain", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors, outBytes, peak] = ["", "", 0, 0];
  child.stdout.on("data", (piece: Buffer) => {
    outBytes += piece.length;
    if (out.length < 100_000) out += piece.toString();
  });
  child.stderr.on("data", (piece: Buffer) => {
    errors += piece.toString();
  });
  const watch = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid ?? 0));
  }, 20);
  const status = await new Promise<number | null>((done) => child.on("close", done));
  clearInterval(watch);
  const seconds = (performance.now() - began) / 1000;
  return { status, out, errors, outBytes, peakMebibytes: peak, seconds };
}

function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Kills of 300 programs in as many pods as there are fives of them: every one another kind, for a while. */
function killLines(index: number): string {
  const seconds = (100 + index / 20).toFixed(6);
  const pod = String(index % 5_000).padStart(8, "0");
  const path = `/kubepods/burstable/pod${pod}-4f50-6172-8394-a5b6c7d8e9f0/${pod.padStart(64, "a")}`;
  const [pid, comm] = [100 + (index % 30_000), `hog${index % 300}`];
  return [
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${path},task_memcg=${path},task=${comm},pid=${pid},uid=0`,
    `Memory cgroup out of memory: Killed process ${pid} (${comm}) total-vm:21572kB, anon-rss:20268kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0`,
  ]
    .map((text, line) => `[${seconds.slice(0, -1)}${line}] ${text}\n`)
    .join("");
}

async function written(name: string, pieces: Iterable<string | Buffer>, packed: boolean) {
  const path = join(directory, name);
  const file = createWriteStream(path);
  const packer = packed ? createGzip({ level: 9 }) : null;
  packer?.pipe(file);
  const to = packer ?? file;
  for (const piece of pieces)
    if (!to.write(piece)) await new Promise<void>((done) => to.once("drain", done));
  to.end();
  await new Promise<void>((done) => file.once("close", done));
  return path;
}

test("100,000 kills of 15,000 kinds take no more memory than 1,000 do, and it is said what was summarised", {
  skip,
}, async (t) => {
  const kills = function* () {
    for (let index = 0; index < 100_000; index++) yield killLines(index);
  };
  const path = await written("many.log", kills(), false);
  const { status, out, outBytes, peakMebibytes } = await explain(path);
  assert.equal(status, 0);
  t.diagnostic(`peak ${peakMebibytes.toFixed(0)} MiB`);
  assert.match(out, /^100000 kills in 100000 runs of the OOM killer, more than 1000 kinds\n/);
  assert.match(out, /and 93000 kills of further kinds: only the first 1000 kinds are kept/);
  assert.match(out.replaceAll("\n", " "), /93000 of them are counted only: --json has them all/);
  assert.ok(outBytes < 10_000, `${outBytes} bytes`);
  assert.ok(peakMebibytes < MOST_MEBIBYTES, `${peakMebibytes} MiB`);
});

test("packed twice or in two ways is read; packed without end is refused in one sentence", {
  skip,
}, async () => {
  const packed = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(directory, name), bytes);
    return join(directory, name);
  };
  const twice = gzipSync(gzipSync(REPORT));
  for (const bytes of [twice, zstdCompressSync(gzipSync(REPORT)), gzipSync(twice)]) {
    const { status, out, errors } = await explain(packed("twice", bytes));
    assert.deepEqual([status, errors], [0, ""]);
    assert.match(out, /^leak\[168\] killed/);
  }
  const { status, out, errors } = await explain(packed("often", gzipSync(gzipSync(twice))));
  assert.deepEqual([status, out], [1, ""]);
  assert.match(
    errors,
    /^oomwitness: E_INPUT: '.*' cannot be read: it is packed more than 3 times; unpack it first\.\n$/,
  );
});

test("a bomb ends in bounds of memory, time and output, and what stood before it is told", {
  skip,
}, async (t) => {
  const zeros = Buffer.alloc(1 << 20);
  const bomb = function* () {
    yield REPORT;
    for (let mebibytes = 0; mebibytes < 1024; mebibytes++) yield zeros;
  };
  const once = await written("bomb.gz", bomb(), true);
  const again = join(directory, "bomb.gz.gz");
  writeFileSync(again, gzipSync(readFileSync(once)));
  for (const path of [once, again]) {
    const { status, out, errors, peakMebibytes, seconds } = await explain(path);
    t.diagnostic(`peak ${peakMebibytes.toFixed(0)} MiB, ${seconds.toFixed(1)} s`);
    assert.equal(status, 1);
    assert.match(out, /^leak\[168\] killed/);
    assert.match(
      errors,
      /^oomwitness: E_INPUT: '.*' cannot be read: it unpacks to more than 150 times its size, [^\n]*\n$/,
    );
    assert.ok(peakMebibytes < MOST_MEBIBYTES, `${peakMebibytes} MiB`);
    assert.ok(seconds < 60, `${seconds} s`);
  }
});
