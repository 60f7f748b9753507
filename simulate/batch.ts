import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { plantBug } from "./bugs.ts";
import { check } from "./checkers.ts";
import { runSchedule } from "./schedule.ts";

/** Schedules with the seeds `first`, `first + step`, … */
export interface Batch {
  readonly first: number;
  readonly step: number;
  readonly schedules: number;
  /** A planted bug, or `null`. */
  readonly bug: string | null;
  /** Stop at so many failures. */
  readonly failures: number;
}

export interface Failure {
  readonly seed: number;
  readonly problems: readonly string[];
}

export interface BatchResult {
  readonly ran: number;
  readonly kills: number;
  /** Records with a wrong cgroup that were said to be inferred. */
  readonly wrongGuesses: number;
  readonly withoutCgroup: number;
  readonly failures: readonly Failure[];
}

const REPORT_EVERY = 500;
const REST_EVERY = 50;

function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function runBatch(
  batch: Batch,
  progress: (ran: number) => void,
): Promise<BatchResult> {
  const failures: Failure[] = [];
  let [ran, kills, guesses, open] = [0, 0, 0, 0];
  while (ran < batch.schedules && failures.length < batch.failures) {
    const seed = batch.first + ran * batch.step;
    const bug = batch.bug === null ? null : plantBug(batch.bug);
    const outcome = runSchedule(seed, bug, null);
    const { problems, wrongGuesses, withoutCgroup } = check(outcome);
    kills += outcome.truth.incidents.reduce((sum, { kills: some }) => sum + some.length, 0);
    guesses += wrongGuesses;
    open += withoutCgroup;
    if (problems.length > 0) failures.push({ seed, problems });
    ran++;
    // What the agent of this schedule left undone holds all of it until promises get their turn.
    if (ran % REST_EVERY === 0) await rest();
    if (ran % REPORT_EVERY === 0) progress(ran);
  }
  return { ran, kills, wrongGuesses: guesses, withoutCgroup: open, failures };
}

/** The same on several cores: each worker takes every `workers`-th seed. */
export async function runOnCores(
  batch: Batch,
  workers: number,
  progress: (ran: number) => void,
): Promise<BatchResult> {
  const done = Array.from({ length: workers }, () => 0);
  const parts = Array.from({ length: workers }, (_, index) =>
    runWorker(partOf(batch, index, workers), (ran) => {
      done[index] = ran;
      progress(done.reduce((sum, one) => sum + one, 0));
    }),
  );
  const results = await Promise.all(parts);
  return {
    ran: results.reduce((sum, { ran }) => sum + ran, 0),
    kills: results.reduce((sum, { kills }) => sum + kills, 0),
    wrongGuesses: results.reduce((sum, { wrongGuesses }) => sum + wrongGuesses, 0),
    withoutCgroup: results.reduce((sum, { withoutCgroup }) => sum + withoutCgroup, 0),
    failures: results.flatMap(({ failures }) => failures),
  };
}

function partOf(batch: Batch, index: number, workers: number): Batch {
  const schedules = Math.floor((batch.schedules + workers - 1 - index) / workers);
  return {
    ...batch,
    first: batch.first + index * batch.step,
    step: batch.step * workers,
    schedules,
  };
}

type Message = { readonly ran: number } | { readonly result: BatchResult };

function runWorker(batch: Batch, progress: (ran: number) => void): Promise<BatchResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: batch });
    worker.on("message", (message: Message) => {
      if ("ran" in message) progress(message.ran);
      else resolve(message.result);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a worker ended with status ${code}`)));
  });
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const batch: Batch = workerData;
  const tell = (message: Message) => port.postMessage(message);
  tell({ result: await runBatch(batch, (ran) => tell({ ran })) });
}
