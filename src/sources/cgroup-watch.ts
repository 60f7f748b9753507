import type { Clock, Files } from "../host/host.ts";
import type { CgroupNode, CgroupTree } from "./cgroup-tree.ts";

export interface WatchTuning {
  readonly maxWatches: number;
  /** Between two looks at the same cgroup; the kernel itself notifies no faster (CGROUP_FILE_NOTIFY_MIN_INTV). */
  readonly gapMilliseconds: number;
  /** The first notification often comes before `oom_kill` has moved: look again after this. */
  readonly againMilliseconds: number;
  /** The gap doubles up to this while looks find nothing new (a cgroup that thrashes at its limit notifies 100/s). */
  readonly maxGapMilliseconds: number;
  /** Notifications in one second without news that silence a watch … */
  readonly noisyPerSecond: number;
  /** … for this long, while it is looked at every `maxGapMilliseconds`. */
  readonly muteMilliseconds: number;
}

export const WATCH_TUNING: WatchTuning = {
  maxWatches: 512,
  gapMilliseconds: 10,
  againMilliseconds: 20,
  maxGapMilliseconds: 200,
  noisyPerSecond: 30,
  muteMilliseconds: 5000,
};

/** Drilling may take at most a fifth of the time between two looks. */
const COST_FACTOR = 4;

/** Files of the kernel in a cgroup's directory; anything else that changes there is a child. */
const KERNEL_FILE =
  /^(cgroup|memory|pids|hugetlb|cpu|cpuset|io|misc|rdma|dmem|perf_event|debug|irq)\./;

const EVENTS_FILE = "memory.events";

interface Watch {
  close: () => void;
  lookedMicroseconds: number;
  costMicroseconds: number;
  gapMilliseconds: number;
  cancelLook: (() => void) | null;
  cancelList: (() => void) | null;
  mutedUntilMicroseconds: number;
  secondStartMicroseconds: number;
  notifications: number;
}

/**
 * inotify on the cgroups nearest the root and on those that have children. A cgroup notifies for any descendant, so the
 * top ones tell everything; the deeper ones only shorten the way. Beyond `maxWatches` the scan has to do.
 */
export class CgroupWatches {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #tree: CgroupTree;
  readonly #tuning: WatchTuning;
  readonly #failed: (error: unknown) => void;
  readonly #watches = new Map<CgroupNode, Watch>();
  /** Cgroups that became known in the listing under way. */
  #fresh: CgroupNode[] | null = null;

  constructor(
    host: { readonly files: Files; readonly clock: Clock },
    tree: CgroupTree,
    tuning: WatchTuning,
    failed: (error: unknown) => void,
  ) {
    this.#files = host.files;
    this.#clock = host.clock;
    this.#tree = tree;
    this.#tuning = tuning;
    this.#failed = failed;
  }

  get size(): number {
    return this.#watches.size;
  }

  /** A cgroup became known; its parent has a child now. */
  attached(node: CgroupNode): void {
    if (node.depth <= 1) this.watch(node);
    if (node.parent !== null) this.watch(node.parent);
    this.#fresh?.push(node);
  }

  detached(node: CgroupNode): void {
    const watch = this.#watches.get(node);
    if (watch === undefined) return;
    this.#watches.delete(node);
    release(watch);
  }

  close(): void {
    for (const watch of this.#watches.values()) release(watch);
    this.#watches.clear();
  }

  watch(node: CgroupNode): void {
    if (node.gone || this.#watches.has(node)) return;
    // The root and its children come first: without them nothing is noticed.
    if (node.depth > 1 && this.#watches.size >= this.#tuning.maxWatches) return;
    const watch = newWatch();
    this.#watches.set(node, watch);
    this.#open(node, watch);
  }

  #open(node: CgroupNode, watch: Watch): void {
    const directory = this.#tree.directory(node);
    const closers: (() => void)[] = [];
    const failed = () => this.#mute(node, watch);
    try {
      const changed = (name: string | null) => this.#changed(node, watch, name);
      closers.push(this.#files.watch(directory, changed, failed));
      // The kernel notifies only through an inode that is cached; a watch on the file itself keeps it there.
      const file = `${directory}/${EVENTS_FILE}`;
      if (node.depth === 1 && this.#files.exists(file)) {
        closers.push(this.#files.watch(file, () => this.#notified(node, watch), failed));
      }
    } catch {
      // Out of inotify watches, or the cgroup is gone already: the scan will tell.
    }
    watch.close = () => {
      for (const close of closers) close();
    };
  }

  #changed(node: CgroupNode, watch: Watch, name: string | null): void {
    if (name === EVENTS_FILE || name === null) this.#notified(node, watch);
    else if (!KERNEL_FILE.test(name)) this.#childrenChanged(node, watch);
  }

  #childrenChanged(node: CgroupNode, watch: Watch): void {
    watch.cancelList ??= this.#clock.after(this.#tuning.againMilliseconds, () => {
      watch.cancelList = null;
      this.#guarded(() => this.#listAndRead(node));
    });
  }

