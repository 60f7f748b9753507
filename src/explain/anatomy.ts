/** What the memory consists of, in one vocabulary for cgroup v1, cgroup v2 and the whole node. */
import type { MemoryParts } from "../model/explanation.ts";
import type { CgroupStats, NodeMemory, OomReport } from "../model/report.ts";

/** Parts that do not overlap, in bytes; `null` where the report does not print one. */
export interface Anatomy {
  readonly of: "cgroup" | "node";
  /** What the parts are measured against: the usage of the cgroup, the usable memory of the node. */
  readonly totalBytes: number;
  /** Heap, stacks and other private memory of processes. */
  readonly anonBytes: number | null;
  /** tmpfs, memory-backed volumes, /dev/shm, shared memory. */
  readonly shmemBytes: number | null;
  /** Contents of files on disk: the page cache without shmem. */
  readonly cacheBytes: number | null;
  /** Of the page cache: what must be written before it can go. */
  readonly dirtyBytes: number | null;
  /** Of all: locked in memory (mlock) or otherwise not to be evicted. */
  readonly unevictableBytes: number | null;
  readonly slabReclaimableBytes: number | null;
  readonly slabUnreclaimableBytes: number | null;
  readonly pageTableBytes: number | null;
  readonly stackBytes: number | null;
  readonly socketBytes: number | null;
  readonly percpuBytes: number | null;
  /** All of the kernel's own memory together. */
  readonly kernelBytes: number | null;
  readonly hugePagesBytes: number | null;
  readonly freeBytes: number | null;
}

/** The parts of what ran out: of the cgroup for its limit, of the node otherwise; `null` when the text has no figures. */
export function anatomyOf(report: OomReport): Anatomy | null {
  const anatomy = printedAnatomy(report);
  if (anatomy === null || anatomy.totalBytes <= 0) return null;
  return Number.isSafeInteger(anatomy.totalBytes * 2) ? plausible(anatomy) : null;
}

/** A part cannot be much more than the whole: a damaged figure is none. */
function plausible(anatomy: Anatomy): Anatomy {
  const most = anatomy.totalBytes * 2;
  const checked = (bytes: number | null) => (bytes === null || bytes > most ? null : bytes);
  return {
    ...anatomy,
    anonBytes: checked(anatomy.anonBytes),
    shmemBytes: checked(anatomy.shmemBytes),
    cacheBytes: checked(anatomy.cacheBytes),
    dirtyBytes: checked(anatomy.dirtyBytes),
    unevictableBytes: checked(anatomy.unevictableBytes),
    slabReclaimableBytes: checked(anatomy.slabReclaimableBytes),
    slabUnreclaimableBytes: checked(anatomy.slabUnreclaimableBytes),
    pageTableBytes: checked(anatomy.pageTableBytes),
    stackBytes: checked(anatomy.stackBytes),
    socketBytes: checked(anatomy.socketBytes),
    percpuBytes: checked(anatomy.percpuBytes),
    kernelBytes: checked(anatomy.kernelBytes),
    hugePagesBytes: checked(anatomy.hugePagesBytes),
    freeBytes: checked(anatomy.freeBytes),
  };
}

function printedAnatomy(report: OomReport): Anatomy | null {
  if (report.constraint === "memcg" || (report.constraint === null && report.memory !== null)) {
    return cgroupAnatomy(report);
  }
  return report.node === null ? null : nodeAnatomy(report.node);
}

function cgroupAnatomy(report: OomReport): Anatomy | null {
  const values = summed(report.cgroupStats);
  const total = report.memory?.usageBytes ?? null;
  if (values === null || total === null) return null;
  return "anon" in values ? v2Anatomy(values, total) : v1Anatomy(values, total, report);
}

/** Older kernels print one entry for every cgroup below the limit; the entries are local and add up. */
function summed(stats: readonly CgroupStats[]): Record<string, number> | null {
  const first = stats[0];
  if (first === undefined) return null;
  if ("total_rss" in first.values || "anon" in first.values) return { ...first.values };
  const sum: Record<string, number> = {};
  for (const { values } of stats) {
    for (const [key, value] of Object.entries(values)) sum[key] = (sum[key] ?? 0) + value;
  }
  return sum;
}

type Values = Readonly<Record<string, number>>;

