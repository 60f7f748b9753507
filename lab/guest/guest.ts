import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Entry, readArchive } from "./archive.ts";
import { missingForImage, writeImage } from "./image.ts";
import { findKernel, type GuestKernel } from "./kernels.ts";
import { PROGRAMS_DIRECTORY } from "./paths.ts";
import { findSystemdDisk, type SystemdSuite } from "./systemd.ts";

/** What to do in a fresh virtual machine with cgroup v2, tracefs and the repository at /repo. */
export interface GuestJob {
  /** A shell script (busybox sh); runs as root in /repo, with its standard error on its standard output. */
  readonly script: string;
  /** More files: absolute paths, or relative to /job. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** `6.1`, `6.12`, … or the path of a kernel image; the installed one by default. */
  readonly kernel?: string;
  /** Runs the script under the systemd of this Debian, with its containerd and runc, instead of alone on the machine. */
  readonly systemd?: SystemdSuite;
  /** Memory of the machine in MiB; 768 by default. */
  readonly memoryMib?: number;
  /** Memory in so many NUMA nodes, the CPUs all in the first; 1 by default. */
  readonly numaNodes?: number;
  /** Words added to the kernel's command line. */
  readonly kernelArguments?: string;
  /** The machine is ended after this time; 120 s by default. */
  readonly timeoutSeconds?: number;
  /** Gets the script's output as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface GuestResult {
  readonly exitCode: number;
  /** Standard output and error of the script. */
  readonly output: string;
  /** What the script left in /job/out, by path relative to it. */
  readonly files: Readonly<Record<string, string>>;
  /** Seconds since the guest's boot when the script began and ended, by the guest's clock. */
  readonly uptimeSeconds: { readonly begin: number; readonly end: number };
}

/** The guest did not come to the end of its script; `output` is all it said, from boot on. */
export class GuestError extends Error {
  readonly output: string;
  constructor(message: string, output: string) {
    super(`${message}; its last words:\n${output.slice(-2000)}`);
    this.name = "GuestError";
    this.output = output;
  }
}

/** Whether this machine can run a guest; if not, what is missing and how to get it. */
export function guestAvailable(
  kernel?: string,
): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  const reason = missing(kernel);
  return reason === null ? { ok: true } : { ok: false, reason };
}

function missing(kernel: string | undefined): string | null {
  if (process.arch !== "x64") return "the guest is an x86-64 machine";
  if (!onPath("qemu-system-x86_64"))
    return "qemu-system-x86_64 is missing: apt-get install qemu-system-x86";
  if (!onPath("gcc")) return "gcc is missing: apt-get install gcc libc6-dev";
  if (findKernel(kernel) === null)
    return kernel === undefined
      ? "no kernel to boot in /boot: apt-get install linux-image-cloud-amd64"
      : `no kernel ${kernel}: lab/guest/fetch-kernels`;
  return missingForImage();
}

