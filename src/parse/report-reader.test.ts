import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";

const KILL =
  "Out of memory: Killed process 348 (polkitd) total-vm:78084kB, anon-rss:2980kB, file-rss:8148kB, shmem-rss:0kB, UID:998 pgtables:64kB oom_score_adj:0";

function kills(lines: readonly string[], reader = new ReportReader()) {
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? event.report.kills : []));
}

test("a kill line alone is a report", () => {
  const [kill, ...others] = kills([KILL]);
  assert.deepEqual(others, []);
  assert.deepEqual(kill?.victim, {
    pid: 348,
    tid: 348,
    comm: "polkitd",
    uid: 998,
    oomScoreAdj: 0,
    totalVmBytes: 78084 * 1024,
    anonRssBytes: 2980 * 1024,
    fileRssBytes: 8148 * 1024,
    shmemRssBytes: 0,
    pageTableBytes: 65536,
  });
});

test("a record of a container that goes on in itself for ever ends with the text", () => {
  const piece = "2026-11-20T23:10:05.123456789Z stdout P ";
  assert.deepEqual(kills([piece.repeat(20)]), []);
  assert.equal(kills([`${piece}${KILL}`]).length, 1);
});

test("lines that were left out are counted", () => {
  const reader = new ReportReader();
  reader.skip(1_000_000);
  assert.equal(kills(["something else", KILL], reader)[0]?.line, 1_000_002);
});

test("a time without a year is the last one before the log was written", () => {
  const clock = { zoneMinutes: 60, latestMicroseconds: Date.UTC(2026, 0, 2) * 1000 };
  const reader = new ReportReader(clock);
  const lines = [`Dec 31 23:59:59 host kernel: ${KILL}`, `Jan  1 00:30:00 host kernel: ${KILL}`];
  const [first, second] = kills(lines, reader);
  assert.equal(first?.at, "2025-12-31T22:59:59.000000Z");
  assert.equal(second?.at, "2025-12-31T23:30:00.000000Z");
  assert.equal(kills(lines)[0]?.at, null);
});

test("what another program says is its own word", () => {
  const lines = [
    `Nov 20 23:10:05 host sshd[12]: ${KILL}`,
    `12,5,100000001,-;${KILL}`,
    `{"_TRANSPORT":"stdout","MESSAGE":${JSON.stringify(KILL)}}`,
    'pr_err("%s: Killed process %d (%s) total-vm:%lukB", message);',
    "Killed process 99",
  ];
  assert.deepEqual(kills(lines), []);
});

test("a name forges nothing", () => {
  const names = [
    "x) Killed process 1 (init",
    "a invoked oom-killer: ",
    ",pid=1,uid=0",
    "x) total-vm:9kB",
  ];
  for (const name of names) {
    const line = `[  100.000001] Out of memory: Killed process 348 (${name}) total-vm:78084kB, anon-rss:2980kB, file-rss:8148kB, shmem-rss:0kB, UID:998 pgtables:64kB oom_score_adj:0`;
    const [kill, ...others] = kills([line]);
    assert.deepEqual([kill?.victim.tid, kill?.victim.comm, others.length], [348, name, 0]);
  }
});

test("no line costs quadratic time", () => {
  const ends = ["]", ",", " ", '"', "\\", "|", "\t", "\r", "0", "KB", "=", "(", ",uid=1"];
  for (const start of ['{"log":"', '"', "| ", "Memory cgroup stats for /x: ", "oom-kill:", ""]) {
    for (const end of ends) {
      const began = process.cpuUsage().user;
      assert.deepEqual(kills([`oom_ ${start}`, start + end.repeat(200_000)]), []);
      // 0.02 s are usual, quadratic time would take a minute.
      assert.ok(process.cpuUsage().user - began < 10e6, `${start} … ${end}`);
    }
  }
});
