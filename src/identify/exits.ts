import type { RuntimeSourceName } from "../model/container.ts";
import type { ExitRecord, Verdict } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import {
  close,
  type Ending,
  type Entry,
  isClosed,
  STAMP_SLACK,
  type ToldExit,
  tellExit,
} from "./entry.ts";
import { isPerhapsDying, type KillSurroundings, ownKills, strayKills } from "./exit-kills.ts";
import { exitRecord } from "./exit-record.ts";
import { overAt } from "./identity.ts";
import type { Inventory } from "./inventory.ts";
import { isTold, type Run, runNear } from "./runs.ts";
import { isNear, verdictOf } from "./verdict.ts";

/** A kill is told within 2 s of its last evidence: the ledger then asks the counters. */
export const HOLD_MICROSECONDS = 2.5 * SECOND;
const LONGEST_HOLD_MICROSECONDS = 10 * SECOND;
const CONVERSION_MICROSECONDS = SECOND / 50;
const KILLED = 137;
/** Evidence that comes later than this after an end changes nothing that was said of it; a conclusion waits longer. */
const AMENDED_MICROSECONDS = 300 * SECOND;
/** A source that contradicts itself for ever is not listened to for ever. */
const REVISIONS = 20;

/** The order in which runtimes are believed when they disagree on an exit code. */
const BELIEVED: readonly RuntimeSourceName[] = ["docker", "cri", "podman", "containerd"];

