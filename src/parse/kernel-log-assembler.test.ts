import assert from "node:assert/strict";
import { it } from "node:test";
import { KernelLogAssembler, type KernelLogEvent } from "./kernel-log-assembler.ts";

/** A log in short: a text, a piece (`c;…`), a pause in ms (number), a gap (null). */
type Step = string | number | null;

/** `kill SEQ tid@cgroup(basis) of INCIDENT [group] [repeat]`, one line an event. */
function run(steps: readonly Step[]): string[] {
  const assembler = new KernelLogAssembler();
  let sequence = 10;
  let timestampMicroseconds = 1_000_000;
  const events: KernelLogEvent[] = [];
  for (const step of steps) {
    if (step === null) sequence += 7;
    else if (typeof step === "number") timestampMicroseconds += step * 1000;
    else {
      const piece = /^[c+];/.test(step);
      const record = { priority: 6, facility: 0, level: 6, sequence, caller: null };
      const text = piece ? step.slice(2) : step;
      timestampMicroseconds += 20;
      events.push(
        ...assembler.push({
          ...record,
          timestampMicroseconds,
          flags: piece ? step.charAt(0) : "-",
          text,
        }),
      );
      sequence += 1;
    }
  }
  return events.map(show);
}

function show(event: KernelLogEvent): string {
  const { kind, sequence, incident } = event;
  if (kind === "skip") return `skip ${sequence} ${event.tid} of ${incident}`;
  if (kind === "group") return `group ${sequence} ${event.cgroup} of ${incident}`;
  const { victim, cgroup } = event;
  const pid = victim.pid === null || victim.pid === victim.tid ? "" : `<${victim.pid}`;
  const words = [
    cgroup === null ? "nowhere" : `${cgroup.path}(${cgroup.basis})`,
    `of ${incident}`,
    ...(event.group ? ["group"] : []),
    ...(event.repeat ? ["repeat"] : []),
    ...(event.counted ? [] : ["uncounted"]),
    ...(event.limit?.cgroup ? [`limit ${event.limit.cgroup} ${event.limit.bytes}`] : []),
    ...(event.trigger ? [`by ${event.trigger.comm} ${event.trigger.pid}`] : []),
  ];
  return `kill ${sequence} ${victim.tid}${pid} ${words.join(" ")}`;
}

const header = (comm: string) =>
  `${comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`;
