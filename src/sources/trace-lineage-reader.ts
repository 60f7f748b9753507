import type { Host } from "../host/host.ts";
import type { CgroupStamp } from "../model/observation.ts";
import { type BodyFormat, parseTraceFormat } from "../parse/trace-format.ts";
import { TraceReader } from "../parse/trace-line.ts";
import { Lineage, type LineageAnswer, type LineageFormats } from "../parse/trace-lineage.ts";
import type { ProcStamper } from "./proc-stamp.ts";
import { openInstance, readRingStats, type TraceInstance } from "./trace-instance.ts";
import { type InstancePlan, keepSettings } from "./trace-settings.ts";

/** One reading serves all that wait; a tenth of the time at most is spent on it, for nobody is kept waiting for a kill. */
const PAUSE_MILLISECONDS = 100;
const LONGEST_PAUSE_MILLISECONDS = 2000;
const PAUSE_PER_READING = 10;
/** Whoever waits when we stop is still answered, if it takes no longer. */
const FAREWELL_MICROSECONDS = 400_000;
const WAITING_LIMIT = 4096;
/** For all CPUs together, so that a reading stays short on large machines. */
const RING_KILOBYTES = 2048;

const NAMES: ReadonlySet<string> = new Set(["task_newtask", "cgroup_attach_task"]);
const EVENTS = [
  { name: "cgroup/cgroup_attach_task", filter: null },
  { name: "task/task_newtask", filter: null },
];

/** What the ring knows of a process whose /proc is gone; `null` where it does not. */
export interface LineageFinding {
  readonly stamp: CgroupStamp | null;
  /** Its process id, when it was born as a process. */
  readonly pid: number | null;
}

interface Waiting {
  readonly tid: number;
  readonly microseconds: number;
  readonly found: (finding: LineageFinding) => void;
}

/**
 * A second instance that records forks and moves between cgroups, and is read only when /proc of a victim was gone. Its ring
 * is never consumed.
 */
export class LineageReader {
  readonly instance: TraceInstance;
  readonly #host: Host;
  readonly #stamper: ProcStamper;
  readonly #formats: LineageFormats;
  readonly #plan: InstancePlan;
  #waiting: Waiting[] = [];
  #cancel: (() => void) | null = null;
  #pauseMilliseconds = PAUSE_MILLISECONDS;
  #closed = false;
  #close: (() => void) | null = null;

  constructor(
    host: Host,
    stamper: ProcStamper,
    instance: TraceInstance,
    { formats, plan }: { readonly formats: LineageFormats; readonly plan: InstancePlan },
  ) {
    this.#host = host;
    this.#stamper = stamper;
    this.instance = instance;
    this.#formats = formats;
    this.#plan = plan;
  }

