import { type ChildProcess, spawn } from "node:child_process";

/** Busy loops that want the machine's cores from everybody else, until they are stopped. */
export class Load {
  readonly #loops: readonly ChildProcess[];

  /** So many more runnable processes: the machine's load average goes towards it within minutes. */
  constructor(loops: number) {
    // A test that is killed must not leave them behind.
    const words = ["--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"];
    this.#loops = Array.from({ length: loops }, () => spawn("setpriv", words, { stdio: "ignore" }));
  }

  stop(): void {
    for (const loop of this.#loops) loop.kill("SIGKILL");
  }
}
