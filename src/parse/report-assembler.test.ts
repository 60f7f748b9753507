import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

const POD = "/kubepods/burstable/podbc001ffa-68fc-11e9-92d7-5ef9efd9374c";
const CONTAINER = `${POD}/a2ed67c63e828da3849bf9f506ae2b36b4dac5b402a57f2981c9bdc07b23e672`;

test("the cgroup of the victim is known before the victim", () => {
  const [report, ...others] = reports(
    `[  100.000001] Task in ${CONTAINER} killed as a result of limit of ${POD}`,
    "[  100.000002] memory: usage 125952kB, limit 125952kB, failcnt 3632",
  );
  assert.deepEqual([report?.kills, others], [[], []]);
  assert.deepEqual([report?.limitCgroup, report?.victimCgroup], [POD, CONTAINER]);
});

test("who called the killer tells whose memory ran out, when nothing else does", () => {
  const header = "[  100.000001] java invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0";
  const constraint = (...rest: readonly string[]) => reports(header, ...rest)[0]?.constraint;
  for (const frame of [
    " mem_cgroup_out_of_memory+0xbd/0xe0",
    " [<ffffffff81207583>] mem_cgroup_out_of_memory+0x2b3/0x300",
    " [<ffffffff81124447>] mem_cgroup_oom_synchronize+0x273/0x28c",
    " [<ffffffff811bd1ce>] __mem_cgroup_try_charge+0xb9e/0xbe0",
  ])
    assert.equal(constraint(`[  100.000002] ${frame}`), "memcg", frame);
  for (const frame of [
    " [<ffffffff81124447>] ? mem_cgroup_oom_synchronize+0x273/0x28c",
    " ? mem_cgroup_out_of_memory+0xbd/0xe0",
    " try_charge+0x6f0/0x770",
    " __alloc_pages_slowpath+0x6fe/0xe60",
  ])
    assert.equal(constraint(`[  100.000002] ${frame}`), null, frame);
  const machine =
    "[  100.000003] Out of memory: Killed process 348 (java) total-vm:78084kB, anon-rss:2980kB, file-rss:8148kB, shmem-rss:0kB, UID:998 pgtables:64kB oom_score_adj:0";
  assert.equal(constraint("[  100.000002]  mem_cgroup_out_of_memory+0xbd/0xe0", machine), "none");
});

const killed = (stamp: string, tid: number, words = "Out of memory: ") =>
  `[  ${stamp}] ${words}Killed process ${tid} (allocate) total-vm:78084kB, anon-rss:2980kB, file-rss:0kB, shmem-rss:0kB`;
const tasksIn = (stamp: string, cgroup: string) =>
  `[  ${stamp}] Tasks in ${cgroup} are going to be killed due to memory.oom.group set`;

test("the first victim of a group was in the cgroup of the group", () => {
  const places = (...lines: readonly string[]) =>
    reports(...lines).flatMap(({ kills }) =>
      kills.map(({ victim, cgroupPath }) => [victim.tid, cgroupPath]),
    );
  const group = [killed("52.000001", 21), tasksIn("52.000002", "/A"), killed("52.000003", 22)];
  assert.deepEqual(places(...group), [
    [21, "/A"],
    [22, "/A"],
  ]);
  const next = [killed("52.000004", 31), tasksIn("52.000005", "/B"), killed("52.000006", 32)];
  assert.deepEqual(places(...group, ...next).slice(2), [
    [31, "/B"],
    [32, "/B"],
  ]);
  const summary =
    "[  52.000000] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/A/below,task=allocate,pid=21,uid=0";
  assert.deepEqual(places(summary, ...group)[0], [21, "/A/below"]);
});

test("a kill a minute after another victim was announced is another one", () => {
  const tids = (seconds: number) =>
    reports(
      "[  100.000000] Out of memory: Kill process 456 (python) score 50 or sacrifice child",
      killed(`${100 + seconds}.000000`, 123, ""),
    ).map(({ kills }) => kills.map(({ victim }) => victim.tid));
  assert.deepEqual(tids(1), [[123]]);
  assert.deepEqual(tids(30), [[456], [123]]);
});
