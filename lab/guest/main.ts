import { parseArgs } from "node:util";
import { guestAvailable, runInGuest } from "./guest.ts";
import { findKernels } from "./kernels.ts";
import { makeSystemdDisk, SYSTEMD_SUITES, type SystemdSuite } from "./systemd.ts";

const USAGE = `usage: bin/node lab/guest/main.ts [--kernel 6.1] [--systemd bookworm] [--memory MIB] [--timeout SECONDS] 'shell command'
Runs a shell command in a fresh virtual machine with cgroup v2; see lab/README.md.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: "string" },
      systemd: { type: "string" },
      memory: { type: "string" },
      timeout: { type: "string" },
      kernels: { type: "boolean" },
    },
  });
  if (values.kernels) return listKernels();
  const [script] = positionals;
  if (script === undefined || positionals.length > 1) return complain(USAGE, 2);
  const available = guestAvailable(values.kernel);
  if (!available.ok) return complain(`lab: ${available.reason}`, 1);
  const systemd = values.systemd === undefined ? null : suite(values.systemd);
  const result = await runInGuest({
    script,
    ...(values.kernel === undefined ? {} : { kernel: values.kernel }),
    ...(systemd === null ? {} : { systemd }),
    ...(values.memory === undefined ? {} : { memoryMib: Number(values.memory) }),
    ...(values.timeout === undefined ? {} : { timeoutSeconds: Number(values.timeout) }),
    onOutput: (text) => process.stdout.write(text),
  });
  for (const [path, text] of Object.entries(result.files))
    process.stdout.write(`--- /job/out/${path}\n${text}`);
  return result.exitCode;
}

function suite(name: string): SystemdSuite {
  const found = SYSTEMD_SUITES.find((one) => one === name);
  if (found === undefined) throw new Error(`--systemd is one of ${SYSTEMD_SUITES.join(", ")}`);
  makeSystemdDisk(found, (reason) => complain(reason, 1));
  return found;
}

function listKernels(): number {
  for (const { name, machine, path } of findKernels())
    process.stdout.write(`${name}  ${machine}  ${path}\n`);
  return 0;
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`);
  return code;
}

process.exitCode = await main().catch((error: unknown) =>
  complain(`lab: ${error instanceof Error ? error.message : String(error)}`, 1),
);
