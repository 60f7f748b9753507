import { SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import type { DiskMoment } from "./host.ts";
import type { LogTrouble } from "./kernel.ts";
import type { Truth } from "./truth.ts";

/** What goes wrong between the kernel and the records in one schedule. Times and delays in µs. */
export interface Plan {
  readonly log: LogTrouble;
  /** Sources that exist on this machine. */
  readonly sources: { readonly log: boolean; readonly trace: boolean; readonly cgroup: boolean };
  /** A reading of the log or the trace is late by up to so much. */
  readonly logDelay: number;
  readonly traceDelay: number;
  /** Evidence is on its way for up to so much after it was read; each piece for itself. */
  readonly emitDelay: number;
  readonly timerDelay: number;
  /** Chance that a piece of evidence is handed over again, up to two seconds later. */
  readonly doubles: number;
  /** Chance that /proc/PID cannot be read. */
  readonly procFails: number;
  readonly outages: readonly Outage[];
  readonly wallSteps: readonly { readonly at: number; readonly by: number }[];
  readonly crashes: readonly Crash[];
}

export interface Outage {
  readonly source: "log" | "trace";
  readonly from: number;
  readonly to: number;
}

export interface Crash {
  /** The process dies then, or at the next such moment after it. */
  readonly at: number;
  readonly moment: DiskMoment | "now";
  readonly downFor: number;
}

/** Evidence must be there before a counter's word alone makes a record: the ledger settles after 2 s. */
const LATEST = 1_500_000;

/** Draws the troubles of one schedule: about half of the kinds are off in each. */
export function makePlan(random: Random, truth: Truth): Plan {
  const on = (probability = 0.5) => random.chance(probability);
  const slow = () => (on() ? random.pick([500, 20_000, 200_000, LATEST / 3]) : 0);
  const sources = { log: on(0.9), trace: on(0.85), cgroup: on(0.9) };
  return {
    log: {
      cuts: on(),
      forged: on(0.3),
      capacity: on(0.3) ? random.int(40, 200) : 5_000,
      flood: on(0.2) ? 0.15 : 0,
      skew: on() ? random.int(-800_000, 800_000) : 0,
    },
    sources,
    logDelay: Math.max(2_000, slow()),
    traceDelay: Math.max(300, slow()),
    emitDelay: on(0.3) ? slow() : 0,
    timerDelay: on(0.3) ? random.int(1_000, 50_000) : 100,
    doubles: on(0.3) ? 0.3 : 0,
    procFails: on(0.3) ? random.pick([0.1, 0.5, 1]) : 0,
    outages: on(0.25) ? makeOutages(random, truth) : [],
    wallSteps: on(0.2) ? makeSteps(random, truth) : [],
    crashes: on(0.5) ? makeCrashes(random, truth) : [],
  };
}

function anyTime(random: Random, truth: Truth): number {
  return random.int(truth.startsAt + 1, Math.max(truth.startsAt + 1, truth.endsAt));
}

function makeOutages(random: Random, truth: Truth): Outage[] {
  return Array.from({ length: random.int(1, 2) }, () => {
    const from = anyTime(random, truth);
    const source = random.pick(["log", "trace"] as const);
    // The log's clock is known by records that are read in time: one that never is cannot be dated.
    const longest = source === "log" ? LATEST / 3 : 6 * SECOND;
    return { source, from, to: from + random.int(10_000, longest) };
  });
}

function makeSteps(random: Random, truth: Truth): Plan["wallSteps"] {
  const hour = 3600 * SECOND;
  const steps = Array.from({ length: random.int(1, 2) }, () => ({
    at: anyTime(random, truth),
    by: random.int(-5 * hour, 5 * hour),
  }));
  return steps.sort((left, right) => left.at - right.at);
}

/** Mostly just after something happened, when there is most to lose. */
function makeCrashes(random: Random, truth: Truth): Crash[] {
  const moments = [
    "now",
    "now",
    "before-append",
    "after-append",
    "before-replace",
    "after-replace",
  ];
  return Array.from({ length: random.int(1, 3) }, () => {
    const incident = random.pick(truth.incidents);
    const near = incident.at + random.int(0, random.pick([5_000, 100_000, 3 * SECOND]));
    const at = Math.max(truth.startsAt + 1, random.chance(0.7) ? near : anyTime(random, truth));
    const moment = random.pick(moments) as Crash["moment"];
    return {
      at,
      moment,
      downFor: random.int(1_000, random.pick([100_000, 2 * SECOND, 8 * SECOND])),
    };
  });
}
