import type { RuntimeSourceName } from "../model/container.ts";
import type { ExitRecord, Verdict } from "../model/record.ts";
import { formatInstant, type Instant, SECOND } from "../model/time.ts";
import { parseCgroupPath } from "./cgroup-path.ts";
import { close, type Ending, type Entry, isClosed, STAMP_SLACK } from "./entry.ts";
import { type KillSurroundings, ownKills, strayKills } from "./exit-kills.ts";
import { containerRecord, overAt, podRecord } from "./identity.ts";
import type { Inventory } from "./inventory.ts";
import type { Place } from "./locate.ts";
import { type Run, runNear } from "./runs.ts";
import { isNear, verdictOf } from "./verdict.ts";

/** A kill is told within 2 s of its last evidence: the ledger then asks the counters. */
export const HOLD_MICROSECONDS = 2.5 * SECOND;
const LONGEST_HOLD_MICROSECONDS = 10 * SECOND;
const CONVERSION_MICROSECONDS = SECOND / 50;
const KILLS_LISTED = 100;
const KILLED = 137;
/** Codes above 128 + this are no signals (SIGRTMAX). */
const LAST_SIGNAL = 64;

/** The order in which runtimes are believed when they disagree on an exit code. */
const BELIEVED: readonly RuntimeSourceName[] = ["docker", "cri", "podman", "containerd"];

export interface ExitSurroundings extends KillSurroundings {
  /** Ends before this (µs, monotonic) are history of which we told nothing. */
  readonly watchingSince: number;
  /** Wall clock less monotonic clock, µs. */
  readonly wallOffset: number;
}

/** An end of which nothing was told yet. */
interface Held {
  readonly run: Run;
  readonly end: Instant;
  readonly heardAt: number;
  readonly exitCode: number | null;
  readonly oomReported: boolean | null;
  /** Nobody told it: the container is gone or runs again. */
  readonly concluded: boolean;
}

export interface Judged {
  readonly record: ExitRecord;
  readonly held: Held;
  /** When it may be told: its kills have been told by then (µs, monotonic). */
  readonly dueAt: number;
}

/** The oldest exit of this container that has not been told; `null` when there is none. */
export function nextExit(around: ExitSurroundings, entry: Entry): Judged | null {
  for (const run of around.inventory.runs(entry)) {
    const held = heldOf(around, entry, run);
    if (held === null) continue;
    if (isHistory(around, held) || entry.sandbox) markTold(around.inventory, entry, held);
    else return judge(around, entry, held);
  }
  return null;
}

/** Never to be told again, whoever else tells of it. */
export function markTold(inventory: Inventory, entry: Entry, { run, end, concluded }: Held): void {
  if (!concluded) {
    const own = new Set(run.endings);
    inventory.rewriteEndings(
      entry,
      entry.endings.map((one) => (own.has(one) ? { ...one, told: true } : one)),
    );
    return;
  }
  close(entry, run);
  const { pid } = run;
  const how = { exitCode: null, oomReported: null, heardAt: run.heardAt, told: true };
  inventory.conclude(entry.id, { source: null, at: end, pid, ...how });
}

function isHistory({ watchingSince }: ExitSurroundings, { end }: Held): boolean {
  return end.monotonicMicroseconds < watchingSince - STAMP_SLACK;
}

function heldOf(around: ExitSurroundings, entry: Entry, run: Run): Held | null {
  const [first] = run.endings;
  if (first === undefined) return concludedOf(around, entry, run);
  if (run.endings.some(({ told }) => told)) return null;
  return {
    run,
    end: first.at,
    heardAt: Math.min(...run.endings.map(({ heardAt }) => heardAt)),
    exitCode: codeOf(run.endings),
    oomReported: reportOf(around.inventory, entry, run),
    concluded: false,
  };
}

