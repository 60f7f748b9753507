/**
 * Whole lines to reports. The kernel prints, in this order and with anything between:
 *
 *     header … Task in … memory: usage … table … oom-kill: … Kill process … Killed process      (facts 1.1)
 *     Tasks in … are going to be killed, Killed process (the first again), Killed process …      a group
 *     oom_reaper: reaped process …                                                               any time later
 *
 * Any of them may be missing: what is there is told, what is not there is not made up.
 */
import {
  type OomReport,
  type ReportEvent,
  type ReportKill,
  UNKNOWN_VICTIM,
} from "../model/report.ts";
import type { KilledLine } from "./kernel-log-kill-lines.ts";
import type { SummaryLine, TaskInLine } from "./kernel-log-summary.ts";
import { parseDetailLine } from "./report-detail.ts";
import { ReportDraft, wallText } from "./report-draft.ts";
import type { WholeLine } from "./report-joiner.ts";
import { binds, describeKill, finishReport, place } from "./report-kill.ts";
import { type DecidingLine, parseDecidingLine, type SelectedLine } from "./report-line.ts";
import { RecentVictims } from "./report-recent.ts";
import { isTableHeader } from "./report-table.ts";
import { UserspaceKillers } from "./report-userspace.ts";
import { KubeletWords } from "./report-userspace-kubelet.ts";

/** Lines of others after which an undecided report is over: an operator's grep or a cut log ended it. */
export const MAX_FOREIGN_UNDECIDED = 600;
/** The same after its kill: only a group's members and a repetition follow. */
const MAX_FOREIGN_DECIDED = 60;
/** A report with a long table on a slow console took 3 s (measured on 2.6.32); a minute is another one. */
export const MAX_REPORT_SECONDS = 60;
/** Between the line that announces a victim and the kill of another one, its child. */
const MAX_CHILD_SECONDS = 5;
/** Lines of one group kill follow each other at once. */
const GROUP_PAUSE_SECONDS = 1;
/** Userspace kills wait for the report before them. */
const MAX_WAITING = 1_000;

export class ReportAssembler {
  #open: ReportDraft | null = null;
  #foreign = 0;
  readonly #recent = new RecentVictims();
  readonly #userspace = new UserspaceKillers();
  readonly #kubelet = new KubeletWords();
  #release: string | null = null;
  #suppressed: number | null = null;
  #sysrq = false;
  #events: ReportEvent[] = [];
  /** Told after the open report, which began before. */
  #waiting: ReportEvent[] = [];

  get busy(): boolean {
    return this.#open !== null;
  }

  push(line: WholeLine): readonly ReportEvent[] {
    this.#take(line);
    return this.#drain();
  }

  end(): readonly ReportEvent[] {
    this.#flush();
    this.#events.push(...this.#kubelet.end((pid) => this.#recent.has(pid)));
    return this.#drain();
  }

  problem(line: number, sentence: string): void {
    this.#later({ kind: "problem", line, sentence });
  }

  #drain(): readonly ReportEvent[] {
    if (this.#events.length === 0) return NONE;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #later(event: ReportEvent): void {
    if (this.#open === null) this.#events.push(event);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(event);
  }

  #take(line: WholeLine): void {
    const killer = this.#userspace.read(line.text, line.number);
    if (killer !== null) {
      const at = wallText(line.wallMicroseconds);
      this.#later({ kind: "userspace-kill", kill: { ...killer, at, line: line.number } });
      return;
    }
    const word = this.#kubelet.read(line.text, line.number);
    if (word !== null) this.#later(word);
    if (line.origin === "user") return;
    const deciding = parseDecidingLine(line.text, line.prefixed);
    if (deciding !== null) {
      this.#foreign = 0;
      this.#decide(deciding, line);
    } else if (this.#describe(line)) this.#foreign = 0;
    else this.#pass(line);
  }

  /** Somebody else's line. */
  #pass(line: WholeLine): void {
    if (/^(?:sysrq|SysRq ): Manual OOM/.test(line.text)) this.#sysrq = true;
    const open = this.#open;
    if (open === null) return;
    this.#foreign += 1;
    const most = open.decided ? MAX_FOREIGN_DECIDED : MAX_FOREIGN_UNDECIDED;
    if (this.#foreign > most || isLater(open, line, MAX_REPORT_SECONDS)) this.#flush();
  }

  #describe(line: WholeLine): boolean {
    const open = this.#open;
    if (open !== null && !open.decided) return open.describe(line);
    const detail = isTableHeader(line.text) ? null : parseDetailLine(line.text);
    if (detail?.kind === "release") this.#release = detail.release;
    const begins =
      isTableHeader(line.text) ||
      detail?.kind === "stats" ||
      (detail?.kind === "usage" && detail.name === "memory");
    // What follows a decided report may be noise; a headless report begins with its own lines.
    return begins ? this.#begin(line).describe(line) : false;
  }

