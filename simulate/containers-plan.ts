import type { RuntimeSourceName } from "../src/model/container.ts";
import { SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import { BEGIN, END, MILLISECOND } from "./containers-world.ts";

export interface Window {
  readonly from: number;
  readonly to: number;
}

/** The trouble of one schedule; each seed has its own selection. */
export interface Plan {
  /** While a daemon is away its events are lost. */
  readonly outages: readonly (Window & { readonly source: RuntimeSourceName })[];
  /** The agent is killed and comes again. */
  readonly crashes: readonly Window[];
  /** An event may be late by so much (µs); a source that is slower is not up. */
  readonly late: number;
  /**
   * On a busy machine a daemon stamps a start, and tells of an end, so much after the one below it (µs): containerd after
   * the kernel, Docker after containerd. None makes the next life before it has told the one before.
   */
  readonly slow: number;
  readonly doubled: number;
  /** The daemon notices a kill. */
  readonly notices: number;
  /** systemd removes the scope before anybody reads it. */
  readonly scopeFirst: number;
  /** The daemon speaks of a kill where there was none. */
  readonly falseAlarm: number;
  /** The kernel's evidence has no cgroup, or no victim. */
  readonly vague: number;
  /** The daemon keeps a history and tells it again after a gap. */
  readonly replays: boolean;
  /** How far the clocks may be read apart (µs): a wall stamp is converted a little differently each time. */
  readonly jitter: number;
}

export const NAMES: readonly RuntimeSourceName[] = ["docker", "containerd", "cri", "podman"];

export function makePlan(random: Random): Plan {
  const calm = random.chance(0.4);
  const some = (value: number) => (random.chance(0.5) ? value : 0);
  return {
    outages: calm || random.chance(0.3) ? [] : outages(random),
    crashes: calm || random.chance(0.4) ? [] : crashes(random),
    late: some(random.int(1, 1_400)) * MILLISECOND,
    doubled: some(0.3),
    notices: random.pick([0, 0.7, 1]),
    scopeFirst: some(0.5),
    falseAlarm: some(0.05),
    vague: some(0.4),
    replays: random.chance(0.5),
    jitter: some(random.int(1, 40)),
    slow: random.chance(0.2) ? random.int(500, 8_000) * MILLISECOND : 0,
  };
}

function outages(random: Random): Plan["outages"] {
  return NAMES.flatMap((source) =>
    windows(random, random.int(0, 2), 12).map((one) => ({ source, ...one })),
  );
}

function crashes(random: Random): readonly Window[] {
  return windows(random, random.int(1, 4), 4);
}

/** So many times, each for at most so many seconds, one after the other. */
function windows(random: Random, many: number, seconds: number): Window[] {
  const part = (END - BEGIN - 20 * SECOND) / Math.max(1, many);
  return Array.from({ length: many }, (_, index) => {
    const from = BEGIN + 2 * SECOND + Math.floor(part * (index + random.fraction() * 0.4));
    const longest = Math.min(seconds * SECOND, part * 0.5);
    return { from, to: from + 10 * MILLISECOND + Math.floor(random.fraction() * longest) };
  });
}

export function isWithin(windows: readonly Window[], at: number): boolean {
  return windows.some(({ from, to }) => at >= from && at < to);
}