export interface ExitSurroundings extends KillSurroundings {
  /** Ends before this (µs, monotonic) are history of which we told nothing. */
  readonly watchingSince: number;
  /** Wall clock less monotonic clock, µs. */
  readonly wallOffset: number;
  /** Up to then every kill that the kernel counted is recorded (µs, monotonic); `null` where nobody can tell. */
  readonly balancedUntil: number | null;
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

/** It is opened with this record. */
export function open({ inventory }: ExitSurroundings, entry: Entry, judged: Judged): ExitRecord {
  const { held } = judged;
  const known = (id: string) => entry.exits?.some((one) => one.id === id) === true;
  // Two ends within a millisecond, by a daemon that stamps them when it gets round to it.
  let { id } = judged.record;
  for (let more = 2; known(id); more++) id = `${judged.record.id}-${more}`;
  const record = { ...judged.record, id };
  markTold(inventory, entry, held);
  tellExit(entry, toldOf(record, held.end.wallMicroseconds, held.run.begin));
  return record;
}

function toldOf(record: ExitRecord, wallMicroseconds: number, begin: number | null): ToldExit {
  const { id, revision, exitCode, verdict, kills } = record;
  return { id, revision, wallMicroseconds, begin, exitCode, verdict, kills };
}

/** An exit that was told, as it is to be told again. */
export interface Amendment {
  readonly record: ExitRecord;
  readonly dueAt: number;
  readonly told: ToldExit;
}

/** Exits of this container of which something else is known now than was said, oldest first. */
export function amendments(around: ExitSurroundings, entry: Entry, now: number): Amendment[] {
  return (entry.exits ?? []).flatMap((told) => amendmentOf(around, entry, told, now) ?? []);
}

/** The amendment is told. */
export function amend(entry: Entry, { record, told }: Amendment): ExitRecord {
  tellExit(entry, { ...toldOf(record, told.wallMicroseconds, told.begin) });
  return record;
}

function amendmentOf(
  around: ExitSurroundings,
  entry: Entry,
  told: ToldExit,
  now: number,
): Amendment | null {
  const run = around.inventory
    .runs(entry)
    .find(({ endings }) => endings.some((one) => isOpening(one, told)));
  if (run === undefined || told.revision >= REVISIONS) return null;
  if (isForgotten(around, entry, run, told)) return null;
  const held = heldAgain(around.inventory, entry, run);
  const isLate = now - held.end.monotonicMicroseconds > AMENDED_MICROSECONDS;
  if (isLate && told.exitCode !== null) return null;
  const { record, dueAt } = judge(around, entry, held);
  if (!isNews(told, record)) return null;
  const { id, revision } = told;
  return { record: { ...record, id, revision: revision + 1 }, dueAt, told };
}

function isOpening({ told, at }: Ending, { wallMicroseconds }: ToldExit): boolean {
  return told && at.wallMicroseconds === wallMicroseconds;
}

/** Something on which the record was founded is no longer known: what is left would only take it back. */
function isForgotten(
  { inventory, kills }: ExitSurroundings,
  entry: Entry,
  run: Run,
  told: ToldExit,
): boolean {
  if (told.begin !== null && run.begin > told.begin + STAMP_SLACK) return true;
  if (entry.forgottenUntil !== undefined && inventory.runs(entry)[0] === run) return true;
  return told.kills.some((id) => kills.get(id) === undefined);
}

/** What is said by a source counts before what was concluded. */
function heldAgain(inventory: Inventory, entry: Entry, run: Run): Held {
  const real = run.endings.filter(isTold);
  const [first] = real.length > 0 ? real : run.endings;
  const heard = real.filter(({ source }) => source !== null).map(({ heardAt }) => heardAt);
  return {
    run,
    end: first?.at ?? NEVER,
    heardAt: heard.length > 0 ? Math.min(...heard) : 0,
    exitCode: codeOf(run.endings),
    oomReported: reportOf(inventory, entry, run),
    concluded: real.length === 0,
  };
}

const NEVER: Instant = {
  monotonicMicroseconds: 0,
  wallMicroseconds: 0,
  uncertaintyMicroseconds: 0,
};

/** Doubt that comes later takes no verdict back. */
function isNews(told: ToldExit, record: ExitRecord): boolean {
  if (record.exitCode !== null && record.exitCode !== told.exitCode) return true;
  if (record.exitCode !== told.exitCode) return false;
  if (record.verdict !== told.verdict) return record.verdict !== "unknown";
  const before = new Set(told.kills);
  return record.kills.length !== before.size || record.kills.some((id) => !before.has(id));
}

/** Never to be opened again, whoever else tells of it. */
function markTold(inventory: Inventory, entry: Entry, { run, end, concluded }: Held): void {
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
  // What an earlier process told.
  return endings.find(({ exitCode }) => exitCode !== null)?.exitCode ?? null;
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
  const balanced = (around.balancedUntil ?? 0) >= endedAt + CONVERSION_MICROSECONDS;
  const perhapsDying = exitCode === KILLED && isPerhapsDying(around, entry, held);
  const evidence = { exitCode, oomReported, end: endedAt, kills: own, strays, perhapsDying };
  const verdict = verdictOf({ ...evidence, balanced });
  const explained = verdict === "oom-killed" || verdict === "oom-unreported";
  const near = explained && !held.concluded;
  const listed = own.filter((one) => one.surely || (near && isNear(one, { end: endedAt })));
  const blamed = listed.length === 0 && explained ? strays : listed;
  const ids = blamed.map(({ kill }) => kill.id);
  return {
    record: exitRecord(around.inventory, entry, held, verdict, ids),
    held,
    dueAt: held.heardAt + holdOf(around, entry, held, { verdict, balanced }),
  };
}

function holdOf(
  { inventory, balancedUntil }: ExitSurroundings,
  entry: Entry,
  held: Held,
  { verdict, balanced }: { readonly verdict: Verdict; readonly balanced: boolean },
): number {
  const vague = held.concluded || verdict === "unknown" || entry.sources.length === 0;
  // A kill that only the counters know as yet may be the reason.
  const isOpen = held.exitCode === KILLED && verdict !== "oom-killed" && !balanced;
  const isUnread = isOpen && balancedUntil !== null;
  const more = vague || isUnread || isCountAwaited(inventory, entry, held.run);
  return more ? LONGEST_HOLD_MICROSECONDS : HOLD_MICROSECONDS;
}

/** Only the CRI counts the restarts of containerd's pods; on a busy machine it tells of a container when that is over. */
function isCountAwaited({ gaps }: Inventory, { facts, sources }: Entry, run: Run): boolean {
  if (facts.podUid === undefined || run.restarts !== null) return false;
  return gaps.isUp("cri") && !sources.includes("cri");
}
