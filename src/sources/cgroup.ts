import type { Host } from "../host/host.ts";
import type { Observation } from "../model/observation.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "./cgroup-hierarchy.ts";
import { readLimitChain } from "./cgroup-limits.ts";
import { LimitsMemory } from "./cgroup-limits-memory.ts";
import type { CgroupReader } from "./cgroup-reader.ts";
import { readAll, SCAN_TUNING, ScanLoop, type ScanTuning } from "./cgroup-scan.ts";
import { CgroupTree, TREE_BOUNDS, type TreeBounds } from "./cgroup-tree.ts";
import { V1_READER } from "./cgroup-v1.ts";
import { v2Reader } from "./cgroup-v2.ts";
import { CgroupWatches, WATCH_TUNING, type WatchTuning } from "./cgroup-watch.ts";
import { instantNow } from "./instant.ts";
import {
  FINISH_MILLISECONDS,
  type Source,
  type SourceContext,
  type SourceEnd,
  type SourceOptions,
} from "./source.ts";

export { readLimitChain };

export interface CgroupTuning {
  readonly scan: ScanTuning;
  readonly watch: WatchTuning;
  readonly bounds: TreeBounds;
  /** Pokes that name a cgroup just read wait for one reading this much later. */
  readonly pokeGapMilliseconds: number;
}

export const CGROUP_TUNING: CgroupTuning = {
  scan: SCAN_TUNING,
  watch: WATCH_TUNING,
  bounds: TREE_BOUNDS,
  pokeGapMilliseconds: 5,
};

/** Named cgroups waiting for their reading; beyond it everything is scanned instead. */
const MAX_PENDING_PATHS = 1000;

/** Cgroups read at once in one poke (~50 µs each); the others wait for the next turn. */
const MAX_PATHS_AT_ONCE = 16;

/**
 * The cgroups' own books: memory.events (v2) or memory.oom_control (v1). On v2 the kernel notifies; on v1 it does not,
 * and the cgroups named by other sources are read at once. A slow scan finds what neither told.
 */
export function createCgroupSource(
  options: SourceOptions,
  tuning: CgroupTuning = CGROUP_TUNING,
): Source {
  let watching: CgroupSource | null = null;
  return {
    name: "cgroup",
    async run(context) {
      const hierarchy = findMemoryHierarchy(context.host.files, options);
      if (hierarchy === null) return noHierarchy();
      const unavailable = whyUnreadable(context.host, hierarchy);
      if (unavailable !== null) return unavailable;
      const source = new CgroupSource(context, hierarchy, tuning);
      watching = source;
      try {
        return await source.untilStopped();
      } finally {
        watching = null;
      }
    },
    poke: (cgroups) => watching?.poke(cgroups),
    finish: () => watching?.finish(),
    isReadable: (path, id) => watching?.isReadable(path, id) ?? false,
  };
}

function noHierarchy(): SourceEnd {
  return {
    kind: "unavailable",
    reason: "no mounted cgroup hierarchy has the memory controller",
    remedy:
      "Boot without cgroup_disable=memory and mount cgroup2 at /sys/fs/cgroup (in a container: the host's).",
  };
}

function whyUnreadable(host: Host, hierarchy: MemoryHierarchy): SourceEnd | null {
  const { directory, version } = hierarchy;
  try {
    host.files.list(directory);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "unavailable", reason, remedy: `Let this user list ${directory}.` };
  }
  if (version === 2) return null;
  const text = host.files.tryReadText(`${directory}/${V1_READER.countsFile}`);
  if (text === null || V1_READER.parse(text) !== null) return null;
  const reason = "memory.oom_control has no oom_kill line (Linux before 4.13)";
  return { kind: "unavailable", reason, remedy: "" };
}

class CgroupSource {
  readonly #context: SourceContext;
  readonly #hierarchy: MemoryHierarchy;
  readonly #reader: CgroupReader;
  readonly #tuning: CgroupTuning;
  readonly #tree: CgroupTree;
  readonly #scan: ScanLoop;
  readonly #watches: CgroupWatches | null;
  readonly #limits: LimitsMemory;
  /** Cgroups named since the last reading of named cgroups. */
  readonly #pending = new Set<string>();
  #cancelPending: (() => void) | null = null;
  #cancelDrill: (() => void) | null = null;
  /** Most cgroups that one scan left out: told as lost once. */
  #leftOut = 0;
  #isUp = false;
  #finished = false;
  #fail: (error: unknown) => void = () => {};

