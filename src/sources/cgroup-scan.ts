import type { Clock } from "../host/host.ts";
import type { CgroupNode, CgroupTree } from "./cgroup-tree.ts";

export interface ScanTuning {
  /** Between the starts of two scans that nobody asked for. */
  readonly intervalMilliseconds: number;
  /** Between the end of one scan and the start of one that was asked for. */
  readonly requestGapMilliseconds: number;
  /** Largest part of a core that unasked scanning may take. */
  readonly cpuShare: number;
  /** Largest part of a core that asked-for scanning may take. */
  readonly requestCpuShare: number;
  /** Longest stretch of scanning without giving way to other work. */
  readonly sliceMilliseconds: number;
}

export const SCAN_TUNING: ScanTuning = {
  intervalMilliseconds: 10_000,
  requestGapMilliseconds: 100,
  cpuShare: 0.0025,
  requestCpuShare: 0.1,
  sliceMilliseconds: 2,
};

/** Reads every cgroup again and again, in slices, at a pace that its own cost decides. */
export class ScanLoop {
  readonly #clock: Clock;
  readonly #tree: CgroupTree;
  readonly #tuning: ScanTuning;
  readonly #finished: (leftOut: number) => void;
  readonly #failed: (error: unknown) => void;
  #stack: CgroupNode[] | null = null;
  #cancel = () => {};
  #spentMicroseconds = 0;
  #endedMicroseconds = 0;
  /** Cgroups beyond the tree's bounds in the scan under way. */
  #leftOut = 0;
  #requested = false;
  #stopped = false;

  constructor(
    clock: Clock,
    tree: CgroupTree,
    tuning: ScanTuning,
    on: { readonly finished: (leftOut: number) => void; readonly failed: (error: unknown) => void },
  ) {
    this.#clock = clock;
    this.#tree = tree;
    this.#tuning = tuning;
    this.#finished = on.finished;
    this.#failed = on.failed;
  }

  /** What the last complete scan took of a core (µs). */
  get lastCostMicroseconds(): number {
    return this.#spentMicroseconds;
  }

  start(): void {
    this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#stack = null;
  }

  /** Somebody knows that something happened, not where: scan as soon as the pace allows. */
  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    // A scan under way has passed some cgroups already: another one follows it.
    if (this.#stack === null) this.#schedule();
  }

  #begin(): void {
    this.#requested = false;
    this.#spentMicroseconds = 0;
    this.#leftOut = 0;
    this.#stack = [this.#tree.root];
    this.#slice();
  }

  #slice(): void {
    const stack = this.#stack;
    if (stack === null) return;
    const start = this.#clock.monotonicMicroseconds();
    const end = start + this.#tuning.sliceMilliseconds * 1000;
    let now = start;
    try {
      for (; stack.length > 0 && now < end; now = this.#clock.monotonicMicroseconds()) {
        this.#leftOut += visit(this.#tree, stack);
      }
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#spentMicroseconds += now - start;
    if (stack.length > 0) this.#cancel = this.#clock.after(1, () => this.#slice());
    else this.#end(now);
  }

  #end(now: number): void {
    this.#stack = null;
    this.#endedMicroseconds = now;
    this.#finished(this.#leftOut);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { intervalMilliseconds, requestGapMilliseconds, cpuShare, requestCpuShare } =
      this.#tuning;
    const [gap, share] = this.#requested
      ? [requestGapMilliseconds, requestCpuShare]
      : [intervalMilliseconds, cpuShare];
    const pause = Math.max(gap, this.#spentMicroseconds / 1000 / share);
    const passed = (this.#clock.monotonicMicroseconds() - this.#endedMicroseconds) / 1000;
    this.#cancel();
    this.#cancel = this.#clock.after(Math.max(0, pause - passed), () => this.#begin());
  }
}

/** Reads every cgroup now, in one go, but for no longer than that. */
export function readAll(tree: CgroupTree, clock: Clock, milliseconds: number): void {
  const deadline = clock.monotonicMicroseconds() + milliseconds * 1000;
  const stack = [tree.root];
  while (stack.length > 0 && clock.monotonicMicroseconds() < deadline) visit(tree, stack);
}

/** Reads the next cgroup and puts those below it on the stack; how many are beyond the tree's bounds. */
function visit(tree: CgroupTree, stack: CgroupNode[]): number {
  const known = stack.pop();
  const node = known === undefined ? null : tree.refresh(known);
  if (node === null) return 0;
  // Children are read after this count was: they hold nothing older that a later drill must look for.
  node.drilledOomKill = node.oomKill ?? 0;
  const leftOut = tree.list(node);
  if (node.children !== null) stack.push(...node.children.values());
  return leftOut;
}
