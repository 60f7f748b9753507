import { execFileSync, spawn } from "node:child_process";
import { resolve } from "node:path";
import { V1Cgroup } from "../../v1-cgroups.ts";

const LAB = resolve(import.meta.dirname, "../../../lab");

/** A process that the kernel's OOM killer killed, as its parent saw it. */
export interface TrueKill {
  readonly pid: number;
  /** Path of the memory cgroup. */
  readonly cgroup: string;
}

export interface StormOptions {
  readonly kills: number;
  readonly parallel?: number;
  readonly name?: string;
  readonly args?: readonly string[];
}

/** Kills `kills` processes in `cgroup` as fast as a parent can fork, and returns what the parent saw. */
export function storm(cgroup: V1Cgroup, options: StormOptions): Promise<TrueKill[]> {
  return run("storm", [
    "--cgroup",
    cgroup.directory,
    "--kills",
    String(options.kills),
    "--parallel",
    String(options.parallel ?? 1),
    ...(options.name === undefined ? [] : ["--name", options.name]),
    ...(options.args ?? []),
  ]);
}

/** Runs a program of the laboratory; its truth is one JSON line a kill. */
export async function run(program: string, args: readonly string[]): Promise<TrueKill[]> {
  execFileSync(`${LAB}/compile`);
  const child = spawn(`${LAB}/build/${program}`, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise((done) => child.once("close", done));
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`);
  return output.split("\n").flatMap((line) => parseKill(line) ?? []);
}

function parseKill(line: string): TrueKill | null {
  if (line === "") return null;
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) return null;
  if (!("pid" in value) || !("cgroup" in value)) return null;
  return { pid: Number(value.pid), cgroup: String(value.cgroup) };
}

/** Cgroups of a test under one parent, removed at the end. */
export function stormCgroups(
  count: number,
  limitMib = 10,
): { cgroups: V1Cgroup[]; remove(): void } {
  const parent = new V1Cgroup(`/oomwitness-e2e-${process.pid}-${Date.now()}`, null);
  const cgroups = Array.from({ length: count }, (_, index) => parent.child(`c${index}`, limitMib));
  return { cgroups, remove: () => parent.remove() };
}
