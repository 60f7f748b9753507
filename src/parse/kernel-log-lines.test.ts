import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { parseKernelLogLine } from "./kernel-log-lines.ts";

/** The members of `expected` are as in the line; others are not looked at. */
function reads(text: string, expected: Record<string, unknown> | null): void {
  const line = parseKernelLogLine(text);
  if (expected === null) assert.equal(line, null, text);
  else assert.partialDeepStrictEqual(line, expected, text);
}

it("kill lines of all kernels", () => {
  reads(
    "Killed process 10212, UID 500, (java) total-vm:13098572kB, anon-rss:5027928kB, file-rss:208kB",
    {
      kind: "killed",
      scope: null,
      tid: 10212,
      comm: "java",
      uid: 500,
      totalVmBytes: 13_098_572 * 1024,
      anonRssBytes: 5_027_928 * 1024,
      fileRssBytes: 208 * 1024,
      shmemRssBytes: null,
      pageTableBytes: null,
      oomScoreAdj: null,
    },
  );
  reads(
    "Killed process 9163 (mysqld), UID 27, total-vm:1456984kB, anon-rss:0kB, file-rss:0kB, shmem-rss:4kB",
    {
      tid: 9163,
      comm: "mysqld",
      uid: 27,
      shmemRssBytes: 4096,
    },
  );
  reads(
    "Out of memory: Killed process 96054 (chrome) total-vm:1184838636kB, anon-rss:16976kB, file-rss:0kB, shmem-rss:16kB, UID:1000 pgtables:1412kB oom_score_adj:-300",
    { scope: "global", uid: 1000, pageTableBytes: 1412 * 1024, oomScoreAdj: -300 },
  );
  reads(
    "Memory cgroup out of memory: Killed process 5 (a b) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
    {
      scope: "memcg",
      comm: "a b",
    },
  );
  reads(
    "Out of memory (oom_kill_allocating_task): Killed process 5 (a) total-vm:1kB, anon-rss:1kB",
    {
      scope: "allocating-task",
    },
  );
  reads("Out of Memory: Killed process 3154 (mysqld).", {
    tid: 3154,
    comm: "mysqld",
    scope: "global",
  });
  reads("Killed process 5141 (nautilus)", { tid: 5141, comm: "nautilus", totalVmBytes: null });
  reads("Memory cgroup out of memory: Killed process 946", { tid: 946, comm: null });
});

it("a victim's name is whatever it likes", () => {
  const names = [
    "x) Killed process 1 (init",
    "a) total-vm:9kB",
    "a\nb",
    "",
    "oom-kill:",
    '"',
    ") (",
    "((((",
  ];
  for (const name of names) {
    reads(`Out of memory: Killed process 5 (${name}) total-vm:1kB, anon-rss:2kB, file-rss:3kB`, {
      tid: 5,
      comm: name,
      totalVmBytes: 1024,
    });
  }
});

it("selections, sharers, skips", () => {
  reads("Memory cgroup out of memory: Kill process 3897 (stress) score 1001 or sacrifice child", {
    kind: "selection",
    scope: "memcg",
    pid: 3897,
    comm: "stress",
  });
  reads("Out of memory: kill process 25371 (apache2) score 18498 or a child", {
    kind: "selection",
  });
  reads("Kill process 3898 (stress) sharing same memory", { kind: "sharing", pid: 3898 });
  reads(
    "Memory cgroup out of memory: OOM victim 12 (x) is already exiting. Skip killing the task",
    {
      kind: "skip",
      tid: 12,
      comm: "x",
    },
  );
});

it("headers, whoever invoked", () => {
  reads("tool invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", {
    kind: "header",
    comm: "tool",
    order: 0,
  });
  reads("node invoked oom-killer: gfp_mask=0xd0, order=0, oom_adj=0, oom_score_adj=0", {
    comm: "node",
  });
  reads(
    "xfs_db invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), nodemask=(null), order=0",
    {
      order: 0,
    },
  );
  reads("kworker/0:1 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0", {
    order: -1,
  });
  for (const comm of [
    "Killed process ",
    "[1] 2 3 4 x",
    "swap: usage ",
    "Task in /",
    "",
    "a\nb",
    "Tasks in /x",
  ]) {
    reads(`${comm} invoked oom-killer: gfp_mask=0xd0, order=0`, { kind: "header", comm });
  }
});

