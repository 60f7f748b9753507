/**
 * Pairs the two trace events of an OOM kill. `__oom_kill_process` (mm/oom_kill.c) sends SIGKILL and then marks the victim,
 * in one go under the victim's task lock; nothing else does both:
 *
 *     hog-4510 [000] d..2.  413.558257: signal_generate: sig=9 errno=0 code=128 comm=hog pid=4510 grp=1 res=0
 *     hog-4510 [000] ...1.  413.558271: mark_victim: pid=4510 comm=hog total-vm=17896kB …
 *
 * - A mark without its signal is a phantom: the victim was dying already, nothing was killed or counted (facts 2.1).
 * - A signal for the first victim of the run again, without a mark: a group kill visits all members and the first victim
 *   is one of them (facts 0.1). The kernel's books count it.
 * - A signal for somebody else after a mark, without a mark: a process that shares the victim's memory (facts 0.6), here
 *   `owner` shares with the victim `sharer`:
 *
 *     owner-24911 [001] d..2. 1839.712541: signal_generate: sig=9 errno=0 code=128 comm=sharer pid=24912 grp=1 res=0
 *     owner-24911 [001] ...1. 1839.712544: mark_victim: pid=24912 comm=sharer total-vm=263216kB …
 *     owner-24911 [001] d..1. 1839.714505: signal_generate: sig=9 errno=0 code=128 comm=owner pid=24911 grp=1 res=0
 *
 *   The first process of a pid namespace sends the same signals to the rest when it dies. They hold one lock more (the task
 *   list's), which most kernels count; where they do not, whoever asks must compare the sizes of the memories
 *   (`sharer-suspected` → read it now; `sharer` → it was not marked in the end).
 */

/** The task that called the OOM killer: the one running when the event happened. */
export interface TraceTask {
  readonly pid: number;
  readonly comm: string | null;
}

interface KillEventBase {
  readonly cpu: number;
  /** CLOCK_MONOTONIC, µs. */
  readonly microseconds: number;
  readonly task: TraceTask;
  /** Locks held (preempt depth); `null` on kernels that do not count. */
  readonly depth: number | null;
  /** Thread id of the process signalled or marked. */
  readonly tid: number;
  readonly comm: string | null;
}

/** `signal:signal_generate` with sig=9 and code=128 (SI_KERNEL). */
export interface SignalEvent extends KillEventBase {
  readonly kind: "signal";
  /** Sent by an interrupt handler (RLIMIT_CPU), never by the OOM killer. */
  readonly interrupt: boolean;
}

/** `oom:mark_victim`, or a kprobe on the function that emits it. Sizes in bytes; `null` on old kernels. */
export interface MarkEvent extends KillEventBase {
  readonly kind: "mark";
  /** Thread group id, where the event tells it (the probe). */
  readonly tgid: number | null;
  readonly uid: number | null;
  readonly oomScoreAdj: number | null;
  readonly totalVmBytes: number | null;
  readonly anonRssBytes: number | null;
  readonly fileRssBytes: number | null;
  readonly shmemRssBytes: number | null;
  readonly pageTableBytes: number | null;
}

export type KillEvent = SignalEvent | MarkEvent;

export type KillFinding =
  /** A process was killed. `incident` is the sequence of the run's first kill when the run is known to be a group kill. */
  | {
      readonly kind: "kill";
      readonly sequence: string;
      readonly mark: MarkEvent;
      /** It has the victim's name, which the mark of an old kernel has not. */
      readonly signal: SignalEvent;
      readonly incident: string;
      readonly group: boolean;
    }
  /** The first victim of run `incident` was killed again: a group kill; `members` are its kills so far, first first. */
  | {
      readonly kind: "repeat";
      readonly sequence: string;
      readonly signal: SignalEvent;
      readonly first: MarkEvent;
      readonly incident: string;
      readonly members: readonly string[];
    }
  | {
      readonly kind: "sharer-suspected" | "sharer";
      readonly sequence: string;
      readonly signal: SignalEvent;
      /** The kill whose victim's memory it would share. */
      readonly of: MarkEvent;
      /** The locks held prove it; otherwise it takes a look at the process. */
      readonly certain: boolean;
      readonly incident: string;
      readonly group: boolean;
    };

