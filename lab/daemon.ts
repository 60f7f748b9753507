import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killsPossible } from "./cgroups.ts";

/** Why no daemon of these programs can be run here; `null` when it can. */
export function whyNoDaemon(...programs: readonly string[]): string | null {
  const kills = killsPossible();
  if (!kills.ok) return kills.reason;
  const paths = (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin");
  const missing = programs.find((name) => !paths.some((path) => existsSync(join(path, name))));
  return missing === undefined ? null : `${missing} is not installed`;
}

/** A directory of its own for a daemon's state, short enough for the paths of its sockets (108 bytes). */
export function daemonDirectory(name: string): string {
  return mkdtempSync(join(tmpdir(), `ow-${name}-`));
}

/** Runs a program to its end; what it printed. Rejects with what it complained of. */
export function command(program: string, args: readonly string[], input?: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 1 << 26 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}: ${stderr || error.message}`));
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** A daemon started by a test, and the last of what it said. */
export class Daemon {
  readonly #program: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #output = "";

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#args = args;
  }

  /** Starts it and waits until `ready` no longer rejects. */
  async start(ready: () => Promise<unknown>, milliseconds = 30_000): Promise<void> {
    const child = spawn(this.#program, this.#args, { stdio: ["ignore", "ignore", "pipe"] });
    child.on("error", () => undefined);
    child.stderr.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4000);
    });
    this.#child = child;
    const deadline = Date.now() + milliseconds;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      if (await succeeds(ready)) return;
      if (Date.now() > deadline) break;
      await sleep(50);
    }
    throw new Error(`${this.#program} is not ready: ${this.#output}`);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }
}

async function succeeds(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch {
    return false;
  }
}

/** Ends what still runs in a cgroup of that name, in any hierarchy, and removes the cgroup and all below it. */
export async function removeCgroups(name: string): Promise<void> {
  const base = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(base)]) {
    const directory = join(base, hierarchy, name);
    for (let attempt = 0; existsSync(directory) && attempt < 200; attempt++) {
      removeTree(directory);
      if (existsSync(directory)) await sleep(25);
    }
  }
}

function removeTree(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(directory, entry.name));
    }
    killMembers(directory);
    rmdirSync(directory);
  } catch {
    // Busy while its processes die, or gone: the caller looks again.
  }
}

function killMembers(directory: string): void {
  for (const pid of readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n")) {
    if (pid !== "") process.kill(Number(pid), "SIGKILL");
  }
}

/** Removes a daemon's directory, and first what it left mounted in it. */
export async function removeDirectory(directory: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const below = mounts.map((line) => line.split(" ")[1] ?? "");
  for (const mount of below.filter((path) => path.startsWith(`${directory}/`)).toReversed()) {
    await command("umount", ["--lazy", mount]).catch(() => undefined);
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
