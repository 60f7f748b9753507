import { type Host, HostError } from "../host/host.ts";
import type { CounterObservation } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import type { KillCounts } from "../parse/memory-events.ts";
import { readLimit } from "./cgroup-limits.ts";
import type { CgroupReader } from "./cgroup-reader.ts";
import { instantBefore, instantNow } from "./instant.ts";

/** One cgroup as this source remembers it: 300 bytes with a name of 64 letters (2,000 of them, bench/cgroup-source.ts). */
export interface CgroupNode {
  readonly name: string;
  readonly parent: CgroupNode | null;
  readonly depth: number;
  readonly inode: number;
  /** `null` while none is known. */
  children: Map<string, CgroupNode> | null;
  /** Before the children were last listed (µs, monotonic): what is not in `children` was absent then. */
  listedMicroseconds: number | null;
  /** Before the counts were last read, or when the cgroup was proved absent; `null`: it may have counted before. */
  readMicroseconds: number | null;
  /** Last reading; `null` before the first, or where the memory controller is off. */
  oomKill: number | null;
  oomGroupKill: number | null;
  localOomKill: number | null;
  localOomGroupKill: number | null;
  /** `oomKill` when the children were last looked into: they hold nothing newer while it stands. */
  drilledOomKill: number;
  /** Some count of it was handed over. */
  emitted: boolean;
  gone: boolean;
}

export interface TreeBounds {
  readonly maxCgroups: number;
  readonly maxDepth: number;
}

export const TREE_BOUNDS: TreeBounds = { maxCgroups: 50_000, maxDepth: 100 };

export interface TreeEvents {
  emit(observations: readonly CounterObservation[]): void;
  attached(node: CgroupNode): void;
  detached(node: CgroupNode): void;
}

/** The cgroups below one directory and what their books said last. Every call tolerates cgroups that vanish meanwhile. */
export class CgroupTree {
  readonly root: CgroupNode;
  readonly #host: Host;
  readonly #reader: CgroupReader;
  readonly #directory: string;
  readonly #prefix: string;
  readonly #bounds: TreeBounds;
  readonly #events: TreeEvents;
  #size = 1;