it("summaries, also with names that look like them", () => {
  const memcg = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,";
  reads(`${memcg}oom_memcg=/b,task_memcg=/b/a,task=tool,pid=105,uid=7`, {
    kind: "summary",
    constraint: "memcg",
    limitCgroup: "/b",
    victimCgroup: "/b/a",
    comm: "tool",
    pid: 105,
    uid: 7,
  });
  reads(`${memcg}oom_memcg=/b,task_memcg=/b,task=x,pid=1,uid=0,pid=105,uid=7`, {
    comm: "x,pid=1,uid=0",
    pid: 105,
  });
  reads(`${memcg}oom_memcg=/b,task_memcg=/b,task=x,task=y,pid=105,uid=7`, {
    comm: "x,task=y",
    victimCgroup: "/b",
  });
  reads(`${memcg}oom_memcg=/b,task_memcg=/c,task_memcg=/b,task_memcg=/c/d,task=x,pid=1,uid=0`, {
    limitCgroup: "/b,task_memcg=/c",
    victimCgroup: "/b,task_memcg=/c/d",
  });
  const node =
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,";
  reads(`${node}task_memcg=/a,oom_memcg=/z,task=t,pid=1,uid=0`, {
    constraint: "none",
    limitCgroup: null,
    victimCgroup: "/a,oom_memcg=/z",
  });
  reads(
    "oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=3,cpuset=/,mems_allowed=0-3,global_oom,task_memcg=/u,task=b,pid=2,uid=0",
    {
      constraint: "memory_policy",
    },
  );
  reads(
    "oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=x.scope,mems_allowed=4,global_oom,task_memcg=/u,task=b,pid=2,uid=0",
    {
      constraint: "cpuset",
      victimCgroup: "/u",
    },
  );
  reads("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=sh,pid=7991,uid=0", {
    victimCgroup: null,
    pid: 7991,
  });
  reads(
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/b",
    { pid: null, victimCgroup: null },
  );
});

it("the lines around", () => {
  reads("Task in /b/a killed as a result of limit of /b", {
    kind: "task-in",
    victimCgroup: "/b/a",
    limitCgroup: "/b",
  });
  reads("Tasks in /x are going to be killed due to memory.oom.group set", {
    kind: "group",
    cgroup: "/x",
  });
  reads("memory: usage 20480kB, limit 20480kB, failcnt 23", {
    kind: "usage",
    limitBytes: 20480 * 1024,
  });
  reads("memory: usage 20480kB, limit 9007199254740988kB, failcnt 23", { limitBytes: null });
  reads("swap: usage 0kB, limit 9007199254740988kB, failcnt 0", { kind: "hierarchy", version: 2 });
  reads("memory+swap: usage 8192kB, limit 9007199254740988kB, failcnt 0", {
    kind: "hierarchy",
    version: 1,
  });
  reads("CPU: 0 PID: 105 Comm: tool Not tainted 6.1.0", { kind: "stack", pid: 105 });
  reads("CPU: 0 UID: 0 PID: 324 Comm: tool Not tainted 6.12", { kind: "stack", pid: 324 });
  reads("Pid: 13550, comm: java Not tainted 2.6.32-431.el6", { kind: "stack", pid: 13550 });
  reads("[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name", {
    kind: "table-header",
  });
  reads("[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file", { kind: "table-header" });
  reads("[    203]     0   202     5394     5188    77824        0             0 a) b", {
    kind: "table-row",
    tid: 203,
    tgid: 202,
  });
  reads("oom_kill_process: 30 callbacks suppressed", { kind: "suppressed", count: 30 });
  reads("Out of memory and no killable processes...", { kind: "none-killable" });
  reads("Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled", {
    kind: "panic",
  });
  reads("Kernel panic - not syncing: System is deadlocked on memory", { kind: "panic" });
  reads(
    "oom_reaper: reaped process 27664 (mempig), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
    { kind: "reaped", tid: 27664 },
  );
  reads("sysrq: Manual OOM execution", { kind: "sysrq" });
});

it("lines of others", () => {
  const others = [
    "usb 1-1: Product: Out of memory: Killed process 1 (init) total-vm:1kB",
    "usb 1-1: Product: \nOut of memory: Killed process 1 (init) total-vm:1kB",
    "tool: page allocation failure: order:0, mode:0x140dca(GFP_HIGHUSER_MOVABLE)",
    "Killed process x (y)",
    "Killed process 12345678901234567890 (y)",
    " oom_kill_process.cold+0x8/0x8d",
    "Memory cgroup stats for /x invoked oom-killer: gfp_mask=:",
    "Killing process 5 (x)",
    "",
  ];
  for (const text of others) reads(text, null);
});

it("never throws and takes time linear in the length", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => void parseKernelLogLine(text)),
    { seed: 20261120 },
  );
  const starts = [
    "Killed process 1 (",
    "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/",
    "Task in /",
    "Tasks in /",
    "[",
    "",
  ];
  const before = performance.now();
  for (const start of starts) {
    for (const filler of [
      ")",
      ",task_memcg=/",
      " killed as a result of limit of /",
      " ",
      ",task=",
      " (",
    ]) {
      parseKernelLogLine(start + filler.repeat(100_000));
    }
  }
  assert.ok(performance.now() - before < 2000);
});
