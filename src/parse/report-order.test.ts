import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";

const HEADER = "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0";
const SUMMARY =
  "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/shop,task_memcg=/shop/cart,task=java,pid=17,uid=0";
const KILLED =
  "Memory cgroup out of memory: Killed process 17 (java) total-vm:9000kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:64kB oom_score_adj:0";
const REAPED =
  "oom_reaper: reaped process 17 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB";

function read(lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => {
    assert.equal(event.kind, "report");
    if (event.kind !== "report") return [];
    const { report } = event;
    const pids = report.kills.map(({ victim }) => victim.tid);
    return [[report.trigger?.comm ?? null, report.limitCgroup, ...pids]];
  });
}

test("newest first within one second, by what the kernel prints first", () => {
  const lines = [REAPED, KILLED, SUMMARY, HEADER];
  assert.deepEqual(read(lines), [["java", "/shop", 17]]);
  const stamped = lines.map((line) => `Nov 20 23:10:05 host kernel: ${line}`);
  assert.deepEqual(read(stamped), [["java", "/shop", 17]]);
});

test("newest first by its times; the lines of the text are those of the report", () => {
  const lines = [KILLED, "…", SUMMARY, "…", HEADER].map(
    (text, index) => `[  10.00000${9 - index}] ${text}`,
  );
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  const [event] = events;
  assert.equal(events.length, 1);
  assert.deepEqual(event?.kind === "report" && event.report.lines, { first: 1, last: 5 });
  assert.equal(reader.idle, true);
});

test("a cut report before it and the next after it are others", () => {
  const stamped = (time: string, lines: readonly string[]) =>
    lines.map((line) => `2026-11-21T${time}Z host kernel: ${line}`);
  const lines = [
    ...stamped("05:40:23", [HEADER]),
    ...stamped("05:24:41", [KILLED, SUMMARY, HEADER]),
    ...stamped("05:18:58", [KILLED.replaceAll("17", "16")]),
  ];
  assert.deepEqual(read(lines), [
    ["java", null],
    ["java", "/shop", 17],
    [null, null, 16],
  ]);
});

test("two pastes of texts that run backwards, the later last", () => {
  const paste = (time: string, pid: string) =>
    [KILLED, SUMMARY, HEADER].map((line) => `${time} host kernel: ${line.replaceAll("17", pid)}`);
  const lines = [...paste("2026-09-02T00:54:21Z", "17"), ...paste("2026-09-02T09:08:50Z", "18")];
  assert.deepEqual(read(lines), [
    ["java", "/shop", 17],
    ["java", "/shop", 18],
  ]);
});

test("one time that goes forward keeps the order", () => {
  const stamps = [10.5, 10.4, 10.6, 10.3, 10.2];
  const texts = [HEADER, "CPU: 0 PID: 17 Comm: java", "Call Trace:", SUMMARY, KILLED];
  const lines = texts.map((text, index) => `[   ${stamps[index]?.toFixed(6)}] ${text}`);
  assert.deepEqual(read(lines), [["java", "/shop", 17]]);
});

test("a kill's line that goes on in the next stays before it", () => {
  const lines = [
    "kernel: Out of memory: Killed process 9912 (mutmut: wks.api)",
    "        total-vm:21090640kB, anon-rss:15842540kB, file-rss:192kB",
    "kernel: oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),",
    "        cpuset=docker.service,mems_allowed=0,global_oom,",
    "        task_memcg=/system.slice/docker.service,",
    "        task=mutmut: wks.api,pid=9912,uid=1001",
  ];
  assert.deepEqual(read(lines), [[null, null, 9912]]);
});

test("what is held back ends with the text, and memory is bounded", () => {
  assert.deepEqual(read([HEADER]), [["java", null]]);
  const reader = new ReportReader();
  for (let line = 0; line < 2_000; line++) reader.push("nothing of the kernel");
  reader.push(HEADER);
  assert.equal(reader.idle, false);
  for (let line = 0; line < 1_300; line++) reader.push("nothing of the kernel");
  assert.equal(reader.idle, true);
});