/** Boots a guest, runs the script and returns what it said. Rejects with `GuestError` when it did not end by itself. */
export async function runInGuest(job: GuestJob): Promise<GuestResult> {
  const reason = missing(job.kernel);
  const kernel = findKernel(job.kernel);
  if (reason !== null || kernel === null) throw new Error(reason ?? "no kernel");
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-guest-"));
  try {
    writeImage(join(directory, "initrd"), jobEntries(job));
    return await boot(job, kernel, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A machine that has not come to the script by then never will; another one is tried. */
const BOOT_SECONDS = 40;
const BOOT_SYSTEMD_SECONDS = 120;
const BOOT_ATTEMPTS = 3;

async function boot(job: GuestJob, kernel: GuestKernel, directory: string): Promise<GuestResult> {
  const timeoutSeconds = job.timeoutSeconds ?? 120;
  for (let attempt = 1; ; attempt++) {
    // A mark nobody can know beforehand, so that no output of the script can be taken for the end.
    const token = randomBytes(8).toString("hex");
    const child = startMachine(kernel, directory, job, token);
    const screen = new GuestConsole(token, job.onOutput ?? (() => {}));
    const bootSeconds = job.systemd === undefined ? BOOT_SECONDS : BOOT_SYSTEMD_SECONDS;
    const ended = await follow(child, screen, { bootSeconds, seconds: timeoutSeconds });
    const result = screen.result();
    if (result !== null) return { ...result, files: resultFiles(directory) };
    if (!screen.begun && attempt < BOOT_ATTEMPTS) continue;
    throw new GuestError(ended, screen.text);
  }
}

function resultFiles(directory: string): Record<string, string> {
  const archive = readArchive(readFileSync(join(directory, "results")));
  const files = [...archive].map(([path, data]) => [path.replace(/^\.\//, ""), data.toString()]);
  return Object.fromEntries(files);
}

function jobEntries(job: GuestJob): Entry[] {
  const files = Object.entries(job.files ?? {}).map(([path, data]): Entry => {
    const place = path.startsWith("/") ? path.slice(1) : `job/${path}`;
    return { path: place, kind: "file", data: Buffer.from(data), executable: true };
  });
  const script = Buffer.from(job.script);
  return [{ path: "job/script", kind: "file", data: script, executable: true }, ...files];
}

/** The guest's CPUs share the host's time stamp counter; its rate, given, need not be measured (lab/tsc-khz.c). */
function clockArguments(): string {
  const program = join(PROGRAMS_DIRECTORY, "tsc-khz");
  const kilohertz = execFileSync(program, { encoding: "utf8" }).trim();
  return `tsc=reliable tsc_early_khz=${kilohertz}`;
}

/**
 * A plain processor, on which Node starts fastest without KVM. Without cmpxchg16b: QEMU 7.2 sometimes leaves garbage in
 * the flags after it, and then a 6.12 kernel dies of a double fault in kmalloc.
 */
const CPU = "qemu64,-cx16";

function startMachine(kernel: GuestKernel, directory: string, job: GuestJob, token: string) {
  const disk = diskOf(job);
  const nodes = nodeOptions(job);
  const append = `console=ttyS0 quiet loglevel=2 ${clockArguments()} panic=-1 reboot=t rdinit=/init lab.token=${token} ${disk.append}`;
  const qemu = [
    ...[
      "qemu-system-x86_64",
      "-M",
      disk.machine ?? (nodes.length > 0 ? "pc" : kernel.machine),
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      CPU,
    ],
    ...["-smp", "2", "-m", String(memoryMib(job)), "-kernel", kernel.path],
    ...["-initrd", join(directory, "initrd"), "-append", `${append} ${job.kernelArguments ?? ""}`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ...["-chardev", `file,id=results,path=${join(directory, "results")}`],
    ...["-device", "isa-serial,chardev=results,iobase=0x2f8,irq=3"],
    ...disk.options,
    ...nodes,
  ];
  // The machine dies with us, whatever ends us.
  return spawn("setpriv", ["--pdeathsig", "KILL", ...qemu], { stdio: ["ignore", "pipe", "pipe"] });
}

function memoryMib(job: GuestJob): number {
  return job.memoryMib ?? 768;
}

function nodeOptions(job: GuestJob): string[] {
  const count = job.numaNodes ?? 1;
  if (count < 2) return [];
  return Array.from({ length: count }, (_, node) => [
    ...["-object", `memory-backend-ram,id=node${node},size=${memoryMib(job) / count}M`],
    ...["-numa", `node,memdev=node${node}${node === 0 ? ",cpus=0-1" : ""}`],
  ]).flat();
}

interface Disk {
  readonly machine: GuestKernel["machine"] | null;
  readonly append: string;
  readonly options: readonly string[];
}

/** NVMe and ext4 are built into Debian's cloud kernels, so no module is needed. What is written is forgotten at the end. */
function diskOf({ systemd }: GuestJob): Disk {
  if (systemd === undefined) return { machine: null, append: "", options: [] };
  const path = findSystemdDisk(systemd);
  if (path === null) throw new Error(`no disk of ${systemd}: lab/guest/make-systemd ${systemd}`);
  const drive = `file=${path},format=raw,if=none,id=root,snapshot=on`;
  return {
    machine: "pc",
    append: "lab.root=/dev/nvme0n1",
    options: ["-drive", drive, "-device", "nvme,drive=root,serial=root"],
  };
}

/** Resolves, when the machine has ended, to why it did. */
function follow(
  child: ChildProcess,
  screen: GuestConsole,
  { bootSeconds, seconds }: { readonly bootSeconds: number; readonly seconds: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    let reason: string | null = null;
    const end = (why: string) => {
      reason = why;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(end, seconds * 1000, `guest not done in ${seconds} s`);
    const bootTimer = setTimeout(() => {
      if (!screen.begun) end(`guest not up in ${bootSeconds} s`);
    }, bootSeconds * 1000);
    child.stdout?.on("data", (chunk: Buffer) => screen.add(chunk.toString("latin1")));
    child.stderr?.on("data", (chunk: Buffer) => screen.add(chunk.toString("latin1")));
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      clearTimeout(bootTimer);
      resolve(reason ?? `guest ended early (QEMU's exit status ${code})`);
    });
  });
}

/** Cuts the script's output out of what the guest's console shows: `@@begin:TOKEN 2.41 … @@end:TOKEN 0 4.44`. */
class GuestConsole {
  text = "";
  private readonly token: string;
  private readonly onOutput: (text: string) => void;
  private shown = -1;

  constructor(token: string, onOutput: (text: string) => void) {
    this.token = token;
    this.onOutput = onOutput;
  }

  /** Whether the script was reached. */
  get begun(): boolean {
    return this.shown >= 0;
  }

  add(text: string): void {
    this.text += text;
    if (this.shown < 0) this.shown = this.outputStart();
    if (this.shown < 0) return;
    const end = this.text.indexOf(`@@end:${this.token}`, this.shown);
    const upTo = end < 0 ? this.text.lastIndexOf("\n") + 1 : end;
    if (upTo > this.shown) this.onOutput(decode(this.text.slice(this.shown, upTo)));
    this.shown = Math.max(this.shown, upTo);
  }

  /** `null` when the script did not end. */
  result(): Omit<GuestResult, "files"> | null {
    const pattern = `@@begin:${this.token} (\\S+)\\n([^]*)@@end:${this.token} (\\d+) (\\S+)\\n`;
    const match = new RegExp(pattern).exec(this.text);
    if (match === null) return null;
    const [, begin, output, code, end] = match;
    const uptimeSeconds = { begin: Number(begin), end: Number(end) };
    return { exitCode: Number(code), output: decode(output ?? ""), uptimeSeconds };
  }

  private outputStart(): number {
    const match = new RegExp(`@@begin:${this.token} \\S+\\n`).exec(this.text);
    return match === null ? -1 : match.index + match[0].length;
  }
}

function decode(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

function onPath(program: string): boolean {
  const path = process.env["PATH"] ?? "";
  return path.split(delimiter).some((directory) => existsSync(join(directory, program)));
}
