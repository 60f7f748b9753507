import type { Host } from "../host/host.ts";
import { CliError } from "./errors.ts";
import type { TestCgroup } from "./selftest-cgroup.ts";

/** How the test kill went. */
export interface TestKill {
  readonly pid: number;
  /** Wall clock, µs, when the end of the process was seen. */
  readonly endedAt: number;
}

/**
 * Runs in a child: makes itself the first choice of the OOM killer, enters the cgroup and starts over there, so that all
 * its memory is counted in the new cgroup. A new Node starts with 11 MB (measured), the rest follows at once.
 */
const ENTER = `const fs = require("node:fs");
fs.writeFileSync("/proc/self/oom_score_adj", "1000");
fs.writeFileSync(process.argv[1] + "/cgroup.procs", "0");
process.execve(process.execPath, [process.execPath, "-e", process.argv[2]], process.env);`;
/** Eats memory until it is killed; never more than 64 MiB should the limit not hold. */
const EAT = `process.title = "oom-selftest";
console.log(process.pid);
const kept = [];
for (let mebibytes = 0; mebibytes < 64; mebibytes++) kept.push(Buffer.alloc(2 ** 20, 1));
process.exit(3);`;

/** Makes the kill; resolves when the process is gone. */
export function makeTestKill(
  host: Host,
  cgroup: TestCgroup,
  node: string,
  patienceSeconds: number,
): Promise<TestKill> {
  return new Promise((resolve, reject) => {
    let text = "";
    const args = ["-e", ENTER, cgroup.directory, EAT];
    const child = host.processes.streamCommand(node, args, {
      data: (chunk) => {
        text = (text + new TextDecoder().decode(chunk)).slice(0, 100);
      },
      end: ({ exitCode, message }) => {
        cancel();
        const pid = Number.parseInt(text, 10);
        const endedAt = host.clock.wallMicroseconds();
        if (exitCode === null && pid > 0) resolve({ pid, endedAt });
        else reject(notKilled(exitCode, message));
      },
    });
    const cancel = host.clock.after(patienceSeconds * 1000, () => {
      child.close();
      reject(
        new CliError(
          "E_SELFTEST",
          "the process did not reach its limit in time: try --patience 30.",
        ),
      );
    });
  });
}

function notKilled(exitCode: number | null, message: string): CliError {
  const why = message.split("\n").find((line) => line.includes("Error:")) ?? message.split("\n")[0];
  const how =
    exitCode === 3 ? "the limit of its cgroup did not hold" : (why ?? `status ${exitCode}`);
  return new CliError(
    "E_SELFTEST",
    `the process was not killed (${how}): run it as root, and see 'oomwitness doctor'.`,
  );
}
