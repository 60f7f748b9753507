import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type LabCgroup, programPath } from "./cgroups.ts";

export * from "./cgroups.ts";

/** A process that died of SIGKILL in a cgroup of ours: what `waitpid` told its parent, not what we made of any log. */
export interface Truth {
  readonly pid: number;
  /** The thread that the kernel will name instead, for a process whose leader had ended. */
  readonly tid: number;
  /** Path in the memory hierarchy. */
  readonly cgroup: string;
  /** `owner` and `sharer` of one memory, `grower` and `member` of a group; else "". */
  readonly role: string;
  /** When its parent learned of it: CLOCK_MONOTONIC, µs. */
  readonly reapedMicroseconds: number;
}

export interface StormOptions {
  readonly kills: number;
  /** Children at once; 1 by default. */
  readonly parallel?: number;
  /** The parent enters the cgroup too, and its children start in it. */
  readonly parentInside?: boolean;
  /** Name of the children; `\xNN` are bytes. */
  readonly comm?: string;
}

/** Kills processes in one cgroup as fast as a parent can fork; returns every one that died. */
export function storm(cgroup: LabCgroup, options: StormOptions): Promise<Truth[]> {
  const inside = options.parentInside ? ["--parent-inside"] : [];
  const name = options.comm === undefined ? [] : ["--name", options.comm];
  const counts = ["--kills", String(options.kills), "--parallel", String(options.parallel ?? 1)];
  return runProgram("storm", ["--cgroup", cgroup.directory, ...counts, ...inside, ...name]);
}

/** A group kill of so many processes in a v2 cgroup. */
export function groupKill(cgroup: LabCgroup, processes: number): Promise<Truth[]> {
  return runProgram("group", ["--cgroup", cgroup.directory, "--processes", String(processes)]);
}

/** Kills a process that shares its memory with another one, which may live in `other`: both die, one is counted. */
export function sharedMemoryKill(cgroup: LabCgroup, other?: LabCgroup): Promise<Truth[]> {
  const where = other === undefined ? [] : ["--other-cgroup", other.directory];
  return runProgram("sharer", ["--cgroup", cgroup.directory, ...where]);
}

/** Kills a process whose first thread has ended: `tid` differs from `pid`. */
export function leaderExitKill(cgroup: LabCgroup): Promise<Truth[]> {
  return runProgram("leader-exit", ["--cgroup", cgroup.directory]);
}

export interface FloodOptions {
  readonly lines: number;
  /** 0, the default, is as fast as possible. */
  readonly linesPerSecond?: number;
  /** Writes what a kernel would say about a kill of process 1. */
  readonly forge?: boolean;
  readonly text?: string;
}

/** Writes lines to /dev/kmsg. The kernel drops most unless `kernel.printk_devkmsg` is `on`, as it is in the guest. */
export async function flood(options: FloodOptions): Promise<void> {
  const text = options.text === undefined ? [] : ["--text", options.text];
  const rate = ["--lines", String(options.lines), "--rate", String(options.linesPerSecond ?? 0)];
  await runProgram("flood", [...rate, ...(options.forge ? ["--forge"] : []), ...text]);
}

/** Whether programs may write to the log without a limit: `on` or `ratelimit`; returns what it was. */
export function setPrintkDevkmsg(value: string): string {
  const file = "/proc/sys/kernel/printk_devkmsg";
  const before = readFileSync(file, "utf8").trim();
  // The kernel wants the line end (control_devkmsg, kernel/printk/printk.c).
  if (value !== "") writeFileSync(file, `${value}\n`);
  return before;
}

/** Runs one of the programs and reads its truth. Rejects when it did not make the kills it was asked for. */
export function runProgram(name: string, args: readonly string[]): Promise<Truth[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(programPath(name), args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(parseTruth(output));
      else
        reject(new Error(`${name} ended with ${code ?? signal}: ${errors}${output.slice(-500)}`));
    });
  });
}

/** The deaths among the lines a program of the laboratory printed. */
export function parseTruth(output: string): Truth[] {
  return output.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    const parsed: unknown = JSON.parse(line);
    return isDeath(parsed) ? [{ role: "", tid: parsed.pid, ...parsed }] : [];
  });
}

type Death = Pick<Truth, "pid" | "cgroup" | "reapedMicroseconds"> & Partial<Truth>;

function isDeath(value: unknown): value is Death {
  return (
    typeof value === "object" &&
    value !== null &&
    "signal" in value &&
    "pid" in value &&
    typeof value.pid === "number" &&
    "cgroup" in value &&
    typeof value.cgroup === "string"
  );
}