  constructor(context: SourceContext, hierarchy: MemoryHierarchy, tuning: CgroupTuning) {
    const { host } = context;
    const { version, hierarchicalEvents } = hierarchy;
    this.#context = context;
    this.#hierarchy = hierarchy;
    this.#reader = version === 1 ? V1_READER : v2Reader(hierarchicalEvents);
    this.#tuning = tuning;
    const failed = (error: unknown) => this.#fail(error);
    const events = {
      emit: (observations: readonly Observation[]) => context.emit(observations),
      attached: (node: CgroupTree["root"]) => this.#watches?.attached(node),
      detached: (node: CgroupTree["root"]) => this.#watches?.detached(node),
    };
    this.#tree = new CgroupTree(host, this.#reader, hierarchy, events, tuning.bounds);
    this.#limits = new LimitsMemory(host.clock);
    const finished = (leftOut: number) => this.#scanned(leftOut);
    this.#scan = new ScanLoop(host.clock, this.#tree, tuning.scan, { finished, failed });
    this.#watches =
      this.#reader.extent === "subtree"
        ? new CgroupWatches(host, this.#tree, tuning.watch, failed)
        : null;
  }

  async untilStopped(): Promise<SourceEnd> {
    const { stop } = this.#context;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        stop.addEventListener("abort", () => resolve(), { once: true });
        if (stop.aborted) return resolve();
        this.#watches?.watch(this.#tree.root);
        this.#scan.start();
      });
      return { kind: "stopped" };
    } finally {
      this.#scan.stop();
      this.#watches?.close();
      this.#cancelPending?.();
      this.#cancelDrill?.();
    }
  }

  finish(): void {
    if (this.#finished || this.#context.stop.aborted) return;
    this.#finished = true;
    this.#scan.stop();
    this.#watches?.close();
    this.#guarded(() => readAll(this.#tree, this.#context.host.clock, FINISH_MILLISECONDS));
  }

  poke(paths: readonly string[]): void {
    if (this.#finished || this.#context.stop.aborted) return;
    try {
      for (const path of paths) this.#want(path);
      if (this.#cancelPending === null) this.#readPending();
      if (this.#reader.extent === "subtree") this.#drillSoon(paths.length === 0);
      else if (paths.length === 0) this.#scan.request();
    } catch (error) {
      this.#fail(error);
    }
  }

  isReadable(path: string, id: number): boolean {
    const node = this.#tree.reach(path);
    return node !== null && node.inode === id && node.oomKill !== null;
  }

  #want(path: string): void {
    if (this.#pending.size < MAX_PENDING_PATHS) this.#pending.add(path);
    else this.#scan.request();
  }

  /** Reads the named cgroups now; what is named within the gap after it is read at its end. */
  #readPending(): void {
    if (this.#pending.size === 0) return;
    let left = MAX_PATHS_AT_ONCE;
    for (const path of this.#pending) {
      if (left-- === 0) break;
      this.#pending.delete(path);
      this.#readNamed(path);
    }
    this.#cancelPending = this.#context.host.clock.after(this.#tuning.pokeGapMilliseconds, () => {
      this.#cancelPending = null;
      this.#guarded(() => this.#readPending());
    });
  }

  #readNamed(path: string): void {
    if (this.#tree.reach(path) === null) return;
    const { host, emit } = this.#context;
    if (!this.#limits.isDue(path)) return;
    const { directory, prefix } = this.#hierarchy;
    const place = path.slice(prefix.length);
    const below = readLimitChain(host, directory, place, [this.#reader.limitFile]);
    // Of one that was removed meanwhile, what was told before stands.
    if (!host.files.exists(directory + place)) return;
    const chain = below.map((limit) => ({ ...limit, path: prefix + limit.path }));
    if (!this.#limits.remember(path, chain)) return;
    const at = instantNow(host.clock);
    const sequence = `limits:${path}:${at.monotonicMicroseconds}`;
    emit([{ kind: "limits", source: "cgroup", sequence, at, path, chain }]);
  }

  /** The top cgroups know of every kill below: looks where they say, now or once the news has surely reached them. */
  #drillSoon(now: boolean): void {
    if (this.#cancelDrill !== null) return;
    if (now) this.#tree.drill(this.#tree.root);
    const { againMilliseconds } = this.#tuning.watch;
    this.#cancelDrill = this.#context.host.clock.after(againMilliseconds, () => {
      this.#cancelDrill = null;
      this.#guarded(() => this.#tree.drill(this.#tree.root));
    });
  }

  #scanned(leftOut: number): void {
    const more = leftOut - this.#leftOut;
    if (more > 0) {
      this.#leftOut = leftOut;
      this.#context.lost(more, "cgroups beyond the bound are not watched");
    }
    if (this.#isUp) return;
    this.#isUp = true;
    this.#context.up(this.#note());
  }

  #note(): string {
    const { version, directory, prefix } = this.#hierarchy;
    const place = prefix === "" ? directory : `${directory} (only ${prefix} and below)`;
    const local = version === 2 && this.#watches === null ? ", no notifications" : "";
    return `v${version} at ${place}, ${this.#tree.size} cgroups${local}`;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }
}
