import type { Faults } from "../src/host/faults.ts";
import type {
  AppendFile,
  Clock,
  Files,
  Grpc,
  Host,
  HttpClient,
  Processes,
  StreamHandle,
  StreamHandler,
} from "../src/host/host.ts";
import { HostError } from "../src/host/host.ts";
import type { Clockwork } from "./clockwork.ts";
import type { SimulatedKernel } from "./kernel.ts";
import { markFormat, SIGNAL_FORMAT } from "./kernel-text.ts";
import type { Cgroup } from "./truth.ts";

export const BOOT_ID = "5eed0000-0000-4000-8000-000000000001";
export const STATE_DIRECTORY = "/state";

/** What survives the agent: its state directory. */
export type Disk = Map<string, string>;

/** Where in the writing of its state the agent is killed. */
export type DiskMoment = "before-append" | "after-append" | "before-replace" | "after-replace";

export interface Life {
  /** False once the process is killed: nothing it does reaches the world any more. */
  alive: boolean;
  /** Kills the process when it comes to that moment. */
  reached(moment: DiskMoment): void;
  /** How late timers are, µs. */
  lateness(): number;
  /** Wall clock minus monotonic clock now, µs. */
  wallOffset(): number;
  /** What is written instead (planted bugs). */
  written(path: string, text: string): string | null;
  /** /proc/PID is not readable now. */
  procFails(): boolean;
  /** How late the next reading of the kernel log is, µs. */
  logDelay(): number;
  /** Records in one reading of the kernel log. */
  readonly logChunk: number;
  /** Calls now, or when the process is no longer stopped: timers first, as Node does. */
  awake(kind: "timer" | "input", call: () => void): void;
}

/** The machine as one process of the agent sees it: time, /proc, cgroups and its state directory. */
export class SimulatedHost implements Host {
  readonly uid = 0;
  readonly hostname = "simulated";
  readonly clock: Clock;
  readonly files: Files;
  readonly processes: Processes;
  /** No container runtime listens here. */
  readonly http: HttpClient = {
    get: ({ socketPath }) => Promise.reject(noSocket(socketPath)),
    list: ({ socketPath }) => Promise.reject(noSocket(socketPath)),
    lines: ({ socketPath }, handler) => {
      handler.end(noSocket(socketPath));
      return { close: () => undefined };
    },
  };

  readonly grpc: Grpc = { connect: (socketPath) => Promise.reject(noSocket(socketPath)) };

  /** An error in a simulation is a finding: nothing may catch it. */
  readonly faults: Faults = {
    within: (_owner, call) => call(),
    outside: (call) => call(),
    watch: () => () => undefined,
  };

  constructor(kernel: SimulatedKernel, clockwork: Clockwork, disk: Disk, life: Life) {
    this.clock = {
      monotonicMicroseconds: () => clockwork.now,
      wallMicroseconds: () => clockwork.now + life.wallOffset(),
      after: (milliseconds, call) => {
        const due = clockwork.now + Math.round(milliseconds * 1000) + life.lateness();
        return clockwork.at(due, () => {
          life.awake("timer", call);
        });
      },
    };
    this.files = new SimulatedFiles(kernel, disk, life);
    this.processes = {
      stream: (_path, handler) => new LogReader(kernel, clockwork, life, handler),
      streamLocked: refuse,
      streamCommand: refuse,
      raisePriority: () => false,
      withholdPermissions: () => undefined,
      isAlive: () => false,
    };
  }
}

/** `cat /dev/kmsg`: begins at the oldest record; ends with EPIPE when the ring runs over it. */
class LogReader implements StreamHandle {
  readonly #kernel: SimulatedKernel;
  readonly #clockwork: Clockwork;
  readonly #life: Life;
  readonly #handler: StreamHandler;
  #next: number;
  #waiting = false;
  #closed = false;

  constructor(kernel: SimulatedKernel, clockwork: Clockwork, life: Life, handler: StreamHandler) {
    this.#kernel = kernel;
    this.#clockwork = clockwork;
    this.#life = life;
    this.#handler = handler;
    this.#next = kernel.log.first;
    kernel.onLog = () => this.#readSoon();
    this.#readSoon();
  }

  close(): void {
    this.#closed = true;
  }

