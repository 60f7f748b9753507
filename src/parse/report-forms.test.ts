/** Forms in which people hand on a log: typed from a screen, broken by hand, quoted in a sentence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

const CONTAINER = "/system.slice/system-lab\\x2dmany.slice/lab.service";

test("who types a kill line from a screen may put blanks behind its colons", () => {
  const [report] = reports(
    "Out of memory: Killed process 71 (php) total-vm: 188 kB, anon-rss: 42kB, file-rss:3 kB, UID: 33 pgtables: 60kB oom_score_adj: -5",
  );
  const victim = report?.kills[0]?.victim;
  assert.deepEqual(
    [victim?.totalVmBytes, victim?.anonRssBytes, victim?.fileRssBytes, victim?.uid],
    [188 * 1024, 42 * 1024, 3 * 1024, 33],
  );
  assert.deepEqual([victim?.pageTableBytes, victim?.oomScoreAdj], [60 * 1024, -5]);
});

test("a summary that its author broke with backslashes, also inside an escaped name", () => {
  const broken = [
    "Apr 15 23:04:52 host kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),\\",
    "    cpuset=/,mems_allowed=0,\\",
    "    oom_memcg=/system.slice/system-lab\\",
    "x2dmany.slice,\\",
    `    task_memcg=${CONTAINER},\\`,
    "    task=tail,pid=51947,uid=0",
    "Apr 15 23:04:52 host kernel: Memory cgroup out of memory: Killed process 51947 (tail) total-vm:4kB, \\",
    "    anon-rss:2kB, file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:948kB oom_score_adj:0",
  ];
  const [report, ...others] = reports(...broken);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [report?.limitCgroup, report?.victimCgroup],
    ["/system.slice/system-lab\\x2dmany.slice", CONTAINER],
  );
  assert.equal(report?.kills[0]?.victim.anonRssBytes, 2048);
});

test("records of /dev/kmsg with a caller, wrapped by a mail program that pads with no-break spaces", () => {
  const [report, ...others] = reports(
    "4,100,241227987454,-,caller=T12845;dumpsys invoked oom-killer: ",
    "gfp_mask=0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), order=3, ",
    "oom_score_adj=200",
    "4,101,241227987463,-,caller=T12845;CPU: 7 PID: 12845 Comm: dumpsys ",
    "Tainted: G        WC O      5.10.168-gki #1",
    "6,102,241227987625,-,caller=T12845;[\u00a0 pid\u00a0 ]\u00a0\u00a0 uid\u00a0 tgid ",
    "total_vm\u00a0 \u00a0\u00a0 rss pgtables_bytes swapents oom_score_adj name",
    "6,103,241227987642,-,caller=T12845;[\u00a0 \u00a0 265]\u00a0 \u00a0\u00a0 0\u00a0\u00a0 265 ",
    "2716383\u00a0 \u00a0 169\u00a0\u00a0 225280\u00a0 \u00a0\u00a0 684\u00a0 \u00a0 -1000 init",
    "3,104,241227988581,-,caller=T12845;Out of memory: Killed process 265 (init) total-vm:4kB, anon-rss:2kB",
  );
  assert.deepEqual(others, []);
  assert.deepEqual([report?.trigger?.comm, report?.trigger?.pid], ["dumpsys", 12845]);
  assert.deepEqual(
    report?.tasks.map(({ pid, comm, oomScoreAdj }) => [pid, comm, oomScoreAdj]),
    [[265, "init", -1000]],
  );
});

test("a header that is quoted in a sentence is no report; behind a prefix nobody knows it is one", () => {
  const header =
    "my_process invoked oom-killer: gfp_mask=0x201da(GFP_HIGHUSER), order=0, oom_score_adj=0";
  const sentences = [
    `If something was killed, you may get results like ${header}`,
    `In solchen Fällen sieht man ${header}`,
  ];
  for (const sentence of sentences) assert.deepEqual(reports(sentence), [], sentence);
  for (const prefix of ["", "12: ", "host-3 | ", "[ 12.345678] ", "web-1 app 17 "])
    assert.equal(reports(prefix + header).length, 1, prefix);
  const [whole] = reports(
    sentences[0] ?? "",
    "Memory cgroup out of memory: Killed process 71 (php) total-vm:4kB, anon-rss:2kB",
  );
  assert.deepEqual([whole?.outcome, whole?.trigger?.comm], ["killed", "my_process"]);
});

test("without its kill line a victim is in the cgroup that the report names", () => {
  const [report, ...others] = reports(
    "6,30,3816544225424,-;Task in /pods/a killed as a result of limit of /pods",
    "6,31,3816544225428,-;memory: usage 20480kB, limit 20480kB, failcnt 136",
    "6,32,3816544225492,-;[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
    "6,33,3816544225685,-;[2292670]     7 2292669   178320     5602   131072        0          -997 main",
    "6,34,3816544226814,-;oom_reaper: reaped process 2292670 (main), now anon-rss:0kB, file-rss:0kB",
  );
  assert.deepEqual(others, []);
  assert.deepEqual([report?.constraint, report?.limitCgroup], ["memcg", "/pods"]);
  const [kill] = report?.kills ?? [];
  assert.deepEqual([kill?.outcome, kill?.cgroupPath], ["reaped", "/pods/a"]);
  assert.deepEqual(
    [kill?.victim.pid, kill?.victim.tid, kill?.victim.uid, kill?.victim.oomScoreAdj],
    [2292669, 2292670, 7, -997],
  );
});
