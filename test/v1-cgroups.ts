import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const LAB = resolve(import.meta.dirname, "../lab");
const MEMORY = "/sys/fs/cgroup/memory";

/** Why no kill can be made in a cgroup v1 here; `null` when it can. */
export function whyNoV1Kills(): string | null {
  if (process.getuid?.() !== 0) return "making a memory cgroup needs root";
  if (!existsSync(`${MEMORY}/memory.oom_control`)) {
    return "the memory controller is not on cgroup v1 here";
  }
  if (spawnSync("gcc", ["--version"]).status !== 0) return "gcc is missing: apt-get install gcc";
  return null;
}

let ordinal = 0;

/** A memory cgroup of its own with a limit of `limitMib`, for kills. */
export class V1Cgroup {
  readonly path: string;
  readonly directory: string;

  constructor(path = `/owh-cg-${process.pid}-${ordinal++}`, limitMib: number | null = 10) {
    this.path = path;
    this.directory = MEMORY + path;
    mkdirSync(this.directory);
    if (limitMib === null) return;
    writeFileSync(`${this.directory}/memory.limit_in_bytes`, String(limitMib * 1024 * 1024));
  }

  child(name: string, limitMib: number | null = null): V1Cgroup {
    return new V1Cgroup(`${this.path}/${name}`, limitMib);
  }

  /** One process is killed for memory here; returns its pid when it is dead. */
  kill(): number {
    execFileSync(`${LAB}/compile`);
    const { pid, signal } = spawnSync(`${LAB}/build/hog`, [
      "--mib",
      "30",
      "--cgroup",
      this.directory,
    ]);
    if (signal !== "SIGKILL") throw new Error(`the hog was not killed: ${signal}`);
    return pid;
  }

  /** Removes it and what is below it. */
  remove(): void {
    removeTree(this.directory);
  }
}

function removeTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(`${directory}/${entry.name}`);
  }
  rmdirSync(directory);
}