const stack = (comm: string, pid: number) => `CPU: 0 PID: ${pid} Comm: ${comm} Not tainted 6.1`;
const USAGE = "memory: usage 1024kB, limit 1024kB, failcnt 9";
const summary = (pid: number, limit: string, victim: string) =>
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${limit},task_memcg=${victim},task=t,pid=${pid},uid=0`;
const row = (tid: number, tgid = tid) => `[${tid}] 0 ${tgid} 1 1 1 1 0 t`;
const TABLE = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name";
const killed = (tid: number) =>
  `Memory cgroup out of memory: Killed process ${tid} (t) total-vm:9kB, anon-rss:8kB, file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0`;
const group = (path: string) =>
  `Tasks in ${path} are going to be killed due to memory.oom.group set`;
const MEMORY = "total-vm:9kB, anon-rss:8kB, file-rss:1kB";

it("a report belongs to its kill and to no other", () => {
  const report = [header("a"), stack("a", 4), USAGE, TABLE, row(5), summary(5, "/l", "/l/c")];
  assert.deepEqual(run([...report, killed(5), killed(6)]), [
    "kill 16 5 /l/c(kernel-log) of 16 limit /l 1048576 by a 4",
    "kill 17 6 nowhere of 17",
  ]);
  // Its victim had no memory left and the kernel (5.1 … 5.6) said nothing.
  assert.deepEqual(run([...report, killed(6), killed(5)]), [
    "kill 16 6 nowhere of 16",
    "kill 17 5 nowhere of 17",
  ]);
  const skip =
    "Memory cgroup out of memory: OOM victim 5 (t) is already exiting. Skip killing the task";
  assert.deepEqual(run([...report, skip, killed(5)]), [
    "skip 16 5 of null",
    "kill 17 5 nowhere of 17",
  ]);
});

it("a thread is known by the table when its leader has ended", () => {
  const log = [header("a"), TABLE, row(203, 202), summary(202, "/l", "/l"), killed(203)];
  assert.deepEqual(run(log), ["kill 14 203<202 /l(kernel-log) of 14 limit /l null by a null"]);
});

it("a foreign stack does not become the trigger's", () => {
  const log = [
    header("a"),
    stack("ab", 9),
    stack("a", 4),
    stack("a", 5),
    summary(5, "/l", "/l"),
    killed(5),
  ];
  assert.match(run(log)[0] ?? "", /by a 4$/);
});

it("a header without a victim lends nothing to the next kill", () => {
  const log = [header("a"), USAGE, "Out of memory and no killable processes...", killed(5)];
  assert.deepEqual(run(log), ["kill 13 5 nowhere of 13"]);
});

it("a group: first victim, its repeat, members; what follows later is none", () => {
  const log = [killed(5), group("/g"), killed(5), killed(6), 20, killed(7), 1100, killed(8)];
  assert.deepEqual(run(log), [
    "kill 10 5 nowhere of 10",
    "group 11 /g of 10",
    "kill 12 5 /g(group) of 10 group repeat",
    "kill 13 6 /g(group) of 10 group",
    "kill 14 7 /g(group) of 10 group",
    "kill 15 8 nowhere of 15",
  ]);
});

it("the first victim of a second group was taken for a member of the first: the group line corrects it", () => {
  const log = [killed(5), group("/g"), killed(5), killed(7), group("/h"), killed(7), killed(8)];
  assert.deepEqual(run(log).slice(3), [
    "kill 13 7 /g(group) of 10 group",
    "group 14 /h of 13",
    "kill 15 7 /h(group) of 13 group repeat",
    "kill 16 8 /h(group) of 13 group",
  ]);
});

it("a group ends with the next report, another kind of kill, or a process that was not in its table", () => {
  const begin = [
    header("a"),
    TABLE,
    row(5),
    row(6),
    summary(5, "/l", "/g"),
    killed(5),
    group("/g"),
    killed(5),
    killed(6),
  ];
  const rest = (...more: Step[]) => run([...begin, ...more]).slice(4);
  assert.deepEqual(run(begin).at(-1), "kill 18 6 /g(group) of 15 group limit /l null by a null");
  assert.deepEqual(rest(killed(9)), ["kill 19 9 nowhere of 19"]);
  assert.deepEqual(rest(header("b"), killed(6)), ["kill 20 6 nowhere of 20"]);
  const global = `Out of memory: Killed process 6 (t) ${MEMORY}`;
  assert.deepEqual(rest(global), ["kill 19 6 nowhere of 19"]);
});

it("a summary without its header begins an incident of its own", () => {
  const log = [killed(5), group("/g"), killed(5), summary(6, "/l", "/l"), killed(6)];
  assert.equal(run(log).at(-1), "kill 14 6 /l(kernel-log) of 14 limit /l null");
});

it("a group is named by its first victim's first line", () => {
  assert.equal(run([killed(5), group("/g"), killed(5), group("/g")]).at(-1), "group 13 /g of 10");
});

it("a gap drops the report and the group, but not the memory of the first victim", () => {
  const report = [header("a"), USAGE, summary(5, "/l", "/l")];
  assert.deepEqual(run([...report, null, killed(5)]), ["kill 20 5 nowhere of 20"]);
  assert.deepEqual(run([killed(5), null, killed(5), killed(6)]), [
    "kill 10 5 nowhere of 10",
    "kill 18 5 nowhere of 10 repeat",
    "kill 19 6 nowhere of 19",
  ]);
  assert.deepEqual(
    run([killed(5), group("/g"), null, killed(6)]).at(-1),
    "kill 19 6 nowhere of 19",
  );
});

it("a group whose first victim's line is lost is named by the first member seen", () => {
  assert.deepEqual(run([null, group("/g"), killed(5), killed(6)]), [
    "kill 18 5 /g(group) of 18 group",
    "group 17 /g of 18",
    "kill 19 6 /g(group) of 18 group",
  ]);
});

it("a skipped member belongs to its group's incident", () => {
  const skip =
    "Memory cgroup out of memory: OOM victim 6 (t) is already exiting. Skip killing the task";
  assert.deepEqual(run([killed(5), group("/g"), killed(5), skip, killed(7)]).slice(3), [
    "skip 13 6 of 10",
    "kill 14 7 /g(group) of 10 group",
  ]);
});

it("before 5.1 the selection ties the report to the kill, which may be of a child", () => {
  const select = (pid: number) =>
    `Memory cgroup out of memory: Kill process ${pid} (t) score 9 or sacrifice child`;
  const bare = (tid: number) => `Killed process ${tid} (t) ${MEMORY}`;
  const report = [
    header("a"),
    "Pid: 4, comm: a Not tainted",
    "Task in /l/c killed as a result of limit of /l",
    USAGE,
  ];
  assert.deepEqual(run([...report, select(5), bare(5), select(6), bare(6)]), [
    "kill 15 5 /l/c(kernel-log) of 15 limit /l 1048576 by a 4",
    "kill 17 6 nowhere of 17",
  ]);
  assert.deepEqual(
    run([...report, select(5), bare(50), "Kill process 51 (t) sharing same memory"]),
    [
      "kill 15 50 /l/c(lineage) of 15 limit /l 1048576 by a 4",
      "kill 16 51 nowhere of 15 uncounted limit /l 1048576 by a 4",
    ],
  );
  assert.deepEqual(run([header("a"), bare(5), bare(6)]), [
    "kill 11 5 nowhere of 11 by a null",
    "kill 12 6 nowhere of 12",
  ]);
});

it("lines in pieces: `Task in`, `Tasks in`, a summary cut before it can be known", () => {
  const old = [
    header("a"),
    "Task in ",
    "c;/l/c",
    "eth0: link up",
    "c; killed as a result of limit of ",
    "c;/l",
    "c;",
  ];
  const select = "Memory cgroup out of memory: Kill process 5 (t) score 9 or sacrifice child";
  assert.deepEqual(run([...old, select, `Killed process 5 (t) ${MEMORY}`]), [
    "kill 18 5 /l/c(kernel-log) of 18 limit /l null by a null",
  ]);
  const cut = [
    killed(5),
    "Tasks in ",
    "eth0: link up",
    "c;/g",
    "c; are going to be killed due to memory.oom.group set",
    killed(5),
  ];
  assert.deepEqual(run(cut), [
    "kill 10 5 nowhere of 10",
    "group 14 /g of 10",
    "kill 15 5 /g(group) of 10 group repeat",
  ]);
  const text = summary(5, "/l", "/l");
  assert.deepEqual(run([text.slice(0, 4), `c;${text.slice(4)}`, killed(5)]), [
    "kill 12 5 /l(kernel-log) of 12 limit /l null",
  ]);
});

it("Linux 3.5 to 4.9 flags the first piece of a line too", () => {
  const pieces = ["c;Task in ", "c;/l", "+; killed as a result of limit of ", "+;/l", "+;"];
  const select = "Memory cgroup out of memory: Kill process 5 (t) score 9 or sacrifice child";
  const log = [
    header("a"),
    "eth0: link up",
    ...pieces,
    USAGE,
    select,
    `Killed process 5 (t) ${MEMORY}`,
  ];
  assert.deepEqual(run(log), ["kill 19 5 /l(kernel-log) of 19 limit /l 1048576 by a null"]);
});

it("pieces of other lines are not taken into a summary", () => {
  const foreign = ["usb 1-1: new device", "c; number 2"];
  const log = [
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/",
    ...foreign,
    "c;,mems_allowed=0,oom_memcg=/l,task_memcg=",
  ];
  const rest = [...foreign, "c;/l/c", ...foreign, "c;,task=t,pid=5,uid=0", "c;", killed(5)];
  assert.match(run([...log, ...rest])[0] ?? "", /\/l\/c\(kernel-log\).* limit \/l /);
});

it("a piece of a lost line is never a kill, whatever it says", () => {
  assert.deepEqual(run([`c;${killed(1)}`, null, `c;${killed(1)}`, `c;${group("/g")}`]), []);
});
