import assert from "node:assert/strict";
import { test } from "node:test";
import { report } from "../explain/testing.ts";
import { Excerpts } from "./report-excerpts.ts";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

const header = (stamp: string) =>
  `[  ${stamp}] random invoked oom-killer: gfp_mask=0x100dca(GFP_HIGHUSER), order=0, oom_score_adj=0`;
const killed = (stamp: string, pid: number) =>
  `[  ${stamp}] Out of memory: Killed process ${pid} (random) total-vm:40kB, anon-rss:20kB, file-rss:0kB`;
const TABLE = [
  "[  251.000001] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
  "[  251.000002] [   1155]    81  1155    18672      144   167936       53          -900 dbus-daemon",
];
const ENDING = [
  "[  261.362982] Out of memory and no killable processes...",
  "[  261.391982] Kernel panic - not syncing: System is deadlocked on memory",
];

test("a panic before the log it is from is told once, with all that the log knows of it", () => {
  const told = reports(
    ...ENDING,
    "[  261.428413] CPU: 44 PID: 1770 Comm: random Not tainted 5.8.0 #1",
    "",
    "More console output prior to the crash:",
    header("246.610518"),
    killed("251.716666", 1155),
    header("256.237437"),
    ...TABLE,
    ...ENDING,
  );
  assert.deepEqual(
    told.map(({ outcome, panicCause, trigger }) => [outcome, panicCause, trigger?.comm]),
    [
      ["killed", null, "random"],
      ["none-killable", "none-killable", "random"],
    ],
  );
});

test("kills quoted before their log are told once; those of another log stay", () => {
  const victims = (...lines: readonly string[]) =>
    reports(...lines).map(({ kills, trigger }) => [kills[0]?.victim.tid, trigger?.comm ?? null]);
  const quoted = [killed("251.716666", 11), "The whole log:", header("250.000001"), ...TABLE];
  assert.deepEqual(victims(...quoted, killed("251.716666", 11)), [[11, "random"]]);
  assert.deepEqual(victims(...quoted, killed("251.716669", 12)), [
    [12, "random"],
    [11, null],
  ]);
  const inOrder = [killed("251.1", 11), killed("251.2", 12), header("251.3"), killed("251.4", 13)];
  assert.deepEqual(victims(...inOrder), [
    [11, null],
    [12, null],
    [13, "random"],
  ]);
});

test("of many excerpts a few wait, and none is lost", () => {
  const excerpts = new Excerpts();
  const thin = report({ tasks: [], node: null });
  const stamps = Array.from({ length: 100 }, (_none, index) => [`${index}@${300 - index}`]);
  const told = stamps.flatMap((stamp) => excerpts.take(thin, stamp));
  const left = excerpts.end();
  assert.equal(told.length + left.length, 100);
  assert.ok(left.length <= 16, `${left.length} waited`);
});

test("a passage of a group's kills that was pasted twice is one group", () => {
  const group = "[   82.534240] Tasks in /build are going to be killed due to memory.oom.group set";
  const member = (stamp: string, pid: number) =>
    `[   ${stamp}] Memory cgroup out of memory: Killed process ${pid} (make) total-vm:40kB, anon-rss:20kB, file-rss:0kB`;
  const [report, ...others] = reports(
    "[   82.522782] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0-1,oom_memcg=/build,task_memcg=/build,task=make,pid=1,uid=1000",
    member("82.528351", 1),
    group,
    member("82.535005", 2),
    member("82.536248", 3),
    group,
    member("82.535005", 2),
    member("82.536248", 3),
    member("82.537464", 4),
  );
  assert.deepEqual(others, []);
  assert.deepEqual(
    report?.kills.map(({ victim, cgroupPath }) => [victim.tid, cgroupPath]),
    [1, 2, 3, 4].map((tid) => [tid, "/build"]),
  );
});
