import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { LogBench, sequencesOf } from "./testing/log-bench.ts";

const FIXTURE = readFileSync(
  new URL("../../test/fixtures/kernel-logs/kmsg-v2-6.12.txt", import.meta.url),
);
const LINES = FIXTURE.toString("utf8").trimEnd().split("\n");

const ALL = [448, 548, 550, 551, 552, 553, 652, 654, 655, 656, 712];

it("the backlog of the first start is reported, in one batch a chunk, and the stop ends it", async () => {
  const bench = new LogBench();
  const end = bench.start();
  bench.say(LINES);
  assert.deepEqual(sequencesOf(bench), ALL);
  assert.deepEqual(bench.ups, [""]);
  assert.deepEqual(bench.losses, []);
  const [first] = bench.kills;
  assert.equal(first?.at.monotonicMicroseconds, 2_931_512, "no live record yet: offset 0");
  assert.equal(first?.at.uncertaintyMicroseconds, 5_001_000);
  assert.equal(first?.at.wallMicroseconds, 1_700_000_002_931_512);
  bench.stop();
  assert.deepEqual(await end, { kind: "stopped" });
});

it("resumes behind the cursor, with the report that the cursor cut", async () => {
  for (const cursor of [500, 547, 548, 549, 600, 711]) {
    const bench = new LogBench();
    bench.cursor = `kmsg ${cursor} 4337000 -`;
    bench.start(false);
    bench.say(LINES);
    assert.deepEqual(
      sequencesOf(bench),
      ALL.filter((sequence) => sequence > cursor),
    );
    assert.ok(
      bench.kills.every((kill) => kill.cgroup !== null),
      "context from before the cursor",
    );
    assert.deepEqual(bench.losses, []);
    assert.equal(bench.savedCursor, "kmsg 712 9595832 -");
    bench.stop();
  }
});

it("the cursor never goes back, nor is it lost on the way to where it was", () => {
  const bench = new LogBench();
  bench.cursor = "kmsg 712 9595832 -";
  bench.start();
  bench.say(LINES.slice(0, 100));
  bench.say(LINES.slice(100));
  assert.equal(bench.savedCursor, null);
  assert.deepEqual(sequencesOf(bench), []);
  bench.stop();
});

it("a reader that stalls in the backlog does not make it news, nor set the clock by it", () => {
  const bench = new LogBench();
  bench.monotonic = 900_000_000;
  bench.start(false);
  bench.say(LINES.slice(0, 150));
  bench.pass(60);
  bench.say(LINES.slice(150));
  assert.deepEqual(sequencesOf(bench), []);
  assert.match(bench.savedCursor ?? "", / -$/);
  bench.stop();
});

it("what was overwritten behind the cursor or while reading is counted", () => {
  const bench = new LogBench();
  bench.cursor = "kmsg 340 2337000 -";
  bench.start();
  bench.say(LINES.slice(0, 10));
  bench.say(LINES.slice(100));
  assert.deepEqual(bench.losses, [12, 90]);
  assert.deepEqual(sequencesOf(bench), ALL.slice(1));
  bench.stop();
});

it("an overrun ends the reader: it is opened again and nothing comes twice", () => {
  const bench = new LogBench();
  bench.start();
  bench.say(LINES.slice(0, 200));
  bench.stream.end({ exitCode: 1, message: "cat: /dev/kmsg: Broken pipe" });
  bench.pass(10);
  assert.equal(bench.streams.length, 2);
  bench.say(LINES.slice(150));
  assert.deepEqual(sequencesOf(bench), ALL);
  assert.deepEqual(bench.losses, []);
  assert.deepEqual(bench.ups, [""]);
  bench.stop();
});

it("without history nothing older than the start is reported, live kills are", () => {
  const bench = new LogBench();
  bench.monotonic = 5_000_000;
  bench.start(false);
  bench.say(LINES.slice(0, 150));
  assert.deepEqual(sequencesOf(bench), []);
  bench.pass(60);
  bench.say(LINES.slice(150));
  assert.deepEqual(sequencesOf(bench), ALL.slice(1));
  bench.stop();
});

it("a single live record sets the clock, and says by how much it may have been late", () => {
  const bench = new LogBench();
  bench.monotonic = 5_000_000;
  bench.start();
  bench.pass(51);
  bench.say(LINES.slice(0, 90));
  bench.pass(51);
  // The kernel's clock says 2.930006 s, ours 5.102 s.
  bench.say(LINES.slice(90, 96));
  const at = bench.kills[0]?.at;
  assert.equal(at?.uncertaintyMicroseconds, 250_000 + (5_102_000 - 2_931_512));
  assert.equal(at?.monotonicMicroseconds, 5_102_000);
  assert.match(bench.savedCursor ?? "", /^kmsg 448 2931512 217\d{4}$/);
  bench.stop();
});

