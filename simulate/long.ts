import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type Batch, runOnCores } from "./batch.ts";

/** What a long run has behind it; in a file, so that it goes on where it was interrupted. */
export interface Progress {
  readonly seed: number;
  readonly schedules: number;
  readonly bug: string | null;
  readonly ran: number;
  readonly kills: number;
  readonly wrongGuesses: number;
  readonly withoutCgroup: number;
  /** Processor time is not known over several runs: seconds by the clock. */
  readonly seconds: number;
  readonly failures: readonly { readonly seed: number; readonly problem: string }[];
}

/** What is asked for. */
export type Task = Pick<Progress, "seed" | "schedules" | "bug">;

export interface LongRun {
  /** Seed not given: any that the file holds goes on. */
  readonly task: Omit<Task, "seed"> & { readonly seed: number | null };
  readonly file: string;
  readonly workers: number;
  /** Told after each part. */
  readonly told: (progress: Progress, perSecond: number) => void;
}

/** Schedules in one part: what an interruption loses, and what a worker's start is spread over. */
const PART = 5_000;
/** More failures than this say nothing new. */
const FAILURES_KEPT = 1_000;

/** Runs all schedules in parts, from where the file says; the file is gone when all have run. */
export async function runLong({ task, file, workers, told }: LongRun): Promise<Progress> {
  let progress = resume(task, file);
  while (progress.ran < progress.schedules && progress.failures.length < FAILURES_KEPT) {
    const part = partOf(progress, workers);
    const started = performance.now();
    const result = await runOnCores(part, workers, () => undefined);
    const seconds = (performance.now() - started) / 1000;
    progress = {
      ...progress,
      ran: progress.ran + result.ran,
      kills: progress.kills + result.kills,
      wrongGuesses: progress.wrongGuesses + result.wrongGuesses,
      withoutCgroup: progress.withoutCgroup + result.withoutCgroup,
      seconds: progress.seconds + seconds,
      failures: [
        ...progress.failures,
        ...result.failures.map(({ seed, problems }) => ({ seed, problem: problems[0] ?? "" })),
      ],
    };
    save(progress, file);
    told(progress, result.ran / seconds);
  }
  rmSync(file, { force: true });
  return progress;
}

function partOf({ seed, schedules, bug, ran }: Progress, workers: number): Batch {
  const amount = Math.min(PART * workers, schedules - ran);
  return { first: seed + ran, step: 1, schedules: amount, bug, failures: FAILURES_KEPT };
}

function resume(task: LongRun["task"], file: string): Progress {
  const kept = read(file);
  const same =
    kept !== null &&
    kept.schedules === task.schedules &&
    kept.bug === task.bug &&
    (task.seed === null || task.seed === kept.seed);
  if (same) return kept;
  const seed = task.seed ?? Math.floor(Math.random() * 2 ** 40);
  const none = { ran: 0, kills: 0, wrongGuesses: 0, withoutCgroup: 0, seconds: 0, failures: [] };
  return { ...task, ...none, seed };
}

function read(file: string): Progress | null {
  if (!existsSync(file)) return null;
  try {
    const progress: Progress = JSON.parse(readFileSync(file, "utf8"));
    return Number.isSafeInteger(progress.ran) ? progress : null;
  } catch {
    return null;
  }
}

function save(progress: Progress, file: string): void {
  writeFileSync(`${file}.new`, JSON.stringify(progress));
  renameSync(`${file}.new`, file);
}
