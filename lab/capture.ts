import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runInGuest } from "./guest/guest.ts";
import { parseTruth } from "./lab.ts";

// Makes a fixture: runs a command here or in the guest and keeps what the kernel said meanwhile, word for word, and what
// really happened (lab/capture.sh says which files).

const USAGE = `usage: bin/node lab/capture.ts DIRECTORY [--guest] [--kernel NAME] 'COMMAND' …
  e.g. bin/node lab/capture.ts /tmp/storm --guest 'bin/node lab/scenario.ts storm 50'
Several commands run in one guest, one after the other, each into a directory of its own: DIRECTORY/1, DIRECTORY/2, …`;

/** How often each witness spoke; the group kill's doubled line is counted as often as it was printed. */
export interface Tally {
  readonly truth: number;
  readonly records: number;
  readonly killedLines: number;
  readonly summaryLines: number;
  readonly forged: number;
  readonly markVictim: number | null;
  readonly vmstat: number;
}

/** Counts what a capture holds. */
export function tally(directory: string): Tally {
  const read = (name: string) => readFileSync(join(directory, name), "utf8");
  const records = read("kmsg.txt")
    .split("\n")
    .filter((line) => /^\d/.test(line));
  const kernel = records.filter((line) => Number.parseInt(line, 10) < 8);
  const [before = 0, after = 0] = (/before (\d+) after (\d+)/.exec(read("counters.txt")) ?? [])
    .slice(1)
    .map(Number);
  return {
    truth: parseTruth(read("truth.jsonl")).length,
    records: records.length,
    killedLines: kernel.filter((line) => / Killed process \d+ \(/.test(line)).length,
    summaryLines: kernel.filter((line) => line.includes(";oom-kill:")).length,
    forged: records.length - kernel.length,
    markVictim: countMarkVictim(directory),
    vmstat: after - before,
  };
}

function countMarkVictim(directory: string): number | null {
  try {
    const text = readFileSync(join(directory, "trace.txt"), "utf8");
    return text.split("\n").filter((line) => line.includes(": mark_victim: ")).length;
  } catch {
    return null;
  }
}

/** Runs the commands on this machine, each captured into a directory of its own. */
function captureHere(directories: readonly string[], commands: readonly string[]): void {
  const script = join(import.meta.dirname, "capture.sh");
  for (const [index, command] of commands.entries())
    execFileSync(script, [directories[index] ?? "", command], { stdio: "inherit" });
}

async function captureInGuest(
  directories: readonly string[],
  commands: readonly string[],
  kernel: string | undefined,
): Promise<void> {
  const quoted = commands.map((command) => `'${command.replaceAll("'", `'\\''`)}'`);
  const lines = quoted.map((command, index) => `lab/capture.sh /job/out/${index} ${command}`);
  const script = lines.join("\n");
  const result = await runInGuest({ script, timeoutSeconds: 300, ...(kernel ? { kernel } : {}) });
  process.stderr.write(result.output);
  for (const [path, text] of Object.entries(result.files)) {
    const [index, name] = path.split("/");
    const directory = directories[Number(index)];
    if (directory !== undefined && name !== undefined) writeFileSync(join(directory, name), text);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { guest: { type: "boolean" }, kernel: { type: "string" } },
  });
  const [directory, ...commands] = positionals;
  if (directory === undefined || commands.length === 0) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const one = commands.length === 1;
  const directories = commands.map((_, index) =>
    one ? directory : join(directory, `${index + 1}`),
  );
  for (const path of directories) mkdirSync(path, { recursive: true });
  if (values.guest || values.kernel) await captureInGuest(directories, commands, values.kernel);
  else captureHere(directories, commands);
  for (const [index, path] of directories.entries())
    process.stdout.write(`${JSON.stringify({ command: commands[index], ...tally(path) })}\n`);
  return 0;
}

if (import.meta.main)
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  });