/** A daemon was away while the container ended: that it did is certain, how is not known. */
function concludedOf(around: ExitSurroundings, entry: Entry, run: Run): Held | null {
  const over = overAt(around.inventory, entry, run);
  if (over === null || !Number.isFinite(over) || !run.seenAlive || isClosed(entry, run))
    return null;
  const runs = around.inventory.runs(entry);
  const next = runs[runs.indexOf(run) + 1];
  // A moment that is this life's and not the next one's, however its stamp is converted.
  const monotonicMicroseconds = Math.max(run.begin, over - CONVERSION_MICROSECONDS);
  return {
    run,
    end: {
      monotonicMicroseconds,
      wallMicroseconds: monotonicMicroseconds + around.wallOffset,
      uncertaintyMicroseconds: STAMP_SLACK,
    },
    heardAt: next?.heardAt ?? entry.heardAt,
    exitCode: null,
    oomReported: reportOf(around.inventory, entry, run),
    concluded: true,
  };
}

function codeOf(endings: readonly Ending[]): number | null {
  for (const source of BELIEVED) {
    const code = endings.find((one) => one.source === source && one.exitCode !== null)?.exitCode;
    if (code !== undefined && code !== null) return code;
  }
  return null;
}

/** What any runtime says of this life: one that noticed an OOM kill is believed before one that did not. */
function reportOf(inventory: Inventory, entry: Entry, run: Run): boolean | null {
  const runs = inventory.runs(entry);
  if (entry.reports.some((at) => runNear(runs, at) === run)) return true;
  const said = run.endings.map(({ oomReported }) => oomReported);
  if (said.includes(true)) return true;
  return said.includes(false) ? false : null;
}

function judge(around: ExitSurroundings, entry: Entry, held: Held): Judged {
  const { exitCode, oomReported, end } = held;
  const endedAt = end.monotonicMicroseconds;
  const own = ownKills(around, entry, held);
  const strays = exitCode === KILLED ? strayKills(around, entry, held) : [];
  const verdict = verdictOf({ exitCode, oomReported, end: endedAt, kills: own, strays });
  const explained = verdict === "oom-killed" || verdict === "oom-unreported";
  const near = explained && !held.concluded;
  const listed = own.filter((one) => one.surely || (near && isNear(one, { end: endedAt })));
  const blamed = listed.length === 0 && explained ? strays : listed;
  const ids = blamed.map(({ kill }) => kill.id);
  return {
    record: exitRecord(around, entry, held, verdict, ids),
    held,
    dueAt: held.heardAt + holdOf(around.inventory, entry, held, verdict),
  };
}

function holdOf(inventory: Inventory, entry: Entry, held: Held, verdict: Verdict): number {
  const vague = held.concluded || verdict === "unknown" || entry.sources.length === 0;
  const more = vague || isCountAwaited(inventory, entry, held.run);
  return more ? LONGEST_HOLD_MICROSECONDS : HOLD_MICROSECONDS;
}

/** Only the CRI counts the restarts of containerd's pods; on a busy machine it tells of a container when that is over. */
function isCountAwaited({ gaps }: Inventory, { facts, sources }: Entry, run: Run): boolean {
  if (facts.podUid === undefined || run.restarts !== null) return false;
  return gaps.isUp("cri") && !sources.includes("cri");
}

function exitRecord(
  { inventory }: ExitSurroundings,
  entry: Entry,
  { run, end, exitCode }: Held,
  verdict: Verdict,
  kills: readonly string[],
): ExitRecord {
  const place = placeOf(entry, run);
  const signal = exitCode === null ? 0 : exitCode - 128;
  return {
    type: "exit",
    at: formatInstant(end),
    container: containerRecord(place) ?? UNKNOWN(entry.id),
    pod: podRecord(inventory, place),
    exitCode,
    signal: signal >= 1 && signal <= LAST_SIGNAL ? signal : null,
    verdict,
    kills: kills.slice(-KILLS_LISTED),
  };
}

function UNKNOWN(id: string): ExitRecord["container"] {
  return { runtime: "unknown", id, name: null, image: null, imageId: null, restarts: null };
}

function placeOf(entry: Entry, run: Run): Place {
  const text = entry.facts.cgroupPath?.value ?? null;
  const path = text === null ? null : parseCgroupPath(text);
  return { path, containerId: entry.id, containerPath: text, entry, run };
}
