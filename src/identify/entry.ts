import type { ContainerFacts, ExitObservation, RuntimeSourceName } from "../model/container.ts";
import type { Verdict } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import type { Facts } from "./facts.ts";

/** Somebody said that the main process of a container ran. */
export interface Start {
  /** Who said it; earlier versions did not keep that. */
  readonly source?: RuntimeSourceName;
  readonly pid: number | null;
  /** µs, monotonic. */
  readonly startedAt: number | null;
  /** The same by the runtime's own clock (wall µs), which it repeats to the digit; conversions of it differ. */
  readonly startedWall: number | null;
  /** First and last moment (µs, monotonic) at which this was said; the process lived then when `pid` is known. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly restarts: number | null;
  /** Our clock when we heard of it first (µs, monotonic). */
  readonly heardAt: number;
}

/** Somebody said that the main process ended; `source` is `null` when nobody did and it must have. */
export interface Ending {
  readonly source: RuntimeSourceName | null;
  readonly at: Instant;
  readonly exitCode: number | null;
  readonly pid: number | null;
  readonly oomReported: boolean | null;
  readonly heardAt: number;
  /** An exit record was told for it. */
  readonly told: boolean;
}

/** Whether a source has the container, and since when (µs, monotonic) we know. */
export interface Presence {
  readonly present: boolean;
  readonly at: number;
}

/** An exit that was told, and what was said of it. */
export interface ToldExit {
  readonly id: string;
  readonly revision: number;
  /** The end with which it was opened (wall µs), as in the ending that is marked as told. */
  readonly wallMicroseconds: number;
  /** When the life had begun, as far as was known then (µs, monotonic); `null`: an earlier process told it. */
  readonly begin: number | null;
  readonly exitCode: number | null;
  readonly verdict: Verdict;
  readonly kills: readonly string[];
}

interface Life {
  readonly pid: number | null;
  /** µs, monotonic. */
  readonly begin: number;
}

interface Named {
  readonly pid: number | null;
  readonly at: number;
}

/** All that was said about one container, as plain data: sets that may be told in any order and any number of times. */
export interface Entry {
  readonly id: string;
  /** The user whose daemon told of it; absent: the machine's own did. */
  readonly owner?: number;
  readonly facts: Facts;
  starts: readonly Start[];
  endings: readonly Ending[];
  /** What was told of its ends, the oldest first; earlier versions did not keep it. */
  exits?: readonly ToldExit[];
  /** Starts and ends up to then were forgotten, as there were too many (µs, monotonic). */
  forgottenUntil?: number;
  /** Lives of which it was told that they must be over; so that contradictory words lead to no second telling. */
  closed: readonly Life[];
  /** Moments (µs, monotonic) at which a runtime reported an OOM kill in it. */
  reports: readonly number[];
  readonly presence: { [Name in RuntimeSourceName]?: Presence };
  /** Which main process each source named last, and when (µs, monotonic); `null`: it named none. */
  readonly named: { [Name in RuntimeSourceName]?: Named };
  /** The sources that described it. */
  sources: readonly RuntimeSourceName[];
  /** When each of them did so first (µs, monotonic). */
  readonly describedAt: { [Name in RuntimeSourceName]?: number };
  sandbox: boolean;
  /** When the last word about it was heard, by our clock (µs, monotonic). */
  heardAt: number;
}

export function newEntry(id: string, owner: number | undefined): Entry {
  return {
    id,
    ...(owner !== undefined && { owner }),
    facts: {},
    starts: [],
    endings: [],
    closed: [],
    reports: [],
    presence: {},
    named: {},
    sources: [],
    describedAt: {},
    sandbox: false,
    heardAt: 0,
  };
}

/** A container restarted in a loop has many runs; the latest matter. */
const STARTS_KEPT = 64;
const ENDINGS_KEPT = 64;
const REPORTS_KEPT = 64;
const EXITS_KEPT = 32;

/** True when it says something new. */
export function addStart(
  entry: Entry,
  said: ContainerFacts,
  { source, at, heardAt }: Pick<Start, "heardAt"> & { source: RuntimeSourceName; at: number },
): boolean {
  if (said.mainPid === null && said.startedAt === null) return false;
  const start: Start = {
    source,
    pid: said.mainPid,
    startedAt: said.startedAt?.monotonicMicroseconds ?? null,
    startedWall: said.startedAt?.wallMicroseconds ?? null,
    firstSeen: at,
    lastSeen: at,
    restarts: said.restarts,
    heardAt,
  };
  const same = (one: Start) =>
    one.pid === start.pid && one.startedWall === start.startedWall && one.source === source;
  const known = entry.starts.find(same);
  const merged = known === undefined ? start : mergeStarts(known, start);
  const others = entry.starts.filter((one) => !same(one));
  const starts = [...others, merged];
  entry.starts = newest(starts, startTime, STARTS_KEPT);
  if (starts.length > STARTS_KEPT) forget(entry, starts[0], startTime);
  // That it still lives is news only to kills which wait for it, and those look by themselves.
  return known === undefined || known.restarts !== merged.restarts;
}

