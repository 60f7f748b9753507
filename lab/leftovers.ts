import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Processes that have `word`, which must be unique to us, as an argument: shims of a containerd of ours. */
export function processesNaming(word: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => argumentsOf(pid).includes(word));
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Everything mounted below `directory`, the innermost first. */
export function unmountBelow(directory: string): void {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.toReversed()) {
    execFileSync("umount", ["--lazy", point], { stdio: "ignore" });
  }
}

/** Kills what runs in `cgroup` and below, in every hierarchy, and removes it. */
export async function removeCgroups(cgroup: string): Promise<void> {
  const roots = ["/sys/fs/cgroup", ...hierarchies()].map((root) => root + cgroup);
  const deadline = Date.now() + 10_000;
  for (const directory of roots.filter((path) => existsSync(path))) {
    while (!removeTree(directory) && Date.now() < deadline) await sleep(20);
  }
}

function hierarchies(): string[] {
  return directoriesIn("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name));
}

/** Whether it is gone; a killed process leaves its cgroup a moment later. */
function removeTree(directory: string): boolean {
  for (const name of directoriesIn(directory)) removeTree(join(directory, name));
  for (const pid of pidsIn(directory)) killIfThere(pid);
  try {
    rmdirSync(directory);
  } catch {
    return !existsSync(directory);
  }
  return true;
}

function directoriesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function pidsIn(directory: string): number[] {
  try {
    const text = readFileSync(join(directory, "cgroup.procs"), "utf8");
    return text.split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