it("says what is closed and what opens it", async () => {
  const cases = [
    ["cat: /dev/kmsg: Operation not permitted", /dmesg_restrict/, /CAP_SYSLOG/],
    ["cat: /dev/kmsg: Permission denied", /not readable/, /root/],
    ["cat: /dev/kmsg: No such file or directory", /no \/dev\/kmsg/, /--device \/dev\/kmsg/],
    ["", /empty/, /--device/],
    ["cat: /dev/kmsg: Is a directory", /Is a directory/, /--device/],
  ] as const;
  for (const [message, reason, remedy] of cases) {
    const bench = new LogBench();
    const end = bench.start();
    bench.stream.end({ exitCode: 1, message });
    await new Promise(setImmediate);
    assert.deepEqual(bench.commands, ["/dev/kmsg", "journalctl"]);
    bench.stream.end({ exitCode: 1, message: "no journal" });
    const result = await end;
    assert.equal(result.kind, "unavailable");
    if (result.kind !== "unavailable") return;
    assert.match(result.reason, reason);
    assert.match(result.remedy, remedy);
    assert.deepEqual(bench.ups, []);
  }
});

it("reads the journal where the log is closed, and says what that costs", async () => {
  const bench = new LogBench();
  const end = bench.start();
  bench.stream.end({ exitCode: 1, message: "cat: /dev/kmsg: Operation not permitted" });
  await new Promise(setImmediate);
  bench.say(LINES.map(asJournal));
  assert.match(bench.ups[0] ?? "", /journal.*losses cannot be counted/);
  assert.equal(bench.kills.length, ALL.length);
  assert.equal(bench.kills[0]?.sequence, String(2_931_512 * 64));
  assert.ok(bench.kills.every((kill) => kill.cgroup !== null));
  bench.stop();
  assert.deepEqual(await end, { kind: "stopped" });
});

it("is up with the first record, and never because a reader takes its time to fail", async () => {
  const slow = new LogBench();
  const end = slow.start();
  slow.pass(5000);
  assert.deepEqual(slow.ups, [], "nobody knows yet whether the log can be read");
  slow.stream.end({ exitCode: 1, message: "cat: /dev/kmsg: Operation not permitted" });
  await new Promise(setImmediate);
  slow.pass(2000);
  assert.equal((await end).kind, "unavailable");
  assert.deepEqual(slow.ups, []);
  const first = new LogBench();
  first.start();
  first.pass(5000);
  first.say(LINES.slice(0, 1));
  assert.deepEqual(first.ups, [""]);
  first.pass(60_000);
  first.stop();
});

it("says of a file that opens and gives nothing that it is not the kernel's log", async () => {
  const bench = new LogBench();
  const end = bench.start();
  bench.pass(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(bench.commands, ["/dev/kmsg", "journalctl"]);
  bench.pass(2000);
  const result = await end;
  assert.ok(result.kind === "unavailable");
  assert.match(result.reason, /is not the kernel's log: it gave no kernel record in 10 s/);
  assert.deepEqual(bench.ups, []);
});

it("gives up on a journal that stays empty", async () => {
  const bench = new LogBench();
  const end = bench.start();
  bench.stream.end({ exitCode: 1, message: "cat: /dev/kmsg: Operation not permitted" });
  await new Promise(setImmediate);
  bench.pass(3000);
  assert.equal((await end).kind, "unavailable");
});

it("a log that opens and ends over and over is a failure, not a loop", async () => {
  const bench = new LogBench();
  const end = bench.start();
  bench.say(LINES);
  for (let turn = 0; turn < 6; turn++) {
    bench.stream.end({ exitCode: 1, message: "cat: /dev/kmsg: Input/output error" });
    bench.pass(200);
  }
  await assert.rejects(end, /can no longer be read.*Input\/output error/);
});

function asJournal(line: string): string {
  const [head = "", ...rest] = line.split(";");
  const [priority, , microseconds] = head.split(",").map(Number);
  return JSON.stringify({
    _TRANSPORT: "kernel",
    SYSLOG_FACILITY: String(Math.floor((priority ?? 0) / 8)),
    PRIORITY: String((priority ?? 0) % 8),
    _SOURCE_MONOTONIC_TIMESTAMP: String(microseconds),
    MESSAGE: rest.join(";"),
  });
}