export interface KillPairingOptions {
  /** A signal and its mark are microseconds apart; an interrupt or a stolen virtual CPU may come between. */
  readonly pairMicroseconds: number;
  /** Events of one run follow each other: between two kills the kernel prints one line, 20 ms on a serial console. */
  readonly runMicroseconds: number;
  /** Where locks are not counted: signals to sharers follow the mark soon; those of a dying pid namespace later. */
  readonly sharerMicroseconds: number;
  /** Asked once, at the first sign of a group kill: `false` when it cannot be one (cgroup v1, memory.oom.group is 0). */
  readonly mayBeGroup: (incident: string) => boolean;
}

export const DEFAULT_PAIRING: KillPairingOptions = {
  pairMicroseconds: 100_000,
  runMicroseconds: 100_000,
  sharerMicroseconds: 3000,
  mayBeGroup: () => true,
};

const RUN_LIMIT = 256;
const MEMBER_LIMIT = 4096;
const PENDING_LIMIT = 256;

interface Suspect {
  readonly signal: SignalEvent;
  readonly of: MarkEvent;
}

/** What one task did as OOM killer without a pause. */
interface Run {
  lastMicroseconds: number;
  /** Signals that were not followed by a mark yet, by thread id. */
  readonly signals: Map<number, SignalEvent>;
  readonly suspects: Map<number, Suspect>;
  /** Kills, first first: thread id → sequence. */
  readonly kills: Map<number, string>;
  first: MarkEvent | null;
  last: MarkEvent | null;
  /** `null` until the first victim is signalled again. */
  group: boolean | null;
}

export class KillPairing {
  readonly #options: KillPairingOptions;
  readonly #runs = new Map<number, Run>();
  #phantoms = 0;

  constructor(options: Partial<KillPairingOptions> = {}) {
    this.#options = { ...DEFAULT_PAIRING, ...options };
  }

  /** Marks that were no kills. */
  get phantoms(): number {
    return this.#phantoms;
  }

  /** Takes the events in the order of the trace. */
  push(event: KillEvent): KillFinding[] {
    const findings: KillFinding[] = [];
    if (event.kind === "signal" && event.interrupt) return findings;
    const run = this.#runOf(event, findings);
    run.lastMicroseconds = event.microseconds;
    if (event.kind === "signal") this.#signal(run, event, findings);
    else this.#mark(run, event, findings);
    return findings;
  }

  /** Ends the runs that had no event since `runMicroseconds` before `nowMicroseconds`: their suspects are sharers. */
  settle(nowMicroseconds: number): KillFinding[] {
    const findings: KillFinding[] = [];
    for (const [pid, run] of this.#runs) {
      if (nowMicroseconds - run.lastMicroseconds <= this.#options.runMicroseconds) continue;
      this.#runs.delete(pid);
      endRun(run, findings);
    }
    return findings;
  }

  #runOf(event: KillEvent, findings: KillFinding[]): Run {
    const { pid } = event.task;
    const known = this.#runs.get(pid);
    if (known !== undefined) {
      const pause = event.microseconds - known.lastMicroseconds;
      // A run cannot go back in time: another boot, or another task with this pid.
      if (pause >= 0 && pause <= this.#options.runMicroseconds) return known;
      this.#runs.delete(pid);
      endRun(known, findings);
    }
    this.#makeRoom(findings);
    const run = newRun(event.microseconds);
    this.#runs.set(pid, run);
    return run;
  }

  #makeRoom(findings: KillFinding[]): void {
    if (this.#runs.size < RUN_LIMIT) return;
    const oldest = this.#runs.entries().next().value;
    if (oldest === undefined) return;
    this.#runs.delete(oldest[0]);
    endRun(oldest[1], findings);
  }

  #signal(run: Run, signal: SignalEvent, findings: KillFinding[]): void {
    if (run.kills.has(signal.tid)) {
      this.#again(run, signal, findings);
      return;
    }
    if (run.signals.size < PENDING_LIMIT) run.signals.set(signal.tid, signal);
    const { last } = run;
    if (last === null || !this.#looksShared(signal, last) || run.suspects.has(signal.tid)) return;
    if (run.suspects.size >= PENDING_LIMIT) return;
    const suspect = { signal, of: last };
    run.suspects.set(signal.tid, suspect);
    findings.push(sharerFinding("sharer-suspected", suspect, run));
  }

  /** The first victim is signalled again, once for each group kill; later members are signalled again only as sharers. */
  #again(run: Run, signal: SignalEvent, findings: KillFinding[]): void {
    const { first } = run;
    if (first === null || run.group !== null || signal.tid !== first.tid) return;
    if (run.last !== null && heldLocks(signal, run.last) === "sharer") return;
    const incident = sequenceOf(first);
    run.group = this.#options.mayBeGroup(incident);
    if (!run.group) return;
    const sequence = `${sequenceOf(signal)}:${signal.tid}`;
    findings.push({
      kind: "repeat",
      sequence,
      signal,
      first,
      incident,
      members: [...run.kills.values()],
    });
  }

