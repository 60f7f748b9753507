import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killsPossible } from "./cgroups.ts";
import { processesNaming, removeCgroups, unmountBelow } from "./leftovers.ts";

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

interface DaemonPlace {
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it works, when it leaves files there. */
  readonly directory?: string;
}

/** A daemon started by a test, and the last of what it said. */
export class Daemon {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #place: DaemonPlace;
  #child: ChildProcess | null = null;
  #output = "";

  constructor(program: string, args: readonly string[], place: DaemonPlace = {}) {
    this.#program = program;
    this.#args = args;
    this.#place = place;
  }

  /** Starts it and waits until `ready` no longer rejects. */
  async start(ready: () => Promise<unknown>, milliseconds = 30_000): Promise<void> {
    // A test that is killed must not leave a daemon behind.
    const words = ["--pdeathsig", "KILL", this.#program, ...this.#args];
    const { environment, directory } = this.#place;
    const env = { ...process.env, ...environment };
    const child = spawn("setpriv", words, {
      stdio: ["ignore", "ignore", "pipe"],
      env,
      cwd: directory,
    });
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

  get pid(): number {
    return this.#child?.pid ?? 0;
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

/** Whatever a daemon left behind: processes that name its directory's `socket`, cgroups, mounts, files. */
export async function removeLeftovers(left: {
  readonly directory: string;
  readonly cgroup: string;
  /** Of the containerd whose shims carry it as an argument. */
  readonly socket: string;
}): Promise<void> {
  for (const pid of processesNaming(left.socket)) process.kill(pid, "SIGKILL");
  await removeCgroups(left.cgroup);
  unmountBelow(left.directory);
  rmSync(left.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