  /** Calls `found` later, if the cgroup can be told. */
  ask(waiting: Waiting): void {
    if (this.#closed || this.#stamper.memory === null) return;
    if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(waiting);
    this.#schedule();
  }

  /** Answers those who wait, within a moment, and stops. */
  async finish(): Promise<void> {
    const deadline = this.#host.clock.monotonicMicroseconds() + FAREWELL_MICROSECONDS;
    while (this.#waiting.length > 0 || this.#close !== null) {
      if (this.#host.clock.monotonicMicroseconds() > deadline) break;
      this.#cancel?.();
      if (this.#close === null) this.#read();
      await new Promise<void>((resolve) => this.#host.clock.after(10, resolve));
    }
    this.#closed = true;
    this.#cancel?.();
    this.#close?.();
    this.#waiting = [];
  }

  #schedule(): void {
    if (this.#cancel !== null || this.#closed) return;
    this.#cancel = this.#host.clock.after(this.#pauseMilliseconds, () => this.#read());
  }

  #read(): void {
    const trusted = this.#isAsSet();
    const served = this.#waiting;
    this.#waiting = [];
    const began = this.#host.clock.monotonicMicroseconds();
    const lineage = new Lineage(this.#formats, this.#stamper.memory?.hierarchy ?? 0);
    const reader = new TraceReader(NAMES, (event) => lineage.take(event));
    const decoder = new TextDecoder();
    const handle = this.#host.processes.stream(`${this.instance.path}/trace`, {
      data: (chunk) => void reader.push(decoder.decode(chunk, { stream: true })),
      end: ({ exitCode }) => {
        this.#close = null;
        this.#cancel = null;
        if (exitCode === 0 && trusted) this.#answer(served, lineage);
        this.#rest(this.#host.clock.monotonicMicroseconds() - began);
        if (this.#waiting.length > 0) this.#schedule();
      },
    });
    this.#close = () => handle.close();
  }

  /** What a ring recorded that somebody changed is believed of nobody. */
  #isAsSet(): boolean {
    try {
      return keepSettings(this.#host.files, this.instance, this.#plan).length === 0;
    } catch {
      return false;
    }
  }

  #rest(spentMicroseconds: number): void {
    const fair = (spentMicroseconds / 1000) * PAUSE_PER_READING;
    this.#pauseMilliseconds = Math.min(
      LONGEST_PAUSE_MILLISECONDS,
      Math.max(PAUSE_MILLISECONDS, fair),
    );
  }

  #answer(served: readonly Waiting[], lineage: Lineage): void {
    if (this.#closed) return;
    // Asked for after the events were read: what was overwritten meanwhile only makes us more careful.
    lineage.forgetBefore(completeSince(readRingStats(this.#host.files, this.instance)));
    for (const { tid, microseconds, found } of served) {
      const stamp = this.#stamp(lineage.cgroupAt(tid, microseconds));
      const isProcess = lineage.isProcess(tid, microseconds) === true;
      if (stamp !== null || isProcess) found({ stamp, pid: isProcess ? tid : null });
    }
  }

  #stamp(answer: LineageAnswer): CgroupStamp | null {
    switch (answer.kind) {
      case "cgroup": {
        const { path, id } = answer;
        return { path, id, version: this.#stamper.memory?.version ?? null, basis: "lineage" };
      }
      case "same-as": {
        const stamp = this.#stamper.stamp(answer.pid);
        return stamp === null ? null : { ...stamp, basis: "lineage" };
      }
      case "unknown":
        return null;
      default:
        return answer satisfies never;
    }
  }
}

/** Every ring that has lost something is complete since its oldest event. */
function completeSince(
  stats: readonly { readonly lost: number; readonly oldestMicroseconds: number | null }[],
): number {
  const limits = stats.map((ring) =>
    ring.lost === 0 ? 0 : (ring.oldestMicroseconds ?? Number.MAX_SAFE_INTEGER),
  );
  return Math.max(0, ...limits);
}

/** Opens the instance, or `null` where the kernel lacks one of its events: lineage is a help, not a need. */
export function openLineage(
  host: Host,
  stamper: ProcStamper,
  tracing: string,
  name: string,
): LineageReader | null {
  try {
    const newtask = readFormat(host, tracing, "task/task_newtask");
    const attach = readFormat(host, tracing, "cgroup/cgroup_attach_task");
    if (newtask === null || attach === null) return null;
    const plan = { events: EVENTS, kilobytesPerCpu: ringKilobytes(host, tracing) };
    const instance = openInstance(host.files, tracing, name, plan);
    return new LineageReader(host, stamper, instance, { formats: { newtask, attach }, plan });
  } catch {
    return null;
  }
}

function ringKilobytes(host: Host, tracing: string): number {
  const cpus = Math.max(1, host.files.list(`${tracing}/per_cpu`).length);
  return Math.min(256, Math.max(16, Math.floor(RING_KILOBYTES / cpus)));
}

/** The printed form of an event of the running kernel; `null` when it has no such event. */
export function readFormat(host: Host, tracing: string, event: string): BodyFormat | null {
  const text = host.files.tryReadText(`${tracing}/events/${event}/format`);
  return text === null ? null : parseTraceFormat(text);
}