  #begin(line: WholeLine): ReportDraft {
    this.#flush();
    const draft = new ReportDraft(line);
    draft.release = this.#release;
    draft.suppressedBefore = this.#suppressed;
    draft.sysrq = this.#sysrq;
    this.#suppressed = null;
    this.#sysrq = false;
    this.#open = draft;
    this.#foreign = 0;
    return draft;
  }

  /** The open report if it still waits for what decides it, else a new one without a header. */
  #undecided(line: WholeLine): ReportDraft {
    const open = this.#open;
    const fits = open !== null && !open.decided && !isLater(open, line, MAX_REPORT_SECONDS);
    const draft = fits ? open : this.#begin(line);
    draft.touch(line);
    return draft;
  }

  #decide(line: DecidingLine, at: WholeLine): void {
    switch (line.kind) {
      case "header":
        this.#begin(at).header = line;
        return;
      case "task-in":
        this.#taskIn(line, at);
        return;
      case "summary":
        this.#summary(line, at);
        return;
      case "selection":
        this.#selection(line, at);
        return;
      case "killed":
        this.#killed(line, at);
        return;
      case "sharing":
        this.#sharing(line.pid, line.comm, at);
        return;
      case "group":
        this.#group(line.cgroup, at);
        return;
      case "skip":
        if (this.#open !== null && !this.#open.decided) this.#open.skipped = true;
        return;
      case "none-killable":
        this.#undecided(at).ending = "none-killable";
        return;
      case "panic":
        this.#panic(at, line.cause);
        return;
      case "reaped":
        this.#reaped(line.tid, line.comm, at);
        return;
      case "suppressed":
        this.#suppressed = line.count;
        return;
    }
  }

  #taskIn(line: TaskInLine, at: WholeLine): void {
    const open = this.#undecided(at);
    const draft = open.taskIn === null ? open : this.#begin(at);
    draft.taskIn = line;
  }

  #summary(line: SummaryLine, at: WholeLine): void {
    if (this.#isRepeatedSummary(line, at)) return;
    const open = this.#undecided(at);
    const draft = open.summary === null && open.selection === null ? open : this.#begin(at);
    draft.summary = line;
    draft.summaryLine = at;
  }

  #isRepeatedSummary(line: SummaryLine, at: WholeLine): boolean {
    const before = this.#open?.summaryLine ?? null;
    if (before === null || line.pid === null || at.uptimeSeconds === null) return false;
    return this.#open?.summary?.pid === line.pid && before.uptimeSeconds === at.uptimeSeconds;
  }

  #selection(line: SelectedLine, at: WholeLine): void {
    const open = this.#undecided(at);
    const named = open.summary?.pid ?? null;
    // 5.0 prints both.
    const same = open.selection === null && (open.summary === null || named === line.pid);
    const draft = same ? open : this.#begin(at);
    draft.selection = line;
    draft.selectionLine = at;
    draft.scope = line.scope;
  }

  #killed(line: KilledLine, at: WholeLine): void {
    if (this.#recent.isRepeated(line.tid, at)) return;
    const open = this.#open;
    if (isNoKill(line, at, open)) return;
    // With a report before it, it is another one: some kernels tried the same victim again and again.
    const fresh = open !== null && !open.decided && open.announced;
    if (!fresh && this.#recent.isJustKilled(line.tid, at)) return;
    if (open?.decided === true && this.#joins(open, line, at)) {
      if (open.kills.some((kill) => kill.victim.tid === line.tid)) return;
      this.#kill(open, line, at);
      return;
    }
    if (
      open !== null &&
      !open.decided &&
      binds(open, line, at) &&
      !isLater(open, at, MAX_REPORT_SECONDS) &&
      !isAnothers(open, line, at)
    ) {
      this.#kill(open, line, at);
      return;
    }
    this.#kill(this.#begin(at), line, at);
  }

  /** A member of the group of this report, or its victim's line once more. */
  #joins(open: ReportDraft, line: KilledLine, at: WholeLine): boolean {
    const last = open.kills.at(-1);
    if (last === undefined) return false;
    const pause = seconds(at, last);
    const same = open.kills.some(
      (kill) =>
        kill.victim.tid === line.tid && (kill.victim.comm === line.comm || line.comm === null),
    );
    if (same) {
      const since = pause ?? this.#recent.secondsSince(line.tid, at);
      return since === null || since <= MAX_REPORT_SECONDS;
    }
    return open.group !== null && (pause === null || pause <= GROUP_PAUSE_SECONDS);
  }

  #kill(draft: ReportDraft, line: KilledLine, at: WholeLine): void {
    draft.touch(at);
    if (draft.kills.length === 0) draft.scope = line.scope ?? draft.scope;
    draft.kill(describeKill(draft, line, at));
    this.#recent.add(line.tid, at);
  }

  /** ≤ 4.5: it dies with the victim because it shares its memory. */
  #sharing(pid: number, comm: string, at: WholeLine): void {
    const draft = this.#open?.decided === true ? this.#open : this.#begin(at);
    draft.touch(at);
    if (draft.kills.some((kill) => kill.victim.tid === pid)) return;
    draft.kill({
      ...place(at),
      outcome: "killed",
      victim: { ...UNKNOWN_VICTIM, pid, tid: pid, comm },
      cgroupPath: null,
      score: null,
    });
    this.#recent.add(pid, at);
  }

  /** The first victim of a group is the latest kill, also when that was taken for a member of an earlier group. */
  #group(cgroup: string, at: WholeLine): void {
    const open = this.#open;
    const first = open?.kills.at(-1);
    if (open === null || first === undefined) {
      this.#undecided(at).group = cgroup;
      return;
    }
    if (open.group === null) {
      open.group = cgroup;
      if (first.cgroupPath === null) open.kills.splice(-1, 1, { ...first, cgroupPath: cgroup });
      open.touch(at);
      return;
    }
    if (open.group === cgroup && open.kills.length === 1) return;
    open.kills.pop();
    const draft = this.#begin(at);
    draft.group = cgroup;
    draft.scope = open.scope;
    draft.kill({ ...first, cgroupPath: cgroup });
  }

  #panic(at: WholeLine, cause: OomReport["panicCause"]): void {
    const open = this.#open;
    const draft = open !== null && open.ending === "none-killable" ? open : this.#undecided(at);
    draft.panicCause = draft.ending === "none-killable" ? "none-killable" : cause;
    draft.ending = "panic";
    draft.touch(at);
  }

  /** The reaper speaks of victims long told; where it alone does, it is the evidence. */
  #reaped(tid: number, comm: string | null, at: WholeLine): void {
    if (this.#recent.has(tid) || this.#names(tid)) return;
    const open = this.#open;
    const bare = open !== null && !open.decided && open.header !== null && open.summary === null;
    const draft = bare && open.selection === null ? open : this.#begin(at);
    draft.touch(at);
    const victim = { ...UNKNOWN_VICTIM, pid: draft.tasks.groupOf(tid) ?? tid, tid, comm };
    draft.kill({ ...place(at), outcome: "reaped", victim, cgroupPath: null, score: null });
    this.#recent.add(tid, at);
  }

  #names(tid: number): boolean {
    return this.#open?.summary?.pid === tid || this.#open?.selection?.pid === tid;
  }

  #flush(): void {
    const open = this.#open;
    this.#open = null;
    if (open !== null) {
      const report = finishReport(open);
      if (report !== null) this.#events.push({ kind: "report", report });
      for (const { victim, uptimeSeconds, line } of open.kills) {
        const stamp = { uptimeSeconds, wallMicroseconds: null, number: line };
        if (victim.tid !== null) this.#recent.add(victim.tid, stamp);
      }
    }
    if (this.#waiting.length > 0) {
      this.#events.push(...this.#waiting);
      this.#waiting = [];
    }
  }
}