function v2Anatomy(values: Values, totalBytes: number): Anatomy {
  const at = (key: string) => values[key] ?? null;
  const shmem = at("shmem");
  const parts = ["slab_reclaimable", "slab_unreclaimable", "pagetables", "kernel_stack", "percpu"];
  return {
    of: "cgroup",
    totalBytes,
    anonBytes: at("anon"),
    shmemBytes: shmem,
    cacheBytes: less(at("file"), shmem),
    dirtyBytes: plus(at("file_dirty"), at("file_writeback")),
    unevictableBytes: at("unevictable"),
    slabReclaimableBytes: at("slab_reclaimable"),
    slabUnreclaimableBytes: at("slab_unreclaimable"),
    pageTableBytes: at("pagetables"),
    stackBytes: at("kernel_stack"),
    socketBytes: at("sock"),
    percpuBytes: at("percpu"),
    kernelBytes: at("kernel") ?? parts.map(at).reduce(plus, null),
    hugePagesBytes: at("hugetlb"),
    freeBytes: null,
  };
}

function v1Anatomy(values: Values, totalBytes: number, report: OomReport): Anatomy {
  const at = (key: string) => values[`total_${key}`] ?? values[key] ?? null;
  const shmem = at("shmem");
  return {
    of: "cgroup",
    totalBytes,
    anonBytes: at("rss"),
    shmemBytes: shmem,
    cacheBytes: less(at("cache"), shmem),
    dirtyBytes: plus(at("dirty"), at("writeback")),
    unevictableBytes: at("unevictable"),
    slabReclaimableBytes: null,
    slabUnreclaimableBytes: null,
    pageTableBytes: null,
    stackBytes: null,
    socketBytes: null,
    percpuBytes: null,
    kernelBytes: report.kernelMemory?.usageBytes ?? null,
    hugePagesBytes: null,
    freeBytes: null,
  };
}

function nodeAnatomy(node: NodeMemory): Anatomy | null {
  const at = (key: string) => node.counters[key] ?? null;
  const onLists = [at("active_anon"), at("inactive_anon"), at("isolated_anon")].reduce(plus, null);
  const files = [at("active_file"), at("inactive_file"), at("isolated_file")].reduce(plus, null);
  const totalBytes = node.usableBytes;
  if (totalBytes === null || onLists === null) return null;
  const slabs = plus(at("slab_reclaimable"), at("slab_unreclaimable"));
  return {
    of: "node",
    totalBytes,
    // tmpfs pages are on the lists of anonymous memory.
    anonBytes: less(onLists, at("shmem")),
    shmemBytes: at("shmem"),
    cacheBytes: files,
    dirtyBytes: plus(at("dirty"), at("writeback")),
    unevictableBytes: at("unevictable"),
    slabReclaimableBytes: at("slab_reclaimable"),
    slabUnreclaimableBytes: at("slab_unreclaimable"),
    pageTableBytes: at("pagetables"),
    stackBytes: at("kernel_stack"),
    socketBytes: null,
    percpuBytes: null,
    kernelBytes: [at("pagetables"), at("kernel_stack")].reduce(plus, slabs),
    hugePagesBytes: node.hugePagesBytes,
    freeBytes: at("free"),
  };
}

/** What no part explains: on a node memory of drivers, balloons and guests; in a cgroup the stock of the CPUs. */
export function unexplainedBytes(anatomy: Anatomy): number | null {
  const { anonBytes, shmemBytes, cacheBytes, kernelBytes, unevictableBytes } = anatomy;
  if (anonBytes === null || cacheBytes === null || kernelBytes === null) return null;
  const elsewhere = anatomy.of === "node" ? (unevictableBytes ?? 0) : (anatomy.socketBytes ?? 0);
  const known = anonBytes + (shmemBytes ?? 0) + cacheBytes + kernelBytes + elsewhere;
  const rest =
    anatomy.totalBytes - known - (anatomy.freeBytes ?? 0) - (anatomy.hugePagesBytes ?? 0);
  return Math.max(0, rest);
}

/** The parts that have a name and a size, largest first. */
export function memoryParts(anatomy: Anatomy): MemoryParts {
  const all: readonly [string, number | null][] = [
    ["private memory of processes", anatomy.anonBytes],
    ["tmpfs and shared memory", anatomy.shmemBytes],
    ["page cache of files", anatomy.cacheBytes],
    ["the kernel's own memory", anatomy.kernelBytes],
    ["network buffers", anatomy.socketBytes],
    ["huge pages set aside", anatomy.hugePagesBytes],
    ["free", anatomy.freeBytes],
  ];
  const parts = all
    .flatMap(([name, bytes]) => (bytes === null || bytes <= 0 ? [] : [{ name, bytes }]))
    .toSorted((a, b) => b.bytes - a.bytes);
  return { of: anatomy.of, totalBytes: anatomy.totalBytes, parts };
}

function plus(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : a + b;
}

function less(a: number | null, b: number | null): number | null {
  return a === null ? null : Math.max(0, a - (b ?? 0));
}