function mergeStarts(one: Start, other: Start): Start {
  return {
    ...one,
    firstSeen: Math.min(one.firstSeen, other.firstSeen),
    lastSeen: Math.max(one.lastSeen, other.lastSeen),
    restarts: smaller(one.restarts, other.restarts),
    heardAt: Math.min(one.heardAt, other.heardAt),
  };
}

/** Docker counts a restart before it starts again, while it still tells the run before: the smaller count is this run's. */
export function smaller(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

export function startTime({ startedAt, firstSeen }: Start): number {
  return startedAt ?? firstSeen;
}

/** True when it is new. */
export function addExit(entry: Entry, exit: ExitObservation, heardAt: number): boolean {
  const ending: Ending = {
    source: exit.source,
    at: exit.at,
    exitCode: exit.exitCode,
    pid: exit.mainPid,
    oomReported: exit.oomReported,
    heardAt,
    told: false,
  };
  return addEnding(entry, ending);
}

/** A stamp of the wall clock is the same moment, however often it was converted. True when it is new. */
export function addEnding(entry: Entry, said: Ending): boolean {
  const twins = entry.endings.filter(({ at }) => at.wallMicroseconds === said.at.wallMicroseconds);
  const ending = { ...said, at: twins[0]?.at ?? said.at };
  const known = twins.some(
    (one) =>
      one.source === ending.source &&
      one.pid === ending.pid &&
      one.exitCode === ending.exitCode &&
      one.oomReported === ending.oomReported &&
      (one.told || !ending.told),
  );
  if (known) return false;
  const all = [...entry.endings, ending];
  entry.endings = newest(all, endTime, ENDINGS_KEPT);
  if (all.length > ENDINGS_KEPT) {
    forget(entry, all[0], endTime);
    forgetStartsBefore(entry, entry.endings[0]);
  }
  return true;
}

function forget<Item>(entry: Entry, item: Item | undefined, time: (item: Item) => number): void {
  if (item === undefined) return;
  entry.forgottenUntil = Math.max(entry.forgottenUntil ?? time(item), time(item));
}

/** A life whose end was forgotten would seem to have had none. */
function forgetStartsBefore(entry: Entry, oldest: Ending | undefined): void {
  if (oldest === undefined) return;
  entry.starts = entry.starts.filter((start) => startTime(start) >= endTime(oldest));
}

export function endTime({ at }: Ending): number {
  return at.monotonicMicroseconds;
}

export function addReport(entry: Entry, at: number): boolean {
  if (entry.reports.includes(at)) return false;
  entry.reports = newest([...entry.reports, at], (moment) => moment, REPORTS_KEPT);
  return true;
}

function newest<Item>(items: Item[], time: (item: Item) => number, kept: number): Item[] {
  return items.sort((one, other) => time(one) - time(other)).slice(-kept);
}

/** When it went, by every source that ever had it (µs, monotonic); `null` while one has it or none ever told of it. */
export function goneAt({ presence }: Entry): number | null {
  const all = Object.values(presence);
  if (all.length === 0 || all.some(({ present }) => present)) return null;
  return Math.max(...all.map(({ at }) => at));
}

/** Stamps of two sources for the same moment in a container's life differ by this on a machine that is not busy. */
export const STAMP_SLACK = SECOND;
/**
 * On a busy machine a daemon stamps what it does later than the one below it. More than a second was seen of Docker and
 * containerd; how late it can be was not measured. This is a bound that we chose.
 */
export const LATE_STAMP = 15 * SECOND;

/** The source describes the container: with which main process, or without. */
export function nameMain(entry: Entry, source: RuntimeSourceName, said: Named): void {
  const known = entry.named[source];
  const newer = known === undefined || said.at > known.at;
  if (newer || (said.at === known.at && known.pid === null)) entry.named[source] = said;
}

export function close(entry: Entry, { pid, begin }: Life): void {
  entry.closed = newest([...entry.closed, { pid, begin }], (life) => life.begin, ENDINGS_KEPT);
}

/** Remembers what was told of an end: opened, or amended under the same id. */
export function tellExit(entry: Entry, told: ToldExit): void {
  const others = (entry.exits ?? []).filter(({ id }) => id !== told.id);
  entry.exits = newest([...others, told], (one) => one.wallMicroseconds, EXITS_KEPT);
}

export function isClosed({ closed }: Entry, { pid, begin }: Life): boolean {
  return closed.some((life) => life.pid === pid && Math.abs(life.begin - begin) <= STAMP_SLACK);
}