  #mark(run: Run, mark: MarkEvent, findings: KillFinding[]): void {
    const signal = run.signals.get(mark.tid);
    run.signals.delete(mark.tid);
    if (signal === undefined || !this.#isPair(signal, mark)) {
      this.#phantoms++;
      return;
    }
    run.suspects.delete(mark.tid);
    const sequence = sequenceOf(mark);
    run.first ??= mark;
    run.last = mark;
    if (run.kills.size < MEMBER_LIMIT) run.kills.set(mark.tid, sequence);
    const group = run.group === true;
    const incident = group ? sequenceOf(run.first) : sequence;
    findings.push({ kind: "kill", sequence, mark, signal, incident, group });
  }

  #isPair(signal: SignalEvent, mark: MarkEvent): boolean {
    return mark.microseconds - signal.microseconds <= this.#options.pairMicroseconds;
  }

  #looksShared(signal: SignalEvent, last: MarkEvent): boolean {
    const locks = heldLocks(signal, last);
    if (locks !== "unknown") return locks === "sharer";
    return signal.microseconds - last.microseconds <= this.#options.sharerMicroseconds;
  }
}

/**
 * The victim's signal is sent under its task lock, as is the mark; a sharer's is not, which makes one lock less where the
 * kernel counts them (preempt depth 1 against 2; 6.18). A kernel that counts also when only reading (preemptible without
 * CONFIG_PREEMPT_RCU) hides its sharers from us.
 */
function heldLocks(signal: SignalEvent, mark: MarkEvent): "sharer" | "victim" | "unknown" {
  if (signal.depth === null || mark.depth === null || mark.depth === 0) return "unknown";
  return signal.depth <= mark.depth ? "sharer" : "victim";
}

function newRun(microseconds: number): Run {
  return {
    lastMicroseconds: microseconds,
    signals: new Map(),
    suspects: new Map(),
    kills: new Map(),
    first: null,
    last: null,
    group: null,
  };
}

function endRun(run: Run, findings: KillFinding[]): void {
  for (const suspect of run.suspects.values()) {
    findings.push(sharerFinding("sharer", suspect, run));
  }
}

function sharerFinding(
  kind: "sharer-suspected" | "sharer",
  { signal, of }: Suspect,
  run: Run,
): KillFinding {
  const group = run.group === true;
  const incident = sequenceOf(group && run.first !== null ? run.first : of);
  const certain = heldLocks(signal, of) === "sharer";
  const sequence = `${sequenceOf(signal)}:${signal.tid}`;
  return { kind, sequence, signal, of, certain, incident, group };
}

/** `CPU:µs`: the same on every reading of the ring. A signal's gets its thread id too, it may share the µs of a mark. */
function sequenceOf(event: KillEvent): string {
  return `${event.cpu}:${event.microseconds}`;
}
