/** How fast `explain` reads: logs of 1 MB and 1 GB, nearly all of it about other things, and a log of nothing but reports. */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Random } from "../src/std/random.ts";
import { median, say } from "./support/figures.ts";
import { cpuMillisecondsOf } from "./support/usage.ts";

const COMMAND = resolve(import.meta.dirname, "../bin/oomwitness");
const REPORT = resolve(import.meta.dirname, "../test/fixtures/reports/6.12-memcg.txt");
const PROGRAMS = ["systemd[1]", "sshd[812]", "kubelet[2480]", "kernel", "nginx[77]", "CRON[9]"];
const WORDS =
  "Started session of user root memory pool worker process room zoom connection refused from 10.0.0.7 port 22 device eth0 entered state image garbage collection failed for container 0x1f";
const BLOCK_BYTES = 10_000_000;
const ROUNDS = 3;

/** Lines as servers write them, about 100 bytes each; 10 MB of them end in one report. */
function noise(bytes: number): string {
  const random = new Random(1);
  const words = WORDS.split(" ");
  let text = "";
  while (text.length < bytes) {
    const count = random.int(4, 20);
    const said = Array.from({ length: count }, () => random.pick(words)).join(" ");
    text += `Nov 20 23:10:05 worker-3 ${random.pick(PROGRAMS)}: ${said}\n`;
  }
  return text;
}

/** One kill's report; `number` makes its stamps another's. */
function report(number: number): string {
  return readFileSync(REPORT, "utf8").replace(/^(\d+,\d+,)(\d+)/gm, (_all, head, stamp) => {
    return `${head}${Number(stamp) + number * 100_000_000}`;
  });
}

interface Run {
  readonly seconds: number;
  /** Of the processor, of all threads: says more than the clock where others work, too. */
  readonly processorSeconds: number;
  readonly residentMegabytes: number;
  readonly kills: number;
}

/** The real command, with what it took; the most memory it had is asked of the kernel while it runs. */
async function explain(file: string): Promise<Run> {
  const started = performance.now();
  const child = spawn(COMMAND, ["explain", "--json", file], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let [kills, most, processorSeconds] = [0, 0, 0];
  child.stdout.on("data", (piece: Buffer) => {
    kills += piece.toString("latin1").split("\n").length - 1;
  });
  const watch = setInterval(() => {
    most = Math.max(most, peakOf(child.pid ?? 0));
    processorSeconds = Math.max(processorSeconds, cpuMillisecondsOf(child.pid ?? 0) / 1000);
  }, 10);
  await new Promise((done) => child.on("close", done));
  clearInterval(watch);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, processorSeconds, residentMegabytes: most, kills };
}

function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1000;
  } catch {
    return 0;
  }
}

function readSeconds(file: string): Promise<number> {
  const started = performance.now();
  const child = spawn("cat", [file], { stdio: "ignore" });
  return new Promise((done) => {
    child.on("close", () => done((performance.now() - started) / 1000));
  });
}

async function measure(name: string, file: string, bytes: number): Promise<void> {
  const runs: Run[] = [];
  for (let round = 0; round < ROUNDS; round++) runs.push(await explain(file));
  const seconds = median(runs.map((run) => run.seconds));
  say(`explain_${name}_speed`, bytes / 1e6 / seconds, "MB/s");
  say(`explain_${name}_time`, seconds, "s");
  const processorSeconds = median(runs.map((run) => run.processorSeconds));
  say(`explain_${name}_processor_time`, processorSeconds, "s");
  say(`explain_${name}_speed_of_processor`, bytes / 1e6 / processorSeconds, "MB/s");
  say(`explain_${name}_most_memory`, Math.max(...runs.map((run) => run.residentMegabytes)), "MB");
  say(`explain_${name}_kills`, runs[0]?.kills ?? Number.NaN, "found");
}

const directory = mkdtempSync(join(tmpdir(), "oomwitness-bench-"));
try {
  const block = noise(BLOCK_BYTES);
  const small = join(directory, "small.log");
  writeFileSync(small, block.slice(0, 1_000_000) + report(0));
  await measure("1_MB_of_noise", small, 1_000_000);

  const reports = join(directory, "reports.log");
  writeFileSync(reports, "");
  let dense = 0;
  for (let number = 0; dense < 50_000_000; number++) {
    const text = report(number);
    appendFileSync(reports, text);
    dense += text.length;
  }
  await measure("50_MB_of_reports", reports, dense);

  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize > 3e9) {
    const large = join(directory, "large.log");
    writeFileSync(large, "");
    for (let number = 0; number < 100; number++) appendFileSync(large, block + report(number));
    const bytes = 100 * (BLOCK_BYTES + report(0).length);
    say("cat_1_GB_speed", bytes / 1e6 / (await readSeconds(large)), "MB/s");
    await measure("1_GB_of_noise", large, bytes);
  } else say("explain_1_GB_of_noise", "skipped,", "3 GB of disk are needed");
} finally {
  rmSync(directory, { recursive: true });
}