const NONE: readonly ReportEvent[] = [];

type Stamped = Pick<WholeLine, "uptimeSeconds" | "wallMicroseconds">;

/** A script says "Killed process 12" too, and the kernel's source "Killed process %d (%s)". */
function isNoKill(line: KilledLine, at: WholeLine, open: ReportDraft | null): boolean {
  if (line.comm === "%s") return true;
  return line.comm === null && line.scope === null && at.origin !== "kernel" && open === null;
}

function seconds(line: WholeLine, kill: ReportKill): number | null {
  if (line.uptimeSeconds === null || kill.uptimeSeconds === null) return null;
  return Math.abs(line.uptimeSeconds - kill.uptimeSeconds);
}

/** Another victim was announced, and long before. */
function isAnothers(open: ReportDraft, { tid }: KilledLine, at: WholeLine): boolean {
  const announced = open.selectionLine ?? open.summaryLine;
  const named = open.selection?.pid ?? open.summary?.pid ?? null;
  return announced !== null && named !== tid && isLater(announced, at, MAX_CHILD_SECONDS);
}

function isLater(open: Stamped, line: WholeLine, thanSeconds: number): boolean {
  const { uptimeSeconds, wallMicroseconds } = line;
  if (uptimeSeconds !== null && open.uptimeSeconds !== null)
    return Math.abs(uptimeSeconds - open.uptimeSeconds) > thanSeconds;
  if (wallMicroseconds === null || open.wallMicroseconds === null) return false;
  return Math.abs(wallMicroseconds - open.wallMicroseconds) > thanSeconds * 1e6;
}
