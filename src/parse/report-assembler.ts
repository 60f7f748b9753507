/**
 * Whole lines to reports. The kernel prints, in this order and with anything between:
 *
 *     header … Task in … memory: usage … table … oom-kill: … Kill process … Killed process      (facts 1.1)
 *     Tasks in … are going to be killed, Killed process (the first again), Killed process …      a group
 *     oom_reaper: reaped process …                                                               any time later
 *
 * Any of them may be missing: what is there is told, what is not there is not made up.
 */
import { type OomReport, type ReportEvent, UNKNOWN_VICTIM } from "../model/report.ts";
import type { KilledLine } from "./kernel-log-kill-lines.ts";
import type { SummaryLine, TaskInLine } from "./kernel-log-summary.ts";
import { parseDetailLine } from "./report-detail.ts";
import { ReportDraft, wallText } from "./report-draft.ts";
import { Excerpts, stampOf } from "./report-excerpts.ts";
import type { WholeLine } from "./report-joiner.ts";
import { binds, describeKill, describeReaped, finishReport, place } from "./report-kill.ts";
import {
  isAnothers,
  isLater,
  isNoKill,
  lacksVictim,
  MAX_REPORT_SECONDS,
  pasteKey,
  secondsBetween,
} from "./report-kinship.ts";
import { type DecidingLine, parseDecidingLine, type SelectedLine } from "./report-line.ts";
import { RecentVictims } from "./report-recent.ts";
import { isTableHeader } from "./report-table.ts";
import { UserspaceKillers } from "./report-userspace.ts";
import { KubeletWords } from "./report-userspace-kubelet.ts";

/** Lines of others after which an undecided report is over: an operator's grep or a cut log ended it. */
export const MAX_FOREIGN_UNDECIDED = 600;
/** The same after its kill: only a group's members and a repetition follow. */
const MAX_FOREIGN_DECIDED = 60;
/** Lines of one group kill follow each other at once. */
const GROUP_PAUSE_SECONDS = 1;
/** A machine without anybody to kill says so again and again. */
const MAX_ENDINGS = 1_000;
/** Userspace kills wait for the report before them. */
const MAX_WAITING = 1_000;

export class ReportAssembler {
  #open: ReportDraft | null = null;
  #foreign = 0;
  readonly #recent = new RecentVictims();
  readonly #excerpts = new Excerpts();
  /** When nobody could be killed. */
  readonly #endings = new Set<string>();
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
    this.#report(this.#excerpts.end());
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
    if (this.#open === null) {
      this.#report(this.#excerpts.end());
      this.#events.push(event);
    } else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(event);
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
    const key = pasteKey(line, at);
    const pasted = key !== null && this.#open?.decidedBy.has(key) === true;
    // After its kill a header begins the log that an excerpt is from.
    if (pasted && !(line.kind === "header" && this.#open?.decided === true)) return;
    this.#decideBy(line, at);
    if (key !== null) this.#open?.decidedBy.add(key);
  }

  #decideBy(line: DecidingLine, at: WholeLine): void {
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
        if (!this.#isToldEnding(at)) this.#undecided(at).end("none-killable", at);
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
    const open = this.#undecided(at);
    const draft = open.summary === null && open.selection === null ? open : this.#begin(at);
    draft.summary = line;
    draft.summaryLine = at;
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
    const open = this.#open;
    const excerpt = open?.announced === true && this.#isExcerpt(line.tid, at);
    if (!excerpt && this.#recent.isRepeated(line.tid, at)) {
      if (open !== null && !open.decided && binds(open, line, at)) this.#drop();
      return;
    }
    if (isNoKill(line, at, open)) return;
    // With a report before it, it is another one: some kernels tried the same victim again and again.
    const fresh = excerpt || (open !== null && !open.decided && open.announced);
    if (!fresh && this.#recent.isJustKilled(line.tid, at)) return;
    if (open?.decided === true && this.#joins(open, line, at)) {
      if (open.kills.some((kill) => kill.victim.tid === line.tid)) {
        open.alsoAt(line.tid, at);
        return;
      }
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
    const pause = secondsBetween(at, last);
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
    const follows = open !== null && open.ending === "none-killable";
    if (!follows && this.#isToldEnding(at)) return;
    const draft = follows ? open : this.#undecided(at);
    draft.end("panic", at);
    draft.panicCause = draft.ending === "none-killable" ? "none-killable" : cause;
  }

  /** The reaper speaks of victims long told; where it alone does, it is the evidence. */
  #reaped(tid: number, comm: string | null, at: WholeLine): void {
    if (this.#recent.has(tid) || this.#names(tid)) return;
    const open = this.#open;
    const draft = open !== null && lacksVictim(open, tid, at) ? open : this.#begin(at);
    draft.touch(at);
    draft.kill(describeReaped(draft, tid, comm, at));
    this.#recent.add(tid, at);
  }

  /** Told in an excerpt, whose log this is. */
  #isExcerpt(tid: number | null, at: WholeLine): boolean {
    const stamp = stampOf(tid, at.uptimeSeconds);
    return stamp !== null && this.#excerpts.has(stamp);
  }

  /** The line that nobody was killed, once more: what stands before it was told, too. */
  #isToldEnding(at: WholeLine): boolean {
    const stamp = stampOf(null, at.uptimeSeconds);
    if (stamp === null || !this.#endings.has(stamp) || this.#isExcerpt(null, at)) return false;
    if (this.#open?.decided === false) this.#drop();
    return true;
  }

  #names(tid: number): boolean {
    return this.#open?.summary?.pid === tid || this.#open?.selection?.pid === tid;
  }

  #report(reports: readonly OomReport[]): void {
    for (const report of reports) this.#events.push({ kind: "report", report });
  }

  /** The open report was told before. */
  #drop(): void {
    this.#open = null;
    this.#events.push(...this.#waiting);
    this.#waiting = [];
  }

  #flush(): void {
    const open = this.#open;
    this.#open = null;
    if (open !== null) {
      const report = finishReport(open);
      const { stamps } = open;
      if (report !== null) this.#report(this.#excerpts.take(report, stamps));
      if (open.ending !== null && this.#endings.size < MAX_ENDINGS)
        for (const stamp of stamps) this.#endings.add(stamp);
      for (const { victim, uptimeSeconds, line } of open.kills) {
        const stamp = { uptimeSeconds, wallMicroseconds: null, number: line };
        if (victim.tid !== null) this.#recent.add(victim.tid, stamp);
      }
    }
    this.#events.push(...this.#waiting);
    this.#waiting = [];
  }
}

const NONE: readonly ReportEvent[] = [];
