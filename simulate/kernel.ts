import { SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import type { Clockwork } from "./clockwork.ts";
import {
  foreignText,
  forgedLine,
  groupLine,
  killedLine,
  kmsgLine,
  type LogText,
  markLine,
  reportLines,
  signalLine,
  skipLine,
  summaryLines,
} from "./kernel-text.ts";
import type { Cgroup, Incident, Phantom, TrueKill, Truth } from "./truth.ts";

/** How the log behaves on this machine. */
export interface LogTrouble {
  /** Another processor prints while summary lines are printed. */
  readonly cuts: boolean;
  /** Lines that look like kills, written by processes. */
  readonly forged: boolean;
  /** Records the ring holds. */
  readonly capacity: number;
  /** Chance that a flood overruns the ring after an incident. */
  readonly flood: number;
  /** The log's clock is ahead of CLOCK_MONOTONIC by so much, µs. */
  readonly skew: number;
}

export interface Counts {
  kills: number;
  groups: number;
}

interface Ring {
  /** Sequence of the first record kept. */
  first: number;
  readonly records: string[];
}

/** The rate limit of reports: 10 in 5 s on the whole host (facts 1.5). */
const REPORTS = 10;
const REPORTS_MICROSECONDS = 5 * SECOND;
/** Events a trace instance of 256 KiB holds, made small so that it overruns in a simulation. */
const TRACE_CAPACITY = 400;

/** The simulated kernel: makes happen what the truth says and keeps what the agent could read of it. */
export class SimulatedKernel {
  readonly truth: Truth;
  readonly log: Ring = { first: 1, records: [] };
  /** Unread lines of the trace instance and the number of those overwritten. */
  readonly trace: { lines: string[]; lost: number } = { lines: [], lost: 0 };
  nodeKills = 0;
  /** Called when something is there to be read. */
  onLog: () => void = () => {};
  onTrace: () => void = () => {};
  readonly #random: Random;
  readonly #clock: Clockwork;
  readonly #trouble: LogTrouble;
  readonly #local = new Map<Cgroup, Counts>();
  readonly #subtree = new Map<Cgroup, Counts>();
  readonly #processes = new Map<number, TrueKill>();
  readonly #watches = new Map<Cgroup, Set<() => void>>();
  #reportsSince = Number.NEGATIVE_INFINITY;
  #reports = 0;
  #suppressed = 0;

  constructor(truth: Truth, clock: Clockwork, random: Random, trouble: LogTrouble) {
    this.truth = truth;
    this.#clock = clock;
    this.#random = random;
    this.#trouble = trouble;
    for (const incident of truth.incidents) this.#plan(incident);
    for (const phantom of truth.phantoms) this.#planPhantom(phantom);
  }

  local(cgroup: Cgroup): Counts {
    return counts(this.#local, cgroup);
  }

  subtree(cgroup: Cgroup): Counts {
    return counts(this.#subtree, cgroup);
  }

  exists(cgroup: Cgroup): boolean {
    return cgroup.bornAt <= this.#clock.now && this.#clock.now < cgroup.goneAt;
  }

  /** The cgroup that has this path now. */
  find(path: string): Cgroup | undefined {
    return this.truth.cgroups.find((cgroup) => cgroup.path === path && this.exists(cgroup));
  }

  children(parent: Cgroup | null): Cgroup[] {
    return this.truth.cgroups.filter((cgroup) => cgroup.parent === parent && this.exists(cgroup));
  }

  /** The process with this thread id, as long as /proc shows it. */
  process(tid: number): TrueKill | undefined {
    return this.#processes.get(tid);
  }

  watch(cgroup: Cgroup, told: () => void): () => void {
    const watches = this.#watches.get(cgroup) ?? new Set();
    this.#watches.set(cgroup, watches);
    watches.add(told);
    return () => watches.delete(told);
  }

  get logEnd(): number {
    return this.log.first + this.log.records.length;
  }

  #at(time: number, happen: () => void): void {
    this.#clock.at(time, happen);
  }

  #plan(incident: Incident): void {
    const [first] = incident.kills;
    if (first === undefined) return;
    for (const kill of incident.kills) {
      this.#at(incident.at, () => this.#processes.set(kill.tid, kill));
      this.#at(kill.goneAt, () => this.#exit(kill));
    }
    this.#at(incident.at, () => this.#report(incident));
    for (const kill of incident.kills) {
      this.#at(kill.at, () => this.#kill(kill, incident));
    }
    if (incident.group === null) return;
    const { group } = incident;
    this.#at(first.at + 90, () => {
      this.#bookGroup(group);
      this.#print([groupLine(group.path)]);
    });
    const { repeatedAt } = first;
    if (repeatedAt === null) this.#at(first.at + 95, () => this.#print([skipLine(first)]));
    else this.#at(repeatedAt, () => this.#repeat(first, incident));
  }

  #exit(kill: TrueKill): void {
    if (this.#processes.get(kill.tid) === kill) this.#processes.delete(kill.tid);
  }

  #planPhantom(phantom: Phantom): void {
    const task = { pid: 77, comm: "hog" };
    this.#at(phantom.at, () =>
      this.#record([markLine(task, phantom.at, phantom, this.truth.kernel)]),
    );
  }

  #report(incident: Incident): void {
    if (!this.#mayReport()) return;
    const random = this.#random;
    const lines = reportLines(incident, this.truth.kernel);
    const mixed = lines.flatMap((line) => (random.chance(0.1) ? [foreign(random), line] : [line]));
    const suppressed: LogText[] =
      this.#suppressed === 0
        ? []
        : [
            {
              priority: 4,
              flags: "-",
              text: `oom_kill_process: ${this.#suppressed} callbacks suppressed`,
            },
          ];
    this.#suppressed = 0;
    this.#print([...suppressed, ...mixed, ...summaryLines(incident, random, this.#trouble.cuts)]);
  }

  #mayReport(): boolean {
    if (this.#clock.now - this.#reportsSince >= REPORTS_MICROSECONDS) {
      this.#reportsSince = this.#clock.now;
      this.#reports = 0;
    }
    this.#reports++;
    if (this.#reports <= REPORTS) return true;
    this.#suppressed++;
    return false;
  }

  #kill(kill: TrueKill, incident: Incident): void {
    const victim = { pid: kill.tid, comm: kill.comm };
    if (!kill.counted) {
      this.#record([signalLine(incident.trigger, kill.at, victim, "sharer")]);
      return;
    }
    this.#book(kill);
    this.#record([
      signalLine(incident.trigger, kill.at + 2, victim, "victim"),
      markLine(incident.trigger, kill.at + 14, kill, this.truth.kernel),
    ]);
    this.#print([killedLine(kill, incident)]);
    if (this.#random.chance(this.#trouble.flood)) this.#flood();
    if (this.#trouble.forged && this.#random.chance(0.3)) this.#print([forgedLine(this.#random)]);
  }

  #repeat(first: TrueKill, incident: Incident): void {
    const victim = { pid: first.tid, comm: first.comm };
    this.#book(first);
    this.#record([signalLine(incident.trigger, this.#clock.now + 2, victim, "victim")]);
    this.#print([killedLine(first, incident)]);
  }

  #book(kill: TrueKill): void {
    this.nodeKills++;
    this.local(kill.cgroup).kills++;
    for (let at: Cgroup | null = kill.cgroup; at !== null; at = at.parent) this.subtree(at).kills++;
    this.#notify(kill.cgroup);
  }

  #bookGroup(group: Cgroup): void {
    this.local(group).groups++;
    for (let at: Cgroup | null = group; at !== null; at = at.parent) this.subtree(at).groups++;
    this.#notify(group);
  }

  /** inotify on memory.events of a cgroup and all above it, a moment later. */
  #notify(cgroup: Cgroup): void {
    for (let at: Cgroup | null = cgroup; at !== null; at = at.parent) {
      for (const told of this.#watches.get(at) ?? []) {
        this.#at(this.#clock.now + this.#random.int(10, 10_000), told);
      }
    }
  }

  /** Half the machines let the agent write to their log. Drawn from nothing, so that seeds keep their worlds. */
  get writable(): boolean {
    return this.truth.incidents.length % 2 === 0;
  }

  /** What user space writes to /dev/kmsg. */
  write(text: string): void {
    const record = { priority: 14, flags: "-", text: text.replace(/^<6>|\n$/g, "") } as const;
    const stamp = Math.max(0, this.#clock.now + this.#trouble.skew);
    this.log.records.push(kmsgLine(record, this.logEnd, stamp));
    const excess = this.log.records.length - this.#trouble.capacity;
    if (excess > 0) this.#overwrite(excess);
    this.onLog();
  }

  #print(lines: readonly LogText[]): void {
    const { records } = this.log;
    let time = this.#clock.now + this.#trouble.skew;
    for (const line of lines) {
      // Stamps are taken before insertion, so another processor's may be older.
      const stamp = line.flags === "-" && line.priority > 3 ? time - this.#random.int(0, 3) : time;
      records.push(kmsgLine(line, this.logEnd, Math.max(0, stamp)));
      time += 2;
    }
    const excess = records.length - this.#trouble.capacity;
    if (excess > 0) this.#overwrite(excess);
    this.onLog();
  }

  /** So much is printed that everything before is overwritten. */
  #flood(): void {
    this.#overwrite(this.log.records.length);
    this.log.first += 1_000;
    this.#print([foreign(this.#random)]);
  }

  #overwrite(amount: number): void {
    this.log.records.splice(0, amount);
    this.log.first += amount;
  }

  #record(lines: readonly string[]): void {
    const { trace } = this;
    trace.lines.push(...lines);
    const excess = trace.lines.length - TRACE_CAPACITY;
    if (excess > 0) {
      trace.lines.splice(0, excess);
      trace.lost += excess;
    }
    this.onTrace();
  }
}

function foreign(random: Random): LogText {
  return { priority: random.pick([4, 6]), flags: "-", text: foreignText(random) };
}

function counts(map: Map<Cgroup, Counts>, cgroup: Cgroup): Counts {
  const known = map.get(cgroup);
  if (known !== undefined) return known;
  const made = { kills: 0, groups: 0 };
  map.set(cgroup, made);
  return made;
}
