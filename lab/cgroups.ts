import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// memory.events of v2, and memory.oom_control of v1:
//   low 0                              oom_kill_disable 0
//   high 0                             under_oom 0
//   max 120                            oom_kill 12
//   oom 1
//   oom_kill 1
//   oom_group_kill 0

/** The hierarchy that has the memory controller. */
export interface MemoryHierarchy {
  readonly version: 1 | 2;
  /** Where its root is mounted. */
  readonly root: string;
}

/** A cgroup of the laboratory. */
export interface LabCgroup {
  /** As the kernel writes it: `/oomwitness-lab-4219/storm`. */
  readonly path: string;
  /** The directory in the file system. */
  readonly directory: string;
}

/** Where kills can be made here; `null` when there is no memory controller we may use. */
export function findMemoryHierarchy(): MemoryHierarchy | null {
  const v1 = "/sys/fs/cgroup/memory";
  if (existsSync(join(v1, "memory.limit_in_bytes"))) return { version: 1, root: v1 };
  for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
    const controllers = readOrNull(join(root, "cgroup.controllers"));
    if (controllers?.split(/\s/).includes("memory")) return { version: 2, root };
  }
  return null;
}

/** Whether real kills can be made on this machine; if not, why. */
export function killsPossible():
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string } {
  if (process.platform !== "linux") return { ok: false, reason: "not a Linux machine" };
  if (process.getuid?.() !== 0) return { ok: false, reason: "making a memory cgroup needs root" };
  const hierarchy = findMemoryHierarchy();
  if (hierarchy === null)
    return { ok: false, reason: "no cgroup hierarchy has the memory controller" };
  const probe = join(hierarchy.root, `oomwitness-lab-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return { ok: true };
  } catch {
    return { ok: false, reason: `${hierarchy.root} is not writable` };
  }
}

/** A private part of the hierarchy, `/oomwitness-lab-PID`, in which tests make their cgroups. */
export class CgroupTree {
  readonly hierarchy: MemoryHierarchy;
  readonly parent: LabCgroup;

  constructor(name = `oomwitness-lab-${process.pid}`) {
    const hierarchy = findMemoryHierarchy();
    if (hierarchy === null) throw new Error("no cgroup hierarchy has the memory controller");
    this.hierarchy = hierarchy;
    this.parent = this.at(`/${name}`);
    mkdirSync(this.parent.directory, { recursive: true });
    this.delegate("/");
  }

  /** Makes a cgroup below the parent (`a/b` makes both) with a limit in bytes, or without one. */
  create(name: string, limitBytes: number | null): LabCgroup {
    let cgroup = this.parent;
    for (const step of name.split("/")) {
      this.delegate(cgroup.path);
      cgroup = this.at(`${cgroup.path}/${step}`);
      mkdirSync(cgroup.directory, { recursive: true });
    }
    if (limitBytes !== null) this.limit(cgroup, limitBytes);
    return cgroup;
  }

  /** Sets the limit; on a machine with swap the cgroup gets none, else it would never be full. */
  limit(cgroup: LabCgroup, bytes: number): void {
    const v1 = this.hierarchy.version === 1;
    const memory = v1 ? "memory.limit_in_bytes" : "memory.max";
    writeFileSync(join(cgroup.directory, memory), String(bytes));
    const swap = join(cgroup.directory, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max");
    if (existsSync(swap)) writeFileSync(swap, String(v1 ? bytes : 0));
  }

  /** This cgroup (the parent of all by default) and every one below it. */
  all(cgroup: LabCgroup = this.parent): LabCgroup[] {
    const entries = readdirSync(cgroup.directory, { withFileTypes: true });
    const below = entries.filter((entry) => entry.isDirectory());
    return [cgroup, ...below.flatMap(({ name }) => this.all(this.at(`${cgroup.path}/${name}`)))];
  }

  /** Removes one cgroup and all below it; waits while dying processes keep it busy (at most 5 s). */
  async remove(cgroup: LabCgroup = this.parent): Promise<void> {
    if (!existsSync(cgroup.directory)) return;
    for (const { directory } of this.all(cgroup).reverse()) {
      for (let attempt = 0; !tryRemove(directory); attempt++) {
        if (attempt === 500) throw new Error(`${directory} stays busy`);
        await sleep(10);
      }
    }
  }

  /** Kills counted in this cgroup: with descendants on v2, only its own on v1. `null` when it is gone. */
  oomKills(cgroup: LabCgroup): number | null {
    return this.event(cgroup, "oom_kill");
  }

  /** A counter of memory.events (v2) or memory.oom_control (v1); `null` when there is none. */
  event(cgroup: LabCgroup, name: string): number | null {
    const file = this.hierarchy.version === 1 ? "memory.oom_control" : "memory.events";
    const text = readOrNull(join(cgroup.directory, file));
    return text === null ? null : field(text, name);
  }

  private at(path: string): LabCgroup {
    return { path, directory: join(this.hierarchy.root, path) };
  }

  /** On v2 a cgroup's children have a memory limit only when it hands the controller down. */
  private delegate(path: string): void {
    if (this.hierarchy.version === 1) return;
    const control = join(this.hierarchy.root, path, "cgroup.subtree_control");
    if (readFileSync(control, "utf8").split(/\s/).includes("memory")) return;
    writeFileSync(control, "+memory");
  }
}

/** The node's own book: `oom_kill` of /proc/vmstat; `null` before Linux 4.13. */
export function nodeOomKills(): number | null {
  return field(readFileSync("/proc/vmstat", "utf8"), "oom_kill");
}

/** Processes in the cgroup now. */
export function members(cgroup: LabCgroup): number[] {
  const text = readOrNull(join(cgroup.directory, "cgroup.procs")) ?? "";
  return text.split("\n").filter(Boolean).map(Number);
}

/** Builds the programs if needed and returns the path of one; in the guest they are on PATH. */
export function programPath(name: string): string {
  const installed = `/usr/bin/${name}`;
  if (existsSync("/job/script") && existsSync(installed)) return installed;
  execFileSync(join(import.meta.dirname, "compile"), { stdio: ["ignore", "ignore", "inherit"] });
  return join(import.meta.dirname, "build", name);
}

function tryRemove(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function field(text: string, name: string): number | null {
  const match = new RegExp(`^${name} (\\d+)$`, "m").exec(text);
  return match === null ? null : Number(match[1]);
}
