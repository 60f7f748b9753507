import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { BUG_NAMES, plantBug } from "./bugs.ts";
import { check } from "./checkers.ts";
import { checkContainers } from "./containers-check.ts";
import { narrate } from "./containers-narrate.ts";
import { runContainers } from "./containers-run.ts";
import { type Progress, runLong } from "./long.ts";
import { sayTime, sayTruth } from "./narrate.ts";
import { type Outcome, runSchedule } from "./schedule.ts";

const PROGRESS_FILE = ".simulate-progress.json";
const USAGE = `Runs the real agent on a simulated machine and compares what it says with what happened.

  npm run simulate                       20,000 schedules from a random seed
  npm run simulate -- --seed N           one schedule, told step by step (--verbose adds every observation)
  npm run simulate -- --seed N --schedules K
  npm run simulate -- --schedules 1000000 [--workers 2]
                                         the long form: in parts; interrupted, the same command goes on
                                         (${PROGRESS_FILE} keeps what was done)
  npm run simulate -- --bug NAME         with a planted bug: ${BUG_NAMES.join(", ")}
  npm run simulate -- --containers --seed N
                                         one schedule of container runtimes, told step by step
  npm run simulate -- --containers --seed N --schedules 100000
                                         so many of them, one process; seeds that fail are printed
`;

const OPTIONS = {
  seed: { type: "string" },
  schedules: { type: "string" },
  workers: { type: "string" },
  bug: { type: "string" },
  containers: { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const seed = values.seed === undefined ? null : Number(values.seed);
  const schedules = Number(values.schedules ?? (values.seed === undefined ? 20_000 : 1));
  const bug = values.bug ?? null;
  const workers = Number(values.workers ?? availableParallelism());
  const known = bug === null || plantBug(bug) !== null;
  const numbers = [seed ?? 0, schedules, workers];
  const counts = numbers.every(Number.isSafeInteger) && schedules >= 1 && workers >= 1;
  if (values.help || !known || !counts) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const one = seed ?? Math.floor(Math.random() * 2 ** 40);
  if (values.containers && schedules > 1 && values.schedules !== undefined)
    return runManyContainers(one, schedules);
  if (values.containers) return tellContainers(one);
  return schedules === 1
    ? tellOne(one, bug, values.verbose)
    : runMany(seed, schedules, bug, workers);
}

function runManyContainers(seed: number, schedules: number): number {
  let wrong = 0;
  for (let ran = 0; ran < schedules; ran++) {
    const [problem] = checkContainers(runContainers(seed + ran));
    if (problem === undefined) continue;
    wrong++;
    print([`npm run simulate -- --containers --seed ${seed + ran}  # ${problem}`]);
  }
  print([`${schedules} schedules of container runtimes from seed ${seed}, ${wrong} wrong`]);
  return wrong === 0 ? 0 : 1;
}

function tellContainers(seed: number): number {
  const outcome = runContainers(seed);
  const problems = checkContainers(outcome);
  print(narrate(outcome));
  print(problems.length === 0 ? ["all is well"] : problems.map((problem) => `WRONG: ${problem}`));
  return problems.length === 0 ? 0 : 1;
}

function tellOne(seed: number, bug: string | null, verbose: boolean): number {
  const lines: { at: number; what: string }[] = [];
  const outcome = runSchedule(seed, bug === null ? null : plantBug(bug), (at, what) => {
    if (verbose || !what.startsWith("seen ") || isKill(what)) lines.push({ at, what });
  });
  const { problems, wrongGuesses } = check(outcome);
  const { truth } = outcome;
  const story = lines.map(({ at, what }) => `${sayTime(at, truth)} ${what}`);
  print([...sayTruth(truth), ...story, ...sayPlan(outcome)]);
  if (wrongGuesses > 0) print([`${wrongGuesses} inferred cgroups are wrong`]);
  print(problems.length === 0 ? ["all is well"] : problems.map((problem) => `WRONG: ${problem}`));
  return problems.length === 0 ? 0 : 1;
}

function isKill(what: string): boolean {
  return / (?:kill tid|group kill|node =)/.test(what);
}

function sayPlan({ plan, stalls, lost, summary, lives }: Outcome): string[] {
  return [
    `trouble: ${JSON.stringify(plan)}`,
    `stalls: ${JSON.stringify(stalls)}`,
    `lost: ${JSON.stringify(lost)}, lives: ${lives}`,
    `ledger: ${JSON.stringify(summary)}`,
  ];
}

/** In parts, whose results a file keeps: interrupted, the same command goes on. */
async function runMany(
  seed: number | null,
  schedules: number,
  bug: string | null,
  workers: number,
): Promise<number> {
  const told = ({ ran, failures }: Progress, perSecond: number) => {
    const rate = `${Math.round(perSecond)}/s`;
    process.stderr.write(`${ran} of ${schedules} schedules, ${failures.length} wrong, ${rate}\n`);
  };
  const task = { seed, schedules, bug };
  const progress = await runLong({ task, file: PROGRESS_FILE, workers, told });
  const { ran, kills, wrongGuesses, withoutCgroup, failures, seconds } = progress;
  const more = bug === null ? "" : ` --bug ${bug}`;
  for (const { seed: failed, problem } of failures) {
    print([`npm run simulate -- --seed ${failed}${more}  # ${problem}`]);
  }
  const rate = `${Math.round(ran / seconds)}/s`;
  const guesses = `${wrongGuesses} of ${kills} kills with a wrong inferred cgroup, ${withoutCgroup} with none`;
  print([
    `${ran} schedules from seed ${progress.seed}, ${failures.length} wrong, ${rate}, ${guesses}`,
  ]);
  return failures.length === 0 ? 0 : 1;
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

process.exitCode = await main();