  #readSoon(): void {
    if (this.#waiting || this.#closed || !this.#life.alive) return;
    this.#waiting = true;
    this.#clockwork.at(this.#clockwork.now + this.#life.logDelay(), () => {
      this.#life.awake("input", () => {
        this.#waiting = false;
        if (!this.#closed) this.#read();
      });
    });
  }

  #read(): void {
    const { log } = this.#kernel;
    if (this.#next < log.first) {
      this.#closed = true;
      this.#handler.end({ exitCode: 1, message: "cat: /dev/kmsg: Broken pipe" });
      return;
    }
    const start = this.#next - log.first;
    const lines = log.records.slice(start, start + this.#life.logChunk);
    this.#next += lines.length;
    if (lines.length > 0) this.#handler.data(new TextEncoder().encode(lines.join("")));
    if (this.#next < this.#kernel.logEnd) this.#readSoon();
  }
}

function noSocket(path: string): HostError {
  return new HostError("ENOENT", path, "unavailable in the simulation");
}

function refuse(): never {
  throw new Error("the simulated machine starts no processes");
}

class SimulatedFiles implements Files {
  readonly #kernel: SimulatedKernel;
  readonly #disk: Disk;
  readonly #life: Life;
  readonly #root: string;

  constructor(kernel: SimulatedKernel, disk: Disk, life: Life) {
    this.#kernel = kernel;
    this.#disk = disk;
    this.#life = life;
    this.#root = kernel.truth.kernel.version === 1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
  }

  readText(path: string): string {
    const text = this.tryReadText(path);
    if (text === null) throw notFound(path);
    return text;
  }

  tryReadText(path: string): string | null {
    if (path.startsWith(this.#root)) return this.#cgroupFile(path.slice(this.#root.length));
    if (path.startsWith("/proc/")) return this.#procFile(path.slice("/proc/".length));
    if (path.startsWith("/sys/")) return this.#sysFile(path);
    return this.#disk.get(path) ?? null;
  }

  #sysFile(path: string): string | null {
    if (path === "/sys/kernel/cgroup/features") return "nsdelegate\nmemory_localevents\n";
    if (path.endsWith("mark_victim/format")) return markFormat(this.#kernel.truth.kernel);
    return path.endsWith("signal_generate/format") ? SIGNAL_FORMAT : null;
  }

  #cgroupFile(path: string): string | null {
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    const cgroup = this.#kernel.find(path.slice(0, slash));
    if (name === "cgroup.controllers") return "cpu io memory pids\n";
    return cgroup === undefined ? null : this.#bookFile(cgroup, name);
  }

  #bookFile(cgroup: Cgroup, name: string): string | null {
    switch (name) {
      case "memory.events":
        return this.#events(this.#kernel.subtree(cgroup));
      case "memory.events.local":
        return this.#events(this.#kernel.local(cgroup));
      case "memory.oom_control":
        return this.#kernel.truth.kernel.counters
          ? `oom_kill_disable 0\nunder_oom 0\noom_kill ${this.#kernel.local(cgroup).kills}\n`
          : "oom_kill_disable 0\nunder_oom 0\n";
      case "memory.limit_in_bytes":
        return `${cgroup.limitBytes ?? 9_223_372_036_854_771_712n}\n`;
      case "memory.max":
        return `${cgroup.limitBytes ?? "max"}\n`;
      case "memory.oom.group":
        return cgroup.group ? "1\n" : "0\n";
      default:
        return null;
    }
  }

  #events(counts: { readonly kills: number; readonly groups: number }): string {
    if (!this.#kernel.truth.kernel.counters) return "low 0\nhigh 0\nmax 9\noom 2\n";
    const groups = this.#kernel.truth.kernel.groupCounter
      ? `oom_group_kill ${counts.groups}\n`
      : "";
    return `low 0\nhigh 0\nmax 9\noom 2\noom_kill ${counts.kills}\n${groups}`;
  }