  /** A new cgroup may have counted a kill before it was watched. */
  #listAndRead(node: CgroupNode): void {
    const fresh: CgroupNode[] = [];
    this.#fresh = fresh;
    try {
      this.#tree.list(node);
    } finally {
      this.#fresh = null;
    }
    for (const child of fresh) this.#tree.drill(child);
  }

  #notified(node: CgroupNode, watch: Watch): void {
    const now = this.#clock.monotonicMicroseconds();
    if (now < watch.mutedUntilMicroseconds) return;
    this.#countNotification(node, watch, now);
    if (watch.cancelLook !== null) return;
    const wait = this.#gap(watch) - (now - watch.lookedMicroseconds) / 1000;
    if (wait <= 0) this.#look(node, watch);
    // Whatever this look saw, the count may move just after it.
    this.#lookAfter(node, watch, Math.max(wait, this.#tuning.againMilliseconds));
  }

  #gap(watch: Watch): number {
    return Math.max(watch.gapMilliseconds, (COST_FACTOR * watch.costMicroseconds) / 1000);
  }

  #lookAfter(node: CgroupNode, watch: Watch, milliseconds: number): void {
    watch.cancelLook = this.#clock.after(milliseconds, () => {
      watch.cancelLook = null;
      this.#look(node, watch);
      this.#afterMutedLook(node, watch);
    });
  }

  #look(node: CgroupNode, watch: Watch): void {
    const before = this.#clock.monotonicMicroseconds();
    const count = node.oomKill;
    this.#guarded(() => this.#tree.drill(node));
    const now = this.#clock.monotonicMicroseconds();
    watch.lookedMicroseconds = now;
    watch.costMicroseconds = now - before;
    const { gapMilliseconds, maxGapMilliseconds } = this.#tuning;
    if (node.oomKill !== count) {
      watch.gapMilliseconds = gapMilliseconds;
      watch.notifications = 0;
    } else {
      watch.gapMilliseconds = Math.min(watch.gapMilliseconds * 2, maxGapMilliseconds);
    }
  }

  #countNotification(node: CgroupNode, watch: Watch, now: number): void {
    if (now - watch.secondStartMicroseconds > 1_000_000) {
      watch.secondStartMicroseconds = now;
      watch.notifications = 0;
      if (now - watch.lookedMicroseconds > 1_000_000) {
        watch.gapMilliseconds = this.#tuning.gapMilliseconds;
      }
    }
    watch.notifications++;
    if (watch.notifications > this.#tuning.noisyPerSecond) this.#mute(node, watch);
  }

  /** Each notification costs ~20 µs even when it is ignored: for a while, look instead of listening. */
  #mute(node: CgroupNode, watch: Watch): void {
    const now = this.#clock.monotonicMicroseconds();
    watch.close();
    watch.close = () => {};
    watch.notifications = 0;
    watch.mutedUntilMicroseconds = now + this.#tuning.muteMilliseconds * 1000;
    if (watch.cancelLook === null) {
      this.#lookAfter(node, watch, this.#tuning.maxGapMilliseconds);
    }
  }

  #afterMutedLook(node: CgroupNode, watch: Watch): void {
    if (watch.mutedUntilMicroseconds === 0 || !this.#watches.has(node)) return;
    if (this.#clock.monotonicMicroseconds() < watch.mutedUntilMicroseconds) {
      if (watch.cancelLook === null) {
        this.#lookAfter(node, watch, this.#tuning.maxGapMilliseconds);
      }
      return;
    }
    watch.mutedUntilMicroseconds = 0;
    this.#open(node, watch);
    this.#look(node, watch);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(error);
    }
  }
}

function newWatch(): Watch {
  return {
    close: () => {},
    lookedMicroseconds: 0,
    costMicroseconds: 0,
    gapMilliseconds: WATCH_TUNING.gapMilliseconds,
    cancelLook: null,
    cancelList: null,
    mutedUntilMicroseconds: 0,
    secondStartMicroseconds: 0,
    notifications: 0,
  };
}

function release(watch: Watch): void {
  watch.close();
  watch.cancelLook?.();
  watch.cancelList?.();
}
