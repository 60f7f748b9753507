import type { Random } from "../src/std/random.ts";
import type { Incident, Kernel, Phantom, TrueKill } from "./truth.ts";

/** One record of /dev/kmsg before it has a sequence. */
export interface LogText {
  readonly priority: number;
  readonly flags: "-" | "c";
  readonly text: string;
}

/** What the log says of a run of the OOM killer before its first kill: header, stack, usage, table, summary. */
export function reportLines(incident: Incident, kernel: Kernel): LogText[] {
  const { trigger, limit, kills } = incident;
  const [first] = kills;
  if (first === undefined) return [];
  const lines = [
    line(
      4,
      `${trigger.comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`,
    ),
    line(4, `CPU: 0 UID: 0 PID: ${trigger.pid} Comm: ${trigger.comm} Not tainted 6.12.107 #1`),
  ];
  if (limit !== null) {
    const kilobytes = (limit.limitBytes ?? 10_485_760) / 1024;
    lines.push(line(6, `memory: usage ${kilobytes}kB, limit ${kilobytes}kB, failcnt 23`));
    const swap = kernel.version === 1 ? "memory+swap: usage " : "swap: usage ";
    lines.push(line(6, `${swap}0kB, limit 9007199254740988kB, failcnt 0`));
  }
  if (kernel.taskTable) lines.push(...taskTable(kills));
  return lines;
}

function taskTable(kills: readonly TrueKill[]): LogText[] {
  const header =
    "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name";
  const rows = kills.map(
    ({ tid, tgid, uid, comm }) =>
      `[${pad(tid, 7)}] ${pad(uid, 5)} ${pad(tgid, 5)}     5394     5265    81920        0             0 ${comm}`,
  );
  return [header, ...rows].map((text) => line(6, text));
}

/** The pieces of the summary line, as `pr_cont` prints them. */
export function summaryPieces(incident: Incident): string[] {
  const [first] = incident.kills;
  if (first === undefined) return [];
  const constraint = incident.limit === null ? "CONSTRAINT_NONE" : "CONSTRAINT_MEMCG";
  return [
    `oom-kill:constraint=${constraint},nodemask=(null)`,
    ",cpuset=",
    "/",
    ",mems_allowed=0",
    ...(incident.limit === null ? [",global_oom"] : [",oom_memcg=", incident.limit.path]),
    ",task_memcg=",
    first.cgroup.path,
    `,task=${first.comm},pid=${first.tgid},uid=${first.uid}`,
  ];
}

/** The summary as one record, or cut where another processor printed. `foreign` is what it printed. */
export function summaryLines(incident: Incident, random: Random, cuts: boolean): LogText[] {
  const pieces = summaryPieces(incident);
  const lines: LogText[] = [];
  let text = "";
  for (const piece of pieces) {
    if (cuts && text !== "" && random.chance(0.3)) {
      lines.push(part(lines.length, text), line(6, foreignText(random)));
      text = "";
    }
    text += piece;
  }
  lines.push(part(lines.length, text));
  return lines;
}

function part(index: number, text: string): LogText {
  return index === 0 ? line(6, text) : { priority: 4, flags: "c", text };
}

export function killedLine(kill: TrueKill, incident: Incident): LogText {
  const scope = incident.limit === null ? "Out of memory" : "Memory cgroup out of memory";
  const sizes = `total-vm:21572kB, anon-rss:${kill.anonKilobytes}kB, file-rss:4kB, shmem-rss:712kB`;
  return line(
    3,
    `${scope}: Killed process ${kill.tid} (${kill.comm}) ${sizes}, UID:${kill.uid} pgtables:76kB oom_score_adj:0`,
  );
}

export function groupLine(path: string): LogText {
  return line(3, `Tasks in ${path} are going to be killed due to memory.oom.group set`);
}

export function skipLine(kill: TrueKill): LogText {
  return line(
    6,
    `tool: OOM victim ${kill.tid} (${kill.comm}) is already exiting. Skip killing the task`,
  );
}

/** Lines that have nothing to do with it; some look like it, but come from user space. */
export function foreignText(random: Random): string {
  return random.pick([
    "eth0: renamed from veth1a2b3c",
    "usb 1-1: new high-speed USB device number 4 using xhci_hcd",
    "docker0: port 1(veth1) entered disabled state",
  ]);
}

/** Written to /dev/kmsg by a process: the kernel makes it facility 1. */
export function forgedLine(random: Random): LogText {
  const tid = random.int(2, 30_000);
  const text = `Memory cgroup out of memory: Killed process ${tid} (init) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0`;
  return { priority: 12, flags: "-", text };
}

function line(priority: number, text: string): LogText {
  return { priority, flags: "-", text };
}

/** `prio,seq,µs,flags;text` with bytes outside printable ASCII escaped. */
export function kmsgLine(record: LogText, sequence: number, microseconds: number): string {
  const text = record.text.replace(/[^ -~]|\\/g, escapeByte);
  return `${record.priority},${sequence},${microseconds},${record.flags};${text}\n`;
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

// --- trace

export const SIGNAL_FORMAT = `name: signal_generate
print fmt: "sig=%d errno=%d code=%d comm=%s pid=%d grp=%d res=%d", REC->sig, REC->errno, REC->code, REC->comm, REC->pid, REC->group, REC->result
`;

const RICH_MARK = `name: mark_victim
print fmt: "pid=%d comm=%s total-vm=%lukB anon-rss=%lukB file-rss:%lukB shmem-rss:%lukB uid=%u pgtables=%lukB oom_score_adj=%hd", REC->pid, __get_str(comm), REC->total_vm, REC->anon_rss, REC->file_rss, REC->shmem_rss, REC->uid, REC->pgtables, REC->oom_score_adj
`;

const POOR_MARK = `name: mark_victim
print fmt: "pid=%d", REC->pid
`;

export function markFormat(kernel: Kernel): string {
  return kernel.richMark ? RICH_MARK : POOR_MARK;
}

interface TraceTask {
  readonly pid: number;
  readonly comm: string;
}

/** SIGKILL by the OOM killer. A victim's is sent with one lock more than a sharer's. */
export function signalLine(
  task: TraceTask,
  at: number,
  victim: TraceTask,
  how: "victim" | "sharer",
): string {
  const depth = how === "victim" ? 2 : 1;
  const body = `signal_generate: sig=9 errno=0 code=128 comm=${victim.comm} pid=${victim.pid} grp=1 res=0`;
  return `${traceHead(task, at, `d..${depth}.`)} ${body}\n`;
}

export function markLine(
  task: TraceTask,
  at: number,
  victim: TrueKill | Phantom,
  kernel: Kernel,
): string {
  const kilobytes = "anonKilobytes" in victim ? victim.anonKilobytes : 0;
  const uid = "uid" in victim ? victim.uid : 0;
  const more = ` comm=${victim.comm} total-vm=21572kB anon-rss=${kilobytes}kB file-rss:4kB shmem-rss:712kB uid=${uid} pgtables=76kB oom_score_adj=0`;
  const body = `mark_victim: pid=${victim.tid}${kernel.richMark ? more : ""}`;
  return `${traceHead(task, at, "...1.")} ${body}\n`;
}

function traceHead(task: TraceTask, at: number, flags: string): string {
  const seconds = Math.floor(at / 1_000_000);
  const fraction = String(at - seconds * 1_000_000).padStart(6, "0");
  return `${pad(task.comm, 16)}-${task.pid}    [000] ${flags} ${pad(seconds, 5)}.${fraction}:`;
}

function pad(value: number | string, width: number): string {
  return String(value).padStart(width);
}
