import type { Files, Host } from "../host/host.ts";
import type { CgroupStamp } from "../model/observation.ts";
import { parseProcCgroup } from "./proc-cgroup.ts";
import { type ProcStatus, readProcCgroup, readProcStatus } from "./proc-victim.ts";
import type { SourceOptions } from "./source.ts";

/** Inodes of the first namespaces of the kernel (include/linux/proc_ns.h): where paths and pids are the machine's own. */
const FIRST_CGROUP_NAMESPACE = 0xeffffffb;
const FIRST_PID_NAMESPACE = 0xeffffffc;

/** After this long in the past a process is dead or another one. */
const TOO_OLD_MICROSECONDS = 2_000_000;

/** The hierarchy the memory controller is on. */
export interface MemoryHierarchy {
  readonly version: 1 | 2;
  readonly hierarchy: number;
}

/** Reads cgroup and status of dying processes from /proc of the host, or nothing where that would be somebody else's. */
export class ProcStamper {
  /** `null` when /proc/self/cgroup does not tell. */
  readonly memory: MemoryHierarchy | null;
  /** Why /proc of a victim cannot be used; "" when it can. */
  readonly blind: string;
  readonly #host: Host;
  readonly #options: SourceOptions;

  constructor(host: Host, options: SourceOptions) {
    this.#host = host;
    this.#options = options;
    const own = host.files.tryReadText("/proc/self/cgroup");
    this.memory = own === null ? null : parseProcCgroup(own);
    this.blind = blindness(host.files, options.procRoot);
  }

  /** Whether a process of that moment can still be looked up now. */
  isFresh(microseconds: number): boolean {
    const age = this.#host.clock.monotonicMicroseconds() - microseconds;
    return this.blind === "" && age < TOO_OLD_MICROSECONDS;
  }

  /** Its memory cgroup without the directory's id: one or two reads, as nothing may be waited for. */
  stamp(tid: number): CgroupStamp | null {
    if (this.blind !== "") return null;
    const found = readProcCgroup(this.#host.files, this.#options.procRoot, tid);
    if (found === null) return null;
    return { path: found.path, id: null, version: found.version, basis: "proc" };
  }

  status(tid: number): ProcStatus | null {
    if (this.blind !== "") return null;
    return readProcStatus(this.#host.files, this.#options.procRoot, tid);
  }

  /** The directory of a path in the memory hierarchy. */
  directory(path: string, version: 1 | 2): string {
    const root = `${this.#options.sysRoot}/fs/cgroup`;
    return `${root}${version === 1 ? "/memory" : ""}${path === "/" ? "" : path}`;
  }

  /**
   * With the directory's id. On version 2 a cgroup below the last one with a memory controller is charged to that one, and
   * the kernel names that one with a kill.
   */
  withId(stamp: CgroupStamp): CgroupStamp {
    const { id, version } = stamp;
    if (id !== null || version === null) return stamp;
    const { files } = this.#host;
    const inode = (path: string) => inodeOf(files, this.directory(path, version));
    if (version === 1) return { ...stamp, id: inode(stamp.path) };
    const [own = "/", ...above] = [...ancestors(stamp.path), "/"];
    if (inode(own) === null) return stamp;
    const charged = [own, ...above].find(
      (path) => path === "/" || files.exists(`${this.directory(path, 2)}/memory.events`),
    );
    const path = charged ?? own;
    return { ...stamp, path, id: inode(path) };
  }

  /** Whether a victim in this cgroup can take others with it: memory.oom.group, there or in an ancestor; only on v2. */
  mayBeGroup(stamp: CgroupStamp | null): boolean {
    if ((stamp?.version ?? this.memory?.version) === 1) return false;
    if (stamp === null) return true;
    const flags = ancestors(stamp.path).map((path) =>
      this.#host.files.tryReadText(`${this.directory(path, 2)}/memory.oom.group`)?.trim(),
    );
    // The container may be gone already: what cannot be read does not forbid it.
    const own = flags[0];
    return own === undefined || flags.includes("1");
  }
}

function ancestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
}

function blindness(files: Files, procRoot: string): string {
  const cgroups = inodeOf(files, "/proc/self/ns/cgroup");
  if (cgroups !== null && cgroups !== FIRST_CGROUP_NAMESPACE) {
    return "own cgroup namespace: paths in /proc are relative to it";
  }
  // With hostPID the /proc of the host has a `self` for us, in its first namespace.
  const pids = inodeOf(files, `${procRoot}/self/ns/pid`);
  if (procRoot === "/proc" && pids !== null && pids !== FIRST_PID_NAMESPACE) {
    return "own pid namespace: /proc shows other processes";
  }
  return "";
}

function inodeOf(files: Files, path: string): number | null {
  try {
    return files.inode(path);
  } catch {
    return null;
  }
}