  #procFile(path: string): string | null {
    switch (path) {
      case "sys/kernel/random/boot_id":
        return `${BOOT_ID}\n`;
      case "vmstat":
        return this.#kernel.truth.kernel.counters
          ? `nr_free_pages 9\noom_kill ${this.#kernel.nodeKills}\n`
          : "nr_free_pages 9\n";
      case "self/mountinfo":
        return this.#kernel.truth.kernel.version === 1
          ? "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
          : "35 31 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
      case "self/cgroup":
        return this.#kernel.truth.kernel.version === 1 ? "4:memory:/\n0::/\n" : "0::/\n";
      default:
        return this.#processFile(path);
    }
  }

  #processFile(path: string): string | null {
    const [pid = "", name = ""] = path.split("/");
    const process = this.#kernel.process(Number(pid));
    if (process === undefined || this.#life.procFails()) return null;
    if (name === "status") {
      return `Name:\t${process.comm}\nTgid:\t${process.tgid}\nVmSize:\t   21572 kB\n`;
    }
    if (name !== "cgroup") return null;
    const hierarchy = this.#kernel.truth.kernel.version === 1 ? "4:memory:" : "0::";
    return `${hierarchy}${process.cgroup.path}\n`;
  }

  readBytes(path: string): Uint8Array {
    return new TextEncoder().encode(this.readText(path));
  }

  writeText(path: string): void {
    throw notFound(path);
  }

  appendText(path: string, text: string): void {
    if (path !== "/dev/kmsg" || !this.#kernel.writable) throw notFound(path);
    if (this.#life.alive) this.#kernel.write(text);
  }

  replace(path: string, text: string): void {
    if (!this.#life.alive) return;
    this.#life.reached("before-replace");
    const written = this.#life.written(path, text);
    if (written !== null) this.#disk.set(path, written);
    this.#life.reached("after-replace");
  }

  replaceNow(path: string, text: string, keep: string): void {
    if (!this.#life.alive) return;
    this.#life.reached("before-replace");
    const written = this.#life.written(path, text);
    if (written !== null) {
      this.rename(path, keep);
      this.#disk.set(path, written);
    }
    this.#life.reached("after-replace");
  }

  replaceBehind(path: string, text: string, keep: string, done: (error: null) => void): void {
    this.replaceNow(path, text, keep);
    done(null);
  }

  rename(from: string, to: string): void {
    if (!this.#life.alive) return;
    const text = this.#disk.get(from);
    if (text === undefined) return;
    this.#disk.set(to, text);
    this.#disk.delete(from);
  }

  openAppend(path: string): AppendFile {
    return {
      append: (text) => {
        if (!this.#life.alive) return;
        this.#life.reached("before-append");
        const written = this.#life.written(path, text);
        if (written !== null) this.#disk.set(path, (this.#disk.get(path) ?? "") + written);
        this.#life.reached("after-append");
      },
      isThere: () => true,
      close: () => {},
    };
  }

  list(path: string): { name: string; directory: boolean }[] {
    if (!path.startsWith(this.#root)) throw notFound(path);
    const below = path.slice(this.#root.length);
    const parent = below === "" ? null : this.#kernel.find(below);
    if (parent === undefined) throw notFound(path);
    return this.#kernel.children(parent).map((child) => ({
      name: child.path.slice(child.path.lastIndexOf("/") + 1),
      directory: true,
    }));
  }

  /** The simulated machine has no users. */
  status(): null {
    return null;
  }

  readLink(path: string): string {
    throw noSocket(path);
  }

  inode(path: string): number | null {
    if (!path.startsWith(this.#root)) return null;
    if (path === this.#root) return 1;
    return this.#kernel.find(path.slice(this.#root.length))?.id ?? null;
  }

  exists(path: string): boolean {
    return this.inode(path) !== null || this.tryReadText(path) !== null;
  }

  makeDirectory(path: string): void {
    throw notFound(path);
  }

  removeDirectory(path: string): void {
    throw notFound(path);
  }

  remove(path: string): void {
    this.#disk.delete(path);
  }

  restrictMode(): void {}

  /** inotify: told after the kernel's own pause; the directory itself tells nothing here. */
  watch(path: string, changed: (name: string | null) => void): () => void {
    const events = path.endsWith("/memory.events");
    const watched = this.#kernel.find(
      path.slice(this.#root.length, events ? path.lastIndexOf("/") : undefined),
    );
    if (watched === undefined) return () => {};
    return this.#kernel.watch(watched, () => {
      this.#life.awake("input", () => changed("memory.events"));
    });
  }
}

function notFound(path: string): HostError {
  return new HostError("ENOENT", path, `ENOENT: ${path}`);
}
