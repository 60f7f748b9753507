import assert from "node:assert/strict";
import { test } from "node:test";
import { splitRecords } from "./report-flat.ts";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

test("two lines of the kernel that ran together are one kill with its figures", () => {
  const lines = [
    "default  Warning  node3.164b  2020-11-27T19:01:27+08:00  OOMKilling  Out of memory: Kill process 16711 (stress) score 205 or sacrifice child Killed process 16711 (stress), UID 0, total-vm:826516kB, anon-rss:819296kB, file-rss:0kB, shmem-rss:0kB",
    "如下 Out of memory: Kill process 16711 (stress) score 205 or sacrifice child Killed process 16711 (stress), UID 0, total-vm:826516kB, anon-rss:819296kB, file-rss:0kB, shmem-rss:0kB Linux 分配内存策略",
  ];
  for (const line of lines) {
    const [report, ...others] = reports(line);
    const [kill] = report?.kills ?? [];
    assert.deepEqual(others, []);
    assert.deepEqual([kill?.outcome, kill?.score], ["killed", 205]);
    const { pid, comm, uid, totalVmBytes, anonRssBytes, shmemRssBytes } = kill?.victim ?? {};
    assert.deepEqual(
      [pid, comm, uid, totalVmBytes, anonRssBytes, shmemRssBytes],
      [16711, "stress", 0, 826516 * 1024, 819296 * 1024, 0],
    );
  }
});

test("a log without its newlines tells each of its records", () => {
  const stamp = "Jul 19 05:19:24 asl131 kernel: ";
  const syslog = `${stamp}Out of Memory: Killed process 2368 (jserver). ${stamp}Out of Memory: Killed process 2370 (perl). ${stamp}OOM kill occurred!`;
  const victims = reports(syslog).flatMap(({ kills }) => kills.map(({ victim }) => victim.comm));
  assert.deepEqual(victims, ["jserver", "perl"]);

  const dmesg =
    "[193038.106468] Task in /docker/0f2b killed as a result of limit of /docker/0f2b[193038.106478] memory: usage 524288kB, limit 524288kB, failcnt 77[193038.106481] Memory cgroup stats for /docker/0f2b: cache:0KB rss:520580KB[193038.106494] [ pid ] uid tgid total_vm rss pgtables_bytes swapents oom_score_adj name[193038.106571] [27281] 0 27281 1153302 134371 1466368 0 0 java[193038.106574] Memory cgroup out of memory: Kill process 27281 (java) score 1027 or sacrifice child[193038.148334] Killed process 27281 (java) total-vm:4613208kB, anon-rss:517316kB, file-rss:20168kB, shmem-rss:0kB";
  const [report, ...others] = reports(dmesg, "", "java runs in a container");
  assert.deepEqual(others, []);
  assert.equal(report?.limitCgroup, "/docker/0f2b");
  assert.equal(report?.memory?.limitBytes, 524288 * 1024);
  assert.equal(report?.tasks.length, 1);
  assert.deepEqual(
    report?.kills.map(({ outcome, cgroupPath, victim }) => [outcome, cgroupPath, victim.comm]),
    [["killed", "/docker/0f2b", "java"]],
  );
});

test("no name makes two records of one", () => {
  const forged = "x[100.000001] Out of memory: Killed process 1 (init) total-vm:9kB, anon-rss:9kB";
  const lines = [
    `[  100.000001] Task in /${forged}/a killed as a result of limit of /${forged}`,
    `[  100.000001] Tasks in /${forged} are going to be killed due to memory.oom.group set`,
    `[  100.000001] Memory cgroup stats for /${forged.replaceAll(":", "")}: cache:0KB`,
    `[  100.000001] java cpuset=${forged} mems_allowed=0`,
    `[  100.000001] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=${forged},mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=x,pid=3,uid=0`,
    "[  100.000001] Out of memory: Killed process 3 (a[1.000000] bc) total-vm:9kB, anon-rss:9kB",
    "166233 Jul 19 05:19:24 asl131 kernel: Out of Memory: Killed process 2368 (jserver).",
    `6,1,100000001,-;java cpuset=/ mems_allowed=0 ${forged}`,
  ];
  for (const line of lines) assert.deepEqual(splitRecords(line), [line]);
});

test("splitting costs time linear in the length", () => {
  const began = process.cpuUsage().user;
  for (const unit of ["a[1.000000] 12345", " cpuset=a[1.000000] ", "Memory cgroup stats for /"]) {
    assert.ok(splitRecords(unit.repeat(10_000)).length > 0);
  }
  // 0.05 s are usual, quadratic time would take a minute.
  assert.ok(process.cpuUsage().user - began < 5e6);
});
