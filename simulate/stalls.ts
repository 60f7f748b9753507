import { SECOND } from "../src/model/time.ts";
import { Random } from "../src/std/random.ts";
import type { Outage } from "./plan.ts";
import type { Truth } from "./truth.ts";

/** Troubles of a machine that has no time for the agent: it is stopped, its readers stall, it starts in a storm. */
export interface Stalls {
  /** The agent is stopped (SIGSTOP); the kernel goes on. */
  readonly stops: readonly Span[];
  /** A reader gets no processor for seconds. */
  readonly stalls: readonly Outage[];
  /** Records of the log in one reading: a backlog comes in pieces. */
  readonly logChunk: number;
  /** The log's stamps are wrong by so much beyond what they claim, µs. */
  readonly clockLie: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

const NONE: Stalls = {
  stops: [],
  stalls: [],
  logChunk: Number.POSITIVE_INFINITY,
  clockLie: 0,
};

/** One schedule in so many has stalls; the others are what their seeds were before there were any. */
const EVERY = 0.3;
/** Drawn apart from everything else, so that a seed without stalls keeps its schedule. */
const STREAM = 0x57a11;

export class StallPlan {
  /** The agent starts in the middle of many kills. */
  readonly storm: boolean;
  readonly #random: Random;
  readonly #on: boolean;

  constructor(seed: number) {
    this.#random = new Random(seed + STREAM);
    this.#on = this.#random.chance(EVERY);
    this.storm = this.#on && this.#random.chance(0.15);
  }

  make(truth: Truth): Stalls {
    const random = this.#random;
    if (!this.#on) return NONE;
    return {
      stops: random.chance(0.5) ? several(random, truth).map((from) => span(random, from)) : [],
      stalls: random.chance(0.5) ? makeStalls(random, truth) : [],
      logChunk: random.chance(0.5) ? random.int(5, 200) : Number.POSITIVE_INFINITY,
      clockLie: random.chance(0.3) ? random.int(-2 * SECOND, 6 * SECOND) : 0,
    };
  }
}

function makeStalls(random: Random, truth: Truth): Outage[] {
  return several(random, truth).map((from) => ({
    source: random.chance(0.7) ? "log" : "trace",
    ...span(random, from),
  }));
}

function span(random: Random, from: number): Span {
  const longest = random.pick([100_000, SECOND, 2 * SECOND, 4 * SECOND, 6 * SECOND]);
  return { from, to: from + random.int(10_000, longest) };
}

/** Half of them just after the start, when the backlog is read; the others anywhere. */
function several(random: Random, { startsAt, endsAt }: Truth): number[] {
  return Array.from({ length: random.int(1, 2) }, () => {
    const latest = Math.max(startsAt + 1, random.chance(0.5) ? startsAt + 300_000 : endsAt);
    return random.int(startsAt + 1, latest);
  });
}
