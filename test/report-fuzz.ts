/** Hostile texts made from a seed, and what must hold for every one of them. */
import { TextScanner } from "../src/cli/explain-scan.ts";
import type { ReportEvent } from "../src/model/report.ts";
import { ReportReader } from "../src/parse/report-reader.ts";
import { Random } from "../src/std/random.ts";
import { type RecordedLog, readText, recordedLogs } from "./report-reading.ts";
import { STYLES } from "./report-styles.ts";

const LOGS = recordedLogs();

/** Words of the grammar: put together in any order and number they are what a parser fears most. */
const WORDS = [
  "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
  " invoked oom-killer:",
  "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=x,pid=1,uid=0",
  ",oom_memcg=/",
  ",task_memcg=/",
  ",task=",
  "Task in /a killed as a result of limit of /b",
  " killed as a result of limit of ",
  "Memory cgroup out of memory: Killed process 12 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
  "Out of memory: Kill process 12 (x) score 1 or sacrifice child",
  "Killed process ",
  "Tasks in /a are going to be killed due to memory.oom.group set",
  "oom_reaper: reaped process 12 (x), now anon-rss:0kB",
  "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
  "[     12]     0    12      100      100    40960        0             0 x",
  "Memory cgroup stats for /a:",
  "memory: usage 20480kB, limit 20480kB, failcnt 23",
  "Node 0 DMA32 free:1636kB boost:0kB min:2636kB",
  "Node 0 DMA32: 1*4kB (M) 0*8kB = 4kB",
  "[  100.000001] ",
  "Nov 20 23:10:05 host kernel: ",
  "2026-11-20T23:10:05.123456789Z stdout P ",
  '{"log":"',
  '{"MESSAGE":["',
  '\\"',
  '","',
  "6,1,100000001,-;",
  "| ",
  "> ",
  "#012",
  "\\x0a",
  "\\n",
  "=3D",
  "=\n",
  "&lt;",
  "<br>",
  "\u001b[31m",
  "\r",
  "\0",
  "\t",
  " ",
  "    ",
  "(",
  ")",
  "[",
  "]",
  "<",
  ":",
  ",",
  "0",
  "99999999999999999999",
  "é",
  "\ud800",
  "\n",
];

/** The text of a seed. */
export function fuzzText(seed: number): string {
  const random = new Random(seed);
  const kind = random.int(0, 9);
  if (kind === 0) return repeated(random);
  if (kind === 1) return wordSalad(random);
  const text = [mutated(random), ...(kind === 2 ? [mutated(random)] : [])];
  return kind === 2 ? interleaved(random, text) : (text[0] ?? "");
}

/** One or a few words very often, in one line or in many: what costs quadratic time costs minutes here. */
function repeated(random: Random): string {
  const words = Array.from({ length: random.int(1, 3) }, () => random.pick(WORDS));
  const unit = words.join(random.pick(["", " ", "\n"]));
  const text = unit.repeat(Math.ceil(random.int(1_000, 200_000) / Math.max(1, unit.length)));
  return random.pick(WORDS) + text + random.pick(WORDS);
}

function wordSalad(random: Random): string {
  let text = "";
  const count = random.int(10, 2_000);
  for (let word = 0; word < count; word++) {
    text += random.pick(WORDS) + random.pick(["", "", " ", "\n"]);
  }
  return text;
}

function mutated(random: Random): string {
  const log: RecordedLog = random.pick(LOGS);
  let text = random.pick(STYLES).write(log.lines);
  const times = random.int(0, 30);
  for (let time = 0; time < times; time++) text = mutation(random, text);
  return text;
}

function mutation(random: Random, text: string): string {
  const at = random.int(0, text.length);
  const to = Math.min(text.length, at + random.int(0, random.int(0, 400)));
  switch (random.int(0, 5)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + random.pick(WORDS) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at, to) + text.slice(at);
    case 3:
      return text.slice(0, at) + String.fromCharCode(random.int(0, 0xff)) + text.slice(at + 1);
    case 4:
      return (
        text.slice(0, at) + text.slice(at, to).split("").toReversed().join("") + text.slice(to)
      );
    default:
      return text.slice(at, at + random.int(0, text.length));
  }
}

/** Two logs line by line into each other. */
function interleaved(random: Random, texts: readonly string[]): string {
  const queues = texts.map((text) => text.split("\n").toReversed());
  const lines: string[] = [];
  while (queues.some((queue) => queue.length > 0)) {
    const line = random.pick(queues).pop();
    if (line !== undefined) lines.push(line);
  }
  return lines.join("\n");
}

/** A hundred times what was measured (0.2 s a megabyte): a machine that is busy must not fail, quadratic time must. */
const SECONDS_A_CHARACTER = 10e-6;
const SECONDS_AT_LEAST = 5;

/** What is wrong with the reading of a text; empty when all is well. */
export function fuzzProblems(text: string, seed: number): readonly string[] {
  const started = process.cpuUsage();
  let events: readonly ReportEvent[];
  let scanned: readonly ReportEvent[];
  try {
    events = readText(text);
    scanned = scanText(text, new Random(seed));
  } catch (error) {
    return [
      `it throws: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    ];
  }
  const { user, system } = process.cpuUsage(started);
  const seconds = (user + system) / 1e6;
  const most = SECONDS_AT_LEAST + 2 * SECONDS_A_CHARACTER * text.length;
  return [
    ...(seconds > most ? [`${text.length} characters took ${seconds.toFixed(1)} s`] : []),
    ...invented(events, text),
    ...(sameKills(events, scanned) ? [] : ["read in pieces it tells other kills"]),
  ];
}

/** Every number of a victim stands in the text, perhaps broken at the place where its line is. */
function invented(events: readonly ReportEvent[], text: string): readonly string[] {
  const lines = text.split("\n");
  return events.flatMap((event) => {
    if (event.kind !== "report") return [];
    const strangers = event.report.kills.filter(({ victim, line }) => {
      if (victim.tid === null || text.includes(String(victim.tid))) return false;
      const near = lines.slice(Math.max(0, line - 1), line + 3).join("");
      return !near.replace(/\D/g, "").includes(String(victim.tid));
    });
    return strangers.map(({ victim }) => `nobody named ${victim.tid}`);
  });
}

/** The same text as `explain` reads it: in pieces that end anywhere, and passing over what says nothing. */
function scanText(text: string, random: Random): readonly ReportEvent[] {
  const scanner = new TextScanner(new ReportReader());
  const bytes = Buffer.from(text);
  const events: ReportEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = at + random.int(1, random.int(1, 100_000));
    events.push(...scanner.push(bytes.subarray(at, to)));
    at = to;
  }
  events.push(...scanner.end());
  return events;
}

function sameKills(left: readonly ReportEvent[], right: readonly ReportEvent[]): boolean {
  return JSON.stringify(left.map(key)) === JSON.stringify(right.map(key));
}

function key(event: ReportEvent): unknown {
  if (event.kind !== "report") return event.kind;
  const { lines, kills, outcome, tasks } = event.report;
  return [lines, outcome, tasks.length, kills.map(({ victim, line }) => [victim.tid, line])];
}
