import { type ChildProcess, spawn } from "node:child_process";
import { constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CgroupTree, type LabCgroup, programPath, type Truth } from "./lab.ts";

// What a story of lab/stories.ts is played on: cgroups, processes that hold or grow, and an ear at the kernel log.

export interface Actor {
  readonly pid: number;
  readonly comm: string;
  readonly cgroup: string;
  /** Resolves when it died, to whether SIGKILL took it. */
  readonly killed: Promise<boolean>;
  readonly process: ChildProcess;
}

export interface ActorOptions {
  readonly comm: string;
  readonly cgroup?: LabCgroup;
  readonly mib: number;
  /** Keeps `mib` and waits, instead of giving up with them; `start` returns when it has them. */
  readonly hold?: boolean;
  readonly oomScoreAdj?: number;
}

/** Death of a process of a story: what its parent got from `waitpid`. */
export interface Death {
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
  readonly cgroup: string;
}

export class Stage {
  readonly tree: CgroupTree;
  readonly log = new KernelLog();
  readonly deaths: Death[] = [];
  readonly #actors: Actor[] = [];

  constructor(tree = new CgroupTree()) {
    this.tree = tree;
  }

  /** A process of the program `hog`, with the name, the memory and the score of its part. */
  async start(options: ActorOptions): Promise<Actor> {
    const { comm, cgroup, mib, hold = false, oomScoreAdj = 0 } = options;
    const place = cgroup === undefined ? [] : ["--cgroup", cgroup.directory];
    const words = ["--name", comm, "--mib", `${mib}`, "--adj", `${oomScoreAdj}`];
    return this.run(programPath("hog"), [...place, ...words, ...(hold ? ["--hold"] : [])], {
      comm,
      cgroup: cgroup?.path ?? "/",
      hold,
    });
  }

  /** Any program; with `hold` it is waited for until it said a first word. */
  async run(
    program: string,
    args: readonly string[],
    part: { readonly comm: string; readonly cgroup: string; readonly hold: boolean },
  ): Promise<Actor> {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    const pid = child.pid ?? 0;
    const killed = new Promise<boolean>((resolve) => {
      child.on("exit", (_, signal) => {
        const bySigkill = signal === "SIGKILL" && !child.killed;
        if (bySigkill) this.deaths.push({ pid, tid: pid, comm: part.comm, cgroup: part.cgroup });
        resolve(bySigkill);
      });
    });
    const actor = { pid, comm: part.comm, cgroup: part.cgroup, killed, process: child };
    this.#actors.push(actor);
    if (part.hold) await Promise.race([once(child, "data"), killed]);
    return actor;
  }

  /** Deaths that a program of the laboratory told of itself. */
  add(truths: readonly Truth[], comm: (truth: Truth) => string): void {
    for (const truth of truths) {
      const { pid, tid, cgroup } = truth;
      this.deaths.push({ pid, tid, comm: comm(truth), cgroup });
    }
  }

  /** Ends whatever still lives and removes the cgroups. */
  async clear(): Promise<void> {
    for (const { process: child } of this.#actors) child.kill("SIGKILL");
    await Promise.all(this.#actors.map(({ killed }) => killed));
    await this.tree.remove();
  }
}

function once(child: ChildProcess, event: string): Promise<void> {
  return new Promise((resolve) => child.stdout?.once(event, () => resolve()));
}

const RECORD_BYTES = 16_384;

/** /dev/kmsg from now on, record for record. */
export class KernelLog {
  readonly #descriptor = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  readonly #buffer = Buffer.alloc(RECORD_BYTES);

  constructor() {
    this.read();
  }

  /** Writes a record of ours, which stands before or after what the kernel says. */
  mark(text: string): void {
    // Without the line's end readers would not get it before the next record.
    writeFileSync("/dev/kmsg", `<14>lab: ${text}\n`);
  }

  /** What was said since the last reading. */
  read(): string {
    let text = "";
    for (;;) {
      try {
        const length = readSync(this.#descriptor, this.#buffer);
        if (length === 0) return text;
        text += this.#buffer.toString("latin1", 0, length);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : null;
        if (code === "EAGAIN") return text;
        if (code !== "EPIPE") throw error;
      }
    }
  }

  /** Reads until the text has the words, at most so long. */
  async until(words: string, seconds: number): Promise<string> {
    let text = this.read();
    for (let waited = 0; !text.includes(words) && waited < seconds * 50; waited++) {
      await sleep(20);
      text += this.read();
    }
    return text;
  }
}

/** The name of this process as the kernel has it. */
export function ownComm(): string {
  return readFileSync("/proc/self/comm", "utf8").trim();
}
