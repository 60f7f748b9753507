/**
 * Writes /dev/kmsg as a kernel would, for tests that need logs nobody recorded: storms, cut lines, hostile names.
 * It shares no code with the parser.
 */
export interface WrittenKill {
  readonly sequence: number;
  readonly tid: number;
  readonly comm: string;
  /** What the log says about the victim's cgroup; `null` when the report was rate-limited away. */
  readonly cgroup: string | null;
}

export class KernelLogWriter {
  readonly lines: string[] = [];
  readonly kills: WrittenKill[] = [];
  #sequence: number;
  #microseconds = 5_000_000;

  constructor(firstSequence = 100) {
    this.#sequence = firstSequence;
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join("");
  }

  wait(microseconds: number): void {
    this.#microseconds += microseconds;
  }

  /** One record; `flags` is `c` for a piece of a line. Returns its sequence number. */
  record(priority: number, text: string, flags = "-", earlierMicroseconds = 0): number {
    this.#microseconds += 25;
    const sequence = this.#sequence++;
    const time = this.#microseconds - earlierMicroseconds;
    this.lines.push(`${priority},${sequence},${time},${flags};${escapeKmsg(text)}`);
    return sequence;
  }

  header(comm: string, pid: number): void {
    this.record(
      4,
      `${comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`,
    );
    this.record(4, `CPU: 0 UID: 0 PID: ${pid} Comm: ${comm} Not tainted 6.12.0 #1`);
    this.record(4, "Call Trace:");
    this.record(4, " dump_stack_lvl+0x5d/0x80");
  }

  usage(limitKilobytes: number): void {
    this.record(6, `memory: usage ${limitKilobytes}kB, limit ${limitKilobytes}kB, failcnt 23`);
    this.record(6, "swap: usage 0kB, limit 9007199254740988kB, failcnt 0");
  }

  table(rows: readonly { tid: number; tgid: number; comm: string }[]): void {
    this.record(6, "Tasks state (memory values in pages):");
    this.record(
      6,
      "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
    );
    for (const { tid, tgid, comm } of rows) {
      this.record(
        6,
        `[${String(tid).padStart(7)}]     0 ${tgid}     5394     5188    77824        0             0 ${comm}`,
      );
    }
  }

  killed(
    tid: number,
    comm: string,
    cgroup: string | null,
    prefix = "Memory cgroup out of memory: ",
  ): number {
    const memory = "total-vm:21576kB, anon-rss:20268kB, file-rss:4kB, shmem-rss:708kB";
    const text = `${prefix}Killed process ${tid} (${comm}) ${memory}, UID:0 pgtables:76kB oom_score_adj:0`;
    const sequence = this.record(3, text);
    this.kills.push({ sequence, tid, comm, cgroup });
    return sequence;
  }

  /** A whole memcg report and its kill. `cut` writes the summary in the pieces it is given, or in one. */
  report(kill: {
    readonly tid: number;
    readonly comm: string;
    readonly cgroup: string;
    readonly cut?: (writer: KernelLogWriter, pieces: readonly string[]) => void;
  }): number {
    const { tid, comm, cgroup } = kill;
    this.header(comm, tid);
    this.usage(20480);
    this.table([{ tid, tgid: tid, comm }]);
    const pieces = summaryPieces({ cgroup, comm, tid });
    if (kill.cut === undefined) this.record(6, pieces.join(""));
    else kill.cut(this, pieces);
    return this.killed(tid, comm, cgroup);
  }
}

/** The `oom-kill:` line as the `pr_cont` calls print it. */
export function summaryPieces(kill: { cgroup: string; comm: string; tid: number }): string[] {
  return [
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)",
    ",cpuset=",
    "/",
    ",mems_allowed=0",
    ",oom_memcg=",
    kill.cgroup,
    ",task_memcg=",
    kill.cgroup,
    `,task=${kill.comm},pid=${kill.tid},uid=0`,
  ];
}

/** As msg_print_ext_body does: bytes below 0x20, from 0x7f on and the backslash. */
export function escapeKmsg(text: string): string {
  let escaped = "";
  for (const byte of new TextEncoder().encode(text)) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    escaped += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return escaped;
}
