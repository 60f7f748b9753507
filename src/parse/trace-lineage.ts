import { type BodyFormat, numberField, textField } from "./trace-format.ts";
import type { TraceEvent } from "./trace-line.ts";

/**
 * Which cgroup a process was in, told from its birth: when /proc is gone, the ring of a second trace instance still knows
 * who forked whom and who was moved where.
 *
 *     sh-900  [000] .....  10.000001: task_newtask: pid=901 comm=sh clone_flags=1200000 oom_score_adj=0
 *     sh-901  [000] .....  10.000200: cgroup_attach_task: dst_root=4 dst_id=73 dst_level=2 dst_path=/a/b pid=901 comm=sh
 *
 * A child is born into its parent's cgroup, unless it is cloned into one (CLONE_INTO_CGROUP, 5.7+), which no event tells.
 * Source: kernel/fork.c, kernel/cgroup/cgroup.c; seen on 6.18.
 */
export interface LineageFormats {
  readonly newtask: BodyFormat;
  readonly attach: BodyFormat;
}

export type LineageAnswer =
  /** The memory cgroup's path below its hierarchy's root, and its id as the kernel printed it. */
  | { readonly kind: "cgroup"; readonly path: string; readonly id: number | null }
  /** Whatever process `pid` is in now, if it has lived since before `microseconds`: it was not moved since. */
  | { readonly kind: "same-as"; readonly pid: number; readonly microseconds: number }
  | { readonly kind: "unknown" };

interface Step {
  readonly microseconds: number;
  /** The path is `null` when the line could be read in two ways. */
  readonly what:
    | { readonly kind: "born"; readonly parent: number; readonly flags: number }
    | { readonly kind: "attached"; readonly path: string | null; readonly id: number | null };
}

const UNKNOWN: LineageAnswer = { kind: "unknown" };
const CLONE_THREAD = 0x10000;
const CLONE_INTO_CGROUP = 0x200000000;
const GENERATION_LIMIT = 8;

/** Steps remembered at most: of some 200 bytes each. */
const STEP_LIMIT = 200_000;

/** What a ring remembers, by process. Filled by one reading of the ring, asked for each victim. */
export class Lineage {
  readonly #formats: LineageFormats;
  readonly #hierarchy: number;
  readonly #steps = new Map<number, Step[]>();
  #stepCount = 0;
  #completeSince = 0;

  /** `hierarchy` is the number of the memory hierarchy: `4` in `4:memory:/path`, 0 for v2. */
  constructor(formats: LineageFormats, hierarchy: number) {
    this.#formats = formats;
    this.#hierarchy = hierarchy;
  }

  /** Takes an event of the ring; `false` when its line is not whole. Made to be the judge of a `TraceReader`. */
  take(event: TraceEvent): boolean {
    if (event.name === "task_newtask") return this.#born(event);
    return event.name !== "cgroup_attach_task" || this.#attached(event);
  }

  /**
   * Before this moment (µs) the ring of some CPU has lost events, so older ones prove nothing: a later move may be missing.
   */
  forgetBefore(microseconds: number): void {
    this.#completeSince = Math.max(this.#completeSince, microseconds);
  }

  /** The cgroup of `pid` at a moment (CLOCK_MONOTONIC µs). */
  cgroupAt(pid: number, microseconds: number): LineageAnswer {
    let who = pid;
    let when = microseconds;
    for (let generation = 0; generation <= GENERATION_LIMIT; generation++) {
      const step = this.#lastBefore(who, when);
      if (step === null) {
        if (when < this.#completeSince) return UNKNOWN;
        // Older than the ring. Its cgroup now is its cgroup then, unless it was moved meanwhile.
        if (generation === 0 || this.#movedSince(who, when)) return UNKNOWN;
        return { kind: "same-as", pid: who, microseconds: when };
      }
      if (step.what.kind === "attached") {
        const { path, id } = step.what;
        return path === null ? UNKNOWN : { kind: "cgroup", path, id };
      }
      if (step.what.flags >= CLONE_INTO_CGROUP) return UNKNOWN;
      if (this.#makerReplaced(step, when)) return UNKNOWN;
      who = step.what.parent;
      // A thread is moved with its process, so it is where its maker is now; a child is where its maker was at its birth.
      when = isThread(step) ? when : step.microseconds;
    }
    return UNKNOWN;
  }

  /** Whether `pid` was born as a process, so that its thread id is its process id; `null` when nobody knows. */
  isProcess(pid: number, microseconds: number): boolean | null {
    const birth = this.#steps
      .get(pid)
      ?.findLast((step) => step.microseconds <= microseconds && step.what.kind === "born");
    return birth === undefined ? null : !isThread(birth);
  }

  #lastBefore(pid: number, microseconds: number): Step | null {
    const step = this.#steps.get(pid)?.findLast((one) => one.microseconds <= microseconds);
    return step === undefined || step.microseconds < this.#completeSince ? null : step;
  }

  /** Moved, or dead and its pid used again. */
  #movedSince(pid: number, microseconds: number): boolean {
    return this.#steps.get(pid)?.some((step) => step.microseconds > microseconds) ?? false;
  }

  /** The maker of a thread died and its pid was used again: no event says where the thread was moved since. */
  #makerReplaced(step: Step, when: number): boolean {
    if (step.what.kind !== "born" || !isThread(step)) return false;
    const maker = this.#lastBefore(step.what.parent, when);
    return maker !== null && maker.what.kind === "born" && maker.microseconds > step.microseconds;
  }

  #born(event: TraceEvent): boolean {
    const fields = this.#formats.newtask.parse(event.body);
    if (fields === null) return false;
    const pid = numberField(fields, "pid");
    const flags = numberField(fields, "clone_flags");
    if (pid === null || flags === null) return true;
    const what = { kind: "born", parent: event.task.pid, flags } as const;
    this.#add(pid, { microseconds: event.microseconds, what });
    return true;
  }

  #attached(event: TraceEvent): boolean {
    const fields = this.#formats.attach.parse(event.body);
    if (fields === null) return false;
    if (numberField(fields, "dst_root") !== this.#hierarchy) return true;
    // A directory or a process may be called ` pid=1 comm=x`: then nobody knows who was moved where.
    const readings = [...event.body.matchAll(/ pid=(\d{1,10}) comm=/g)];
    const path = readings.length === 1 ? textField(fields, "dst_path") : null;
    const what = { kind: "attached", path, id: numberField(fields, "dst_id") } as const;
    for (const reading of readings) {
      this.#add(Number(reading[1]), { microseconds: event.microseconds, what });
    }
    return true;
  }

  #add(pid: number, step: Step): void {
    // Too much to remember is too much to be sure of anything.
    if (++this.#stepCount > STEP_LIMIT) this.forgetBefore(Number.MAX_SAFE_INTEGER);
    const steps = this.#steps.get(pid);
    if (this.#stepCount > STEP_LIMIT) this.#steps.clear();
    else if (steps === undefined) this.#steps.set(pid, [step]);
    else steps.push(step);
  }
}

function isThread(step: Step): boolean {
  return step.what.kind === "born" && (step.what.flags & CLONE_THREAD) !== 0;
}
