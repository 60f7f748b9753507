import { mkdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { GuestError, guestAvailable, runInGuest } from "./guest/guest.ts";
import { findKernels } from "./guest/kernels.ts";
import { killsPossible } from "./lab.ts";
import { play } from "./situations.ts";

// Makes test/fixtures/reports again: every situation of lab/situations.ts on this machine and in a guest of each kernel that is here.
// Left behind for each: KERNEL-SITUATION.txt, what the kernel said, and KERNEL-SITUATION.truth.json, what really happened.

const USAGE = `usage: bin/node lab/reports.ts DIRECTORY [host | KERNEL …]
  e.g. bin/node lab/reports.ts test/fixtures/reports host 6.1
Without names: this machine, and every kernel that lab/guest/main.ts --kernels lists. A guest takes about a minute.`;

/** v1 refuses a limit below what is used (EBUSY), and a score of -1000 needs CAP_SYS_RESOURCE. */
const HERE = ["memcg", "supervisor", "tmpfs", "ancestor", "protected", "leader-exit"];
/** The last ones harm the machine: they come when everything else is written. */
const IN_GUEST = [
  ...[...HERE, "group", "lowered", "none-killable"],
  ...["sysrq", "global", "allocating-task"],
];
const GUEST_MIB = 512;
/** The whole log on the console, which is all that is left after a panic. */
const TALKATIVE = "ignore_loglevel";

async function here(directory: string): Promise<void> {
  const kernel = /^\d+\.\d+/.exec(release())?.[0] ?? "host";
  for (const name of HERE) {
    const { records, truth } = await play(name);
    write(directory, `${kernel}-${name}.txt`, records);
    write(directory, `${kernel}-${name}.truth.json`, `${JSON.stringify(truth, null, 2)}\n`);
  }
}

async function inGuest(directory: string, kernel: string): Promise<void> {
  await tell(directory, kernel, IN_GUEST, 1);
  await tell(directory, kernel, ["cpuset"], 2);
  await panic(directory, kernel);
}

async function tell(
  directory: string,
  kernel: string,
  situations: readonly string[],
  numaNodes: number,
): Promise<void> {
  const script = `bin/node lab/situations.ts /job/out ${situations.join(" ")}`;
  const limits = { memoryMib: GUEST_MIB, timeoutSeconds: 240 };
  const result = await runInGuest({ script, kernel, numaNodes, ...limits });
  for (const [path, text] of Object.entries(result.files))
    write(directory, `${kernel}-${path}`, text);
  if (result.exitCode !== 0) throw new Error(`${kernel}: ${result.output.slice(-500)}`);
}

/** A machine that panicked leaves nothing but the words on its console. */
async function panic(directory: string, kernel: string): Promise<void> {
  const script = "bin/node lab/situations.ts /job/out panic";
  const limits = { memoryMib: GUEST_MIB, timeoutSeconds: 90 };
  const ended = await runInGuest({ script, kernel, kernelArguments: TALKATIVE, ...limits }).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(ended instanceof GuestError)) throw new Error(`${kernel} did not panic`);
  const from = ended.output.lastIndexOf("@@begin:");
  const words = ended.output.slice(ended.output.indexOf("\n", from) + 1);
  write(directory, `${kernel}-panic.txt`, words);
  const truth = { outcome: "panic", constraint: "none", sysrq: false, victims: [] };
  write(directory, `${kernel}-panic.truth.json`, `${JSON.stringify(truth, null, 2)}\n`);
}

function write(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), text, "latin1");
  process.stdout.write(`${name}\n`);
}

async function main(): Promise<number> {
  const [directory, ...names] = process.argv.slice(2);
  if (directory === undefined) return complain(USAGE, 2);
  mkdirSync(directory, { recursive: true });
  const wanted = names.length > 0 ? names : ["host", ...findKernels().map(({ name }) => name)];
  for (const name of wanted) {
    const possible = name === "host" ? killsPossible() : guestAvailable(name);
    if (!possible.ok) return complain(`lab: ${name}: ${possible.reason}`, 1);
    await (name === "host" ? here(directory) : inGuest(directory, name));
  }
  return 0;
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`);
  return code;
}

if (import.meta.main)
  process.exitCode = await main().catch((error: unknown) =>
    complain(`lab: ${error instanceof Error ? error.message : String(error)}`, 1),
  );