  constructor(
    host: Host,
    reader: CgroupReader,
    place: { readonly directory: string; readonly prefix: string },
    events: TreeEvents,
    bounds: TreeBounds = TREE_BOUNDS,
  ) {
    this.#host = host;
    this.#reader = reader;
    this.#directory = place.directory;
    this.#prefix = place.prefix;
    this.#bounds = bounds;
    this.#events = events;
    this.root = newNode("", null, this.#inode(place.directory) ?? 0, null);
  }

  /** Cgroups known, the root included. */
  get size(): number {
    return this.#size;
  }

  /** Where the files of `node` are. */
  directory(node: CgroupNode): string {
    return this.#directory + relativePath(node);
  }

  /** Path below the hierarchy's root; `/` is the root. */
  path(node: CgroupNode): string {
    return this.#prefix + relativePath(node) || "/";
  }

  /**
   * Reads the counts of `node` and hands over what changed. Returns the node that has the name now (a new one when the
   * cgroup was re-created), or `null` when it is gone.
   */
  refresh(node: CgroupNode): CgroupNode | null {
    if (node.gone) return null;
    const before = this.#host.clock.monotonicMicroseconds();
    const directory = this.directory(node);
    const inode = this.#inode(directory);
    if (inode === node.inode) return this.#read(node, directory, before);
    if (node.parent === null) throw new Error(`${directory} is gone`);
    const absentSince = node.readMicroseconds;
    this.#detach(node);
    if (inode === null) return null;
    const successor = this.#attach(node.parent, node.name, inode, absentSince);
    return successor === null ? null : this.#read(successor, directory, before);
  }

  /**
   * Lists the children of `node`: new ones are known afterwards (their counts not yet read), gone ones are not.
   * Returns how many are left out because of the bounds.
   */
  list(node: CgroupNode): number {
    if (node.gone) return 0;
    const before = this.#host.clock.monotonicMicroseconds();
    const names = this.#childNames(node);
    if (names === null) return 0;
    for (const child of [...(node.children?.values() ?? [])]) {
      if (!names.has(child.name)) this.#detach(child);
    }
    let left = 0;
    for (const name of names) {
      if (node.children?.has(name) === true) continue;
      if (this.#isFull(node)) left++;
      else this.#adopt(node, name);
    }
    node.listedMicroseconds = before;
    return left;
  }

  /** Reads `node` and, where its subtree counted something new, the children that counted it. */
  drill(node: CgroupNode): void {
    const current = this.refresh(node);
    if (current === null) return;
    const { oomKill } = current;
    const isRoot = current.parent === null;
    if (!isRoot && (oomKill === null || oomKill === current.drilledOomKill)) return;
    if (this.#reader.extent === "local") return;
    this.list(current);
    for (const child of [...(current.children?.values() ?? [])]) this.drill(child);
    current.drilledOomKill = oomKill ?? 0;
  }

  /** The cgroup with this path, its counts read now; learned on the way when new. `null` when there is none in sight. */
  reach(path: string): CgroupNode | null {
    const names = this.#namesBelow(path);
    if (names === null) return null;
    let node: CgroupNode | null = this.root;
    for (const name of names) {
      const parent: CgroupNode = node;
      const child = parent.children?.get(name) ?? this.#adopt(parent, name);
      if (child === null) return null;
      node = child;
    }
    return this.refresh(node);
  }

  #namesBelow(path: string): string[] | null {
    if (!path.startsWith("/") || path.length > 8192) return null;
    if (!path.startsWith(this.#prefix)) return null;
    const names = path
      .slice(this.#prefix.length)
      .split("/")
      .filter((name) => name !== "");
    return names.some((name) => name === "." || name === "..") ? null : names;
  }

  #isFull(parent: CgroupNode): boolean {
    return this.#size >= this.#bounds.maxCgroups || parent.depth >= this.#bounds.maxDepth;
  }

  /** A child that was not known: absent when its parent was last listed. */
  #adopt(parent: CgroupNode, name: string): CgroupNode | null {
    const inode = this.#inode(`${this.directory(parent)}/${name}`);
    return inode === null ? null : this.#attach(parent, name, inode, parent.listedMicroseconds);
  }

  #attach(
    parent: CgroupNode,
    name: string,
    inode: number,
    absentSince: number | null,
  ): CgroupNode | null {
    if (this.#isFull(parent)) return null;
    const node = newNode(name, parent, inode, absentSince);
    parent.children ??= new Map();
    parent.children.set(name, node);
    this.#size++;
    this.#events.attached(node);
    return node;
  }

  /** Forgets a cgroup that is gone, with all below it, and closes their books. */
  #detach(node: CgroupNode): void {
    for (const child of node.children?.values() ?? []) this.#detach(child);
    if (node.emitted) this.#events.emit(this.#finals(node));
    node.gone = true;
    node.children = null;
    this.#size--;
    const siblings = node.parent?.children;
    if (siblings?.get(node.name) === node) siblings.delete(node.name);
    if (siblings?.size === 0 && node.parent !== null) node.parent.children = null;
    this.#events.detached(node);
  }

  #read(node: CgroupNode, directory: string, before: number): CgroupNode | null {
    const counts = this.#counts(directory, this.#reader.countsFile);
    if (counts === null) {
      // No such file: the controller is off here (or was, when the cgroup died under our hands).
      if (node.oomKill === null) node.readMicroseconds = before;
      return node;
    }
    if (node.oomKill !== null && counts.oomKill < node.oomKill) {
      // Counts only rise: another cgroup took the name between the two system calls.
      if (this.#inode(directory) !== node.inode) return this.refresh(node);
    }
    this.#compare(node, directory, counts);
    node.readMicroseconds = before;
    return node;
  }

  #compare(node: CgroupNode, directory: string, counts: KillCounts): void {
    if (!differs(counts, node.oomKill, node.oomGroupKill)) return;
    const isNews = counts.oomKill > 0 || (node.oomKill ?? 0) > 0;
    const observations = isNews ? this.#news(node, directory, counts) : [];
    node.oomKill = counts.oomKill;
    node.oomGroupKill = counts.oomGroupKill;
    if (observations.length === 0) return;
    node.emitted = true;
    this.#events.emit(observations);
  }

  /** The changed book and, beside one of a subtree, the cgroup's own when that changed too. */
  #news(node: CgroupNode, directory: string, counts: KillCounts): CounterObservation[] {
    const limitBytes = readLimit(this.#host, directory, [this.#reader.limitFile]);
    const local =
      this.#reader.localFile === null ? null : this.#counts(directory, this.#reader.localFile);
    const at = instantNow(this.#host.clock);
    const news = [this.#observe(node, this.#reader.extent, counts, at, limitBytes, false)];
    if (local === null) return news;
    if (differs(local, node.localOomKill ?? 0, node.localOomGroupKill)) {
      if (local.oomKill > 0) news.push(this.#observe(node, "local", local, at, limitBytes, false));
    }
    node.localOomKill = local.oomKill;
    node.localOomGroupKill = local.oomGroupKill;
    return news;
  }

  #finals(node: CgroupNode): CounterObservation[] {
    const at = instantNow(this.#host.clock);
    const finals: CounterObservation[] = [];
    const { oomKill, oomGroupKill, localOomKill, localOomGroupKill } = node;
    if (oomKill !== null) {
      const counts = { oomKill, oomGroupKill };
      finals.push(this.#observe(node, this.#reader.extent, counts, at, null, true));
    }
    if (localOomKill !== null && localOomKill > 0) {
      const counts = { oomKill: localOomKill, oomGroupKill: localOomGroupKill };
      finals.push(this.#observe(node, "local", counts, at, null, true));
    }
    return finals;
  }

  #observe(
    node: CgroupNode,
    extent: "local" | "subtree",
    counts: KillCounts,
    at: Instant,
    limitBytes: number | null,
    final: boolean,
  ): CounterObservation {
    const { version } = this.#reader;
    const since = node.readMicroseconds;
    const value = `${counts.oomKill}/${counts.oomGroupKill ?? "-"}`;
    return {
      kind: "counter",
      source: "cgroup",
      sequence: `${node.inode}:${extent}:${value}${final ? ":final" : ""}`,
      at,
      book: { kind: "cgroup", path: this.path(node), id: node.inode, version, extent, limitBytes },
      since: since === null ? null : instantBefore(at, since),
      oomKill: counts.oomKill,
      oomGroupKill: counts.oomGroupKill,
      baseline: since === null,
      final,
    };
  }

  #counts(directory: string, file: string): KillCounts | null {
    const text = this.#host.files.tryReadText(`${directory}/${file}`);
    return text === null ? null : this.#reader.parse(text);
  }

  /** `null` when the directory is gone or closed to us. */
  #childNames(node: CgroupNode): Set<string> | null {
    try {
      const entries = this.#host.files.list(this.directory(node));
      return new Set(entries.filter((entry) => entry.directory).map((entry) => entry.name));
    } catch (error) {
      if (error instanceof HostError) return null;
      throw error;
    }
  }

  #inode(directory: string): number | null {
    try {
      return this.#host.files.inode(directory);
    } catch (error) {
      if (error instanceof HostError) return null;
      throw error;
    }
  }
}

function newNode(
  name: string,
  parent: CgroupNode | null,
  inode: number,
  absentSince: number | null,
): CgroupNode {
  return {
    name,
    parent,
    depth: parent === null ? 0 : parent.depth + 1,
    inode,
    children: null,
    listedMicroseconds: absentSince,
    readMicroseconds: absentSince,
    oomKill: null,
    oomGroupKill: null,
    localOomKill: null,
    localOomGroupKill: null,
    drilledOomKill: 0,
    emitted: false,
    gone: false,
  };
}

function relativePath(node: CgroupNode): string {
  let path = "";
  for (let at: CgroupNode = node; at.parent !== null; at = at.parent) path = `/${at.name}${path}`;
  return path;
}

function differs(counts: KillCounts, oomKill: number | null, groupKill: number | null): boolean {
  return counts.oomKill !== oomKill || (counts.oomGroupKill ?? 0) !== (groupKill ?? 0);
}
