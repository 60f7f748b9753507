import { LineDecoder, type LogLine } from "./report-decode.ts";
import { LineJoiner, type WholeLine } from "./report-joiner.ts";
import { type DecidingLine, parseDecidingLine } from "./report-line.ts";
import type { LogClock } from "./report-stamp.ts";

/** `newest-first`: a later line was written earlier. */
export type Order = "oldest-first" | "newest-first" | "unknown";

/** So many times the clock went back, and never forward. */
const FALLS = 3;
/** Victims remembered since the last header. */
const MAX_VICTIMS = 64;
/** Without a year a time is enough to compare with its neighbours: any year does. */
const SOME_DAY_MICROSECONDS = 4_102_444_800_000_000;

/** What the kernel prints first of one victim has the lowest step. */
const STEPS: Readonly<Partial<Record<DecidingLine["kind"], number>>> = {
  summary: 1,
  selection: 1,
  killed: 2,
  reaped: 3,
};

interface Moment {
  readonly wallMicroseconds: number | null;
  readonly uptimeSeconds: number | null;
}

/**
 * Which way a few lines around a report run: by their times, and where these are the same by what the kernel prints first,
 *
 *     X invoked oom-killer …  Mem-Info: …  oom-kill:…,pid=N  Killed process N  oom_reaper: reaped process N
 *
 * One time that goes forward outweighs everything: lines of several processors and machines are a little out of order.
 */
export class OrderEvidence {
  readonly #decoder: LineDecoder;
  readonly #joiner = new LineJoiner();
  /** The last time of each machine. */
  readonly #moments = new Map<string, Moment>();
  #rises = 0;
  #falls = 0;
  #content: Order = "unknown";
  /** The last step told of each victim. */
  readonly #steps = new Map<number, number>();
  #headerBefore = false;
  #summaryBefore = false;

  constructor(clock: LogClock) {
    const latestMicroseconds = clock.latestMicroseconds ?? SOME_DAY_MICROSECONDS;
    this.#decoder = new LineDecoder({ ...clock, latestMicroseconds });
  }

  get order(): Order {
    if (this.#rises > 0) return "oldest-first";
    if (this.#falls >= FALLS) return "newest-first";
    return this.#falls > 0 && this.#content === "oldest-first" ? "unknown" : this.#content;
  }

  /** The lines of a log that a line of the text is; evidence only once they are told to `take`. */
  decode(text: string, number: number): readonly LogLine[] {
    return this.#decoder.push(text, number);
  }

  take(line: LogLine): void {
    if (line.origin === "user") return;
    this.#moment(line);
    for (const whole of this.#joiner.push(line)) this.#whole(whole);
  }

  /** What waited for its other half is told as it is. */
  end(): void {
    for (const line of this.#joiner.end()) this.#whole(line);
  }

  #moment({ host, wallMicroseconds, uptimeSeconds }: LogLine): void {
    if (wallMicroseconds === null && uptimeSeconds === null) return;
    const machine = host ?? "";
    const before = this.#moments.get(machine);
    this.#moments.set(machine, { wallMicroseconds, uptimeSeconds });
    const step =
      before === undefined ? 0 : secondsBetween(before, { wallMicroseconds, uptimeSeconds });
    if (step > 0) this.#rises += 1;
    if (step < 0) this.#falls += 1;
  }

  #whole({ text, origin, prefixed }: WholeLine): void {
    if (origin === "user" || this.#content !== "unknown") return;
    const line = parseDecidingLine(text);
    // What somebody quotes bare has the order in which he tells it.
    if (line === null && prefixed) this.#detail(text);
    else if (line === null) return;
    else this.#deciding(line);
  }

  /** The table stands between a header and a summary. */
  #detail(text: string): void {
    if (!/^(?:\[ *pid *\]|memory: usage|Mem-[Ii]nfo:|CPU: \d|Pid: \d)/.test(text)) return;
    if (this.#headerBefore) this.#content = "oldest-first";
    else if (this.#summaryBefore && !/^[CP]/.test(text)) this.#content = "newest-first";
  }

  #deciding(line: DecidingLine): void {
    this.#headerBefore = line.kind === "header";
    this.#summaryBefore = /^(?:summary|selection|none-killable)$/.test(line.kind);
    if (line.kind === "header") this.#steps.clear();
    const step = STEPS[line.kind];
    const pid = victimOf(line);
    if (step === undefined || pid === null) return;
    const before = this.#steps.get(pid) ?? step;
    if (before !== step) this.#content = before > step ? "newest-first" : "oldest-first";
    if (this.#steps.size < MAX_VICTIMS) this.#steps.set(pid, step);
  }
}

function victimOf(line: DecidingLine): number | null {
  switch (line.kind) {
    case "killed":
    case "reaped":
      return line.tid;
    case "summary":
    case "selection":
      return line.pid;
    default:
      return null;
  }
}

/** A clock on the wall counts through a boot; its seconds are finer by the kernel's own stamp. */
export function secondsBetween(before: Moment, after: Moment): number {
  const wall =
    before.wallMicroseconds === null || after.wallMicroseconds === null
      ? 0
      : (after.wallMicroseconds - before.wallMicroseconds) / 1e6;
  if (wall !== 0) return wall;
  if (before.uptimeSeconds === null || after.uptimeSeconds === null) return 0;
  return after.uptimeSeconds - before.uptimeSeconds;
}
