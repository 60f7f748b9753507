import { type Instant, SECOND } from "../model/time.ts";
import {
  type Ending,
  type Entry,
  endTime,
  LATE_STAMP,
  STAMP_SLACK,
  type Start,
  smaller,
  startTime,
} from "./entry.ts";
import { isStampedAtEnd } from "./late-stamps.ts";

/** One life of a container's main process. Times are µs, monotonic. */
export interface Run {
  readonly pid: number | null;
  /** When it began, as near as is known; -Infinity for the first when nobody said. */
  readonly from: number;
  /** When it began, or was first seen. */
  readonly begin: number;
  /** From when on it was surely this life: before, there may have been others of which nobody told. */
  readonly since: number;
  /** Somebody saw it alive: a runtime may also name the start of a life that is long over. */
  readonly seenAlive: boolean;
  /** When somebody last said that it lived. */
  readonly lastAlive: number;
  readonly restarts: number | null;
  /** All that was said of its end, the earliest first; empty while it lives or when nobody noticed. */
  readonly endings: readonly Ending[];
  /** When it ended, or the latest moment at which it can have ended when nobody said (`endTold` is false). */
  readonly end: number | null;
  readonly endTold: boolean;
  /** The end was told of this life, not only of the container. */
  readonly endIsOwn: boolean;
  /** Our clock when we first heard of it. */
  readonly heardAt: number;
}

interface Draft {
  pid: number | null;
  /** The pid that its start was told with. */
  readonly startPid: number | null;
  startedAt: number | null;
  firstSeen: number;
  lastAlive: number;
  /** When somebody last said that this is the latest life, whether it lives or not. */
  lastNamed: number;
  restarts: number | null;
  heardAt: number;
  readonly starts: Start[];
  readonly endings: Ending[];
}

/** What the word of a second source for a known end counts as, in µs of misfit. */
const TOLD_LATE = 50_000;
/** One daemon's stamps of one start differ by less than this: a bound that we chose, not a measured one. */
const OWN_STAMP = 3 * SECOND;
/** No process id comes again within this: the kernel takes each of at least 32,768 before. */
const SAME_PID = 60 * SECOND;

/**
 * The lives of a container, oldest first: a function of what was said, not of the order in which it was said. A main pid
 * is one life; statements without a pid join the life that they fit best.
 */
export function runsOf(entry: Entry): readonly Run[] {
  const drafts: Draft[] = [];
  const starts = entry.starts.toSorted((one, other) => startTime(one) - startTime(other));
  for (const start of starts.filter(({ pid }) => pid !== null)) joinStart(drafts, start, entry);
  for (const start of starts.filter(({ pid }) => pid === null)) joinStart(drafts, start, entry);
  const endings = entry.endings.toSorted(compareEndings);
  for (const ending of endings.filter(({ pid }) => pid !== null)) joinEnding(drafts, ending, entry);
  drafts.sort(compareDrafts);
  for (const ending of endings.filter(({ pid }) => pid === null)) {
    const [only] = drafts;
    // A daemon that was away stamps the end with its own return.
    if (only !== undefined && drafts.length === 1 && isStartedOnce(entry))
      only.endings.push(ending);
    else joinNameless(drafts, ending);
    drafts.sort(compareDrafts);
  }
  return finish(drafts, isStartedOnce(entry));
}

/** The kubelet starts a container once; instead of starting it again it makes another. */
function isStartedOnce({ facts }: Entry): boolean {
  return facts.podUid !== undefined;
}

function compareEndings(one: Ending, other: Ending): number {
  return endTime(one) - endTime(other) || (String(one.source) < String(other.source) ? -1 : 1);
}

function joinStart(drafts: Draft[], start: Start, entry: Entry): void {
  const draft = bestOf(drafts, (one) => startMisfit(one, start, entry));
  if (draft === null) {
    if (isStampedAtEnd(start, entry)) return;
    const { pid, startedAt, firstSeen, restarts, heardAt } = start;
    const lastNamed = start.lastSeen;
    const lastAlive = pid === null ? Number.NEGATIVE_INFINITY : lastNamed;
    const seen = { firstSeen, lastAlive, lastNamed };
    const said = { starts: [start], endings: [] };
    drafts.push({ pid, startPid: pid, startedAt, ...seen, restarts, heardAt, ...said });
    return;
  }
  draft.starts.push(start);
  draft.lastNamed = Math.max(draft.lastNamed, start.lastSeen);
  draft.startedAt = smaller(draft.startedAt, start.startedAt);
  draft.firstSeen = Math.min(draft.firstSeen, start.firstSeen);
  draft.heardAt = Math.min(draft.heardAt, start.heardAt);
  if (start.pid === null) {
    // Told after the run: by then Docker may have counted the next restart.
    draft.restarts ??= start.restarts;
    return;
  }
  draft.restarts = smaller(draft.restarts, start.restarts);
  draft.lastAlive = Math.max(draft.lastAlive, start.lastSeen);
}

/** The draft that fits best, and of those that fit as well the latest; `null` when none fits. */
function bestOf(drafts: readonly Draft[], misfit: (draft: Draft, index: number) => number) {
  let best: Draft | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, draft] of drafts.entries()) {
    const off = misfit(draft, index);
    if (off > least || off === Number.POSITIVE_INFINITY) continue;
    best = draft;
    least = off;
  }
  return best;
}

const NEVER = Number.POSITIVE_INFINITY;

/** µs by which a start lies off this life; infinite when it cannot be of it. */
function startMisfit(draft: Draft, start: Start, entry: Entry): number {
  const { pid, startedAt } = start;
  if (pid !== null && draft.pid !== pid) return NEVER;
  if (isStartedOnce(entry)) return 0;
  if (pid === null) return namelessMisfit(draft, start, entry);
  if (draft.startedAt === null || startedAt === null) return 0;
  const off = Math.abs(draft.startedAt - startedAt);
  return off <= SAME_PID ? off : NEVER;
}

/**
 * Daemons stamp a start when they get round to it, and the one above makes no new life before it has stamped the one before:
 * a late stamp is of the latest life that had begun.
 */
function namelessMisfit(draft: Draft, start: Start, { endings }: Entry): number {
  const at = startTime(start);
  const begin = beginOf(draft);
  // From its start until it is named as the latest there was no other.
  const isNamed = at <= draft.firstSeen && draft.firstSeen <= start.lastSeen;
  if (draft.startedAt === null && isNamed) return 0;
  if (at < begin) {
    const isBetween = (one: Ending) => isEndSince(one, start) && endTime(one) <= begin;
    return begin - at <= STAMP_SLACK && !endings.some(isBetween) ? begin - at : NEVER;
  }
  // What ended between by this source's own word was the life before; it stamps one start only a little differently.
  const isBefore = (one: Ending) => endTime(one) >= begin && !isEndSince(one, start);
  const own = endings.filter(({ source }) => source === (start.source ?? null));
  if (at - begin > LATE_STAMP || own.some(isBefore)) return NEVER;
  const again = draft.starts.filter((one) => one.source === start.source && one.startedAt !== null);
  return again.every((one) => at - startTime(one) <= OWN_STAMP) ? at - begin : NEVER;
}

/** Whether an end was not before a start; stamps of one source are held against each other as it gave them. */
function isEndSince(ending: Ending, start: Start): boolean {
  const { startedWall, source } = start;
  if (ending.source !== source || startedWall === null) return endTime(ending) >= startTime(start);
  return ending.at.wallMicroseconds >= startedWall;
}

/** The latest life of that pid that had begun; one whose pid nobody knew; or one that nobody told of. */
function joinEnding(drafts: Draft[], ending: Ending, { endings }: Entry): void {
  const at = endTime(ending);
  const same = drafts.filter(({ pid }) => pid === ending.pid).sort(compareDrafts);
  const begun = same.filter((draft) => beginOf(draft) <= at + STAMP_SLACK);
  const late = same.find((draft) => beginOf(draft) <= at + LATE_STAMP);
  const wasOn = (one: Draft) =>
    beginOf(one) <= at + STAMP_SLACK &&
    !endings.some((other) => endTime(other) >= beginOf(one) && endTime(other) < at - STAMP_SLACK);
  const nameless = () => drafts.filter((one) => one.pid === null && wasOn(one)).at(-1);
  const draft = begun.at(-1) ?? late ?? nameless() ?? lateNameless(drafts, ending);
  if (draft === undefined) {
    drafts.push(unseen(ending));
    return;
  }
  draft.pid = ending.pid;
  draft.endings.push(ending);
}

/** The next life, of which only another daemon told, which stamped its start when it was over. */
function lateNameless(drafts: readonly Draft[], ending: Ending): Draft | undefined {
  const at = endTime(ending);
  const next = drafts.filter((one) => beginOf(one) > at).sort(compareDrafts)[0];
  if (next === undefined || next.pid !== null || !isOpen(next)) return undefined;
  const isOthers = next.starts.every(({ source }) => source !== ending.source);
  return isOthers && beginOf(next) <= at + LATE_STAMP ? next : undefined;
}

function unseen(ending: Ending): Draft {
  const { pid, heardAt } = ending;
  const never = Number.NEGATIVE_INFINITY;
  const seen = { firstSeen: endTime(ending), lastAlive: never, lastNamed: never };
  return {
    pid,
    startPid: null,
    startedAt: null,
    ...seen,
    restarts: null,
    heardAt,
    starts: [],
    endings: [ending],
  };
}

/** An end without a pid goes to the life it fits best: one that ended then, or one that was on and has no end. */
function joinNameless(drafts: Draft[], ending: Ending): void {
  const best = bestOf(drafts, (draft, index) => {
    const next = drafts[index + 1];
    return endMisfit(draft, next === undefined ? null : beginOf(next), ending);
  });
  if (best === null) drafts.push(unseen(ending));
  else best.endings.push(ending);
}

function isOpen({ endings }: Draft): boolean {
  return endings.length === 0;
}

/**
 * µs by which the end lies off this life; infinite when it cannot be of it. A source that gave its end already is taken at
 * its word, if another life fits.
 */
function endMisfit(draft: Draft, nextBegin: number | null, ending: Ending): number {
  const at = endTime(ending);
  const heard = draft.endings.filter(isTold);
  // A record that was told has the stamp of one of the sources, to the digit.
  const isOfRecord = ending.source === null && isTold(ending);
  const isStamped = (one: Ending) => one.at.wallMicroseconds === ending.at.wallMicroseconds;
  if (isOfRecord && heard.some(isStamped)) return -2;
  const known = heard.map((one) => Math.abs(endTime(one) - at));
  const nearest = Math.min(...known);
  const again = heard.some((one) => one.source === ending.source && endTime(one) !== at);
  // Another source's word for the same end. What was concluded is of a life that has no end.
  if (!again && nearest <= CLOCK_SLACK && ending.source !== null) return -1;
  const off = distanceFrom(draft, nextBegin, at);
  if (off > STAMP_SLACK) return NEVER;
  if (known.length === 0) return off;
  if (again) return nearest <= STAMP_SLACK / 2 ? nearest + STAMP_SLACK / 2 : NEVER;
  // A record that was told has the stamp of one of the sources; and how it ended they say alike.
  const { exitCode, source } = ending;
  const differs = heard.some((one) => one.exitCode !== null && one.exitCode !== exitCode);
  const most = differs || source === null ? STAMP_SLACK : LATE_STAMP;
  if (nearest > most) return NEVER;
  // Each source tells each end once, and before the next life begins: that it comes late is no misfit.
  const isLate = heard.some((one) => endTime(one) <= at + CLOCK_SLACK);
  return off + (differs || !isLate ? nearest : Math.min(nearest, TOLD_LATE));
}

/** µs by which `at` lies outside a life. An end may be stamped late; of a process that ends at once the start may be, by a little. */
function distanceFrom(draft: Draft, nextBegin: number | null, at: number): number {
  const seen = draft.pid === null ? Number.NEGATIVE_INFINITY : draft.firstSeen;
  const early = (draft.startedAt === null ? seen : beginOf(draft)) - at;
  return Math.max(0, early * 10, nextBegin === null ? 0 : at - nextBegin);
}

/** It began no later than it was stamped or seen, whichever was first: on a busy machine the stamp is late. */
function beginOf({ startedAt, firstSeen }: Draft): number {
  return Math.min(startedAt ?? firstSeen, firstSeen);
}

function compareDrafts(one: Draft, other: Draft): number {
  return beginOf(one) - beginOf(other) || (one.pid ?? 0) - (other.pid ?? 0);
}

function finish(drafts: readonly Draft[], startedOnce: boolean): readonly Run[] {
  let before: number | null = null;
  return drafts.map((draft, index) => {
    const { pid, lastAlive, restarts, heardAt } = draft;
    const endings = draft.endings.toSorted(compareEndings);
    const first = endings.find(isTold) ?? endings[0];
    const end = first === undefined ? null : endTime(first);
    const endTold = first !== undefined && isTold(first);
    const named = endings.some((one) => isTold(one) && one.pid === draft.startPid);
    const unknown = index === 0 ? Number.NEGATIVE_INFINITY : (before ?? draft.firstSeen);
    const once = startedOnce && drafts.length === 1;
    const from = draft.startedAt === null ? unknown : beginOf(draft);
    const begin = beginOf(draft);
    const since = once ? Number.NEGATIVE_INFINITY : begin;
    const live = draft.startedAt !== null && draft.firstSeen - draft.startedAt <= STAMP_SLACK;
    const seenAlive = pid !== null || live;
    const endIsOwn =
      endTold &&
      end !== null &&
      (once || (draft.startPid !== null && named) || draft.lastNamed >= end);
    before = end;
    const ends = { endings, end, endTold, endIsOwn };
    return { pid, from, begin, since, seenAlive, lastAlive, restarts, ...ends, heardAt };
  });
}

/** Whether somebody said it; otherwise it was concluded. */
export function isTold({ source, exitCode }: Ending): boolean {
  return source !== null || exitCode !== null;
}

/**
 * The life in which process `pid` was killed at `at`; `null` when it fell between the lives we know. A runtime stamps a
 * start some time after the process began, and an end when it is over or later: what was killed after the stamp of an end
 * was not of that life.
 */
export function runAt(runs: readonly Run[], at: Instant, pid: number | null): Run | null {
  const moment = at.monotonicMicroseconds;
  const own = runs.filter(
    (run, index) => run.pid !== null && run.pid === pid && isAround(run, runs[index + 1], moment),
  );
  if (own.length > 0) return own.at(-1) ?? null;
  if (isAmbiguous(runs, at)) return null;
  const index = runs.findLastIndex(({ from }) => from <= moment);
  const run = runs[index];
  const next = runs[index + 1];
  const begins =
    next !== undefined && Math.min(next.from, next.since) - moment <= START_SLACK ? next : null;
  // Of a life that nobody saw, only that it was over some time before the next.
  if (run !== undefined && !run.seenAlive && run.end === null && begins !== null) return begins;
  if (run !== undefined && isBefore(moment, run.end, at.uncertaintyMicroseconds)) return run;
  return begins;
}

/** What the CRI and Docker say of a container that could not be started. */
export const START_FAILED = 128;

/**
 * Whether the main process never came to be. What was killed in the container was then the one that prepared it, and would
 * have become it: `runc:[2:INIT]` of runc 1.1.15 hardly fits into 15 MiB (measured: Debian trixie).
 */
export function isFailedStart({ pid, from, endings }: Run): boolean {
  const neverRan = pid === null && from === Number.NEGATIVE_INFINITY;
  return neverRan && endings.some(({ exitCode }) => exitCode === START_FAILED);
}

/** Whether it was on at `moment`, as far as anybody saw it. */
export function wasSeenAt({ begin }: Run, moment: number): boolean {
  return moment >= begin - START_SLACK;
}

/** Whether `moment` was in no earlier life of which nobody told. */
export function isSince({ since }: Run, moment: number): boolean {
  return moment >= since - START_SLACK;
}

/** Whether its time is known so vaguely that it may have been in either of two lives. */
function isAmbiguous(runs: readonly Run[], at: Instant): boolean {
  const { monotonicMicroseconds: moment, uncertaintyMicroseconds: spread } = at;
  if (spread <= CLOCK_SLACK) return false;
  const could = runs.filter((one, index) => {
    const until = one.end ?? runs[index + 1]?.from ?? Number.POSITIVE_INFINITY;
    return Math.min(one.from, one.since) <= moment + spread && until >= moment - spread;
  });
  return could.length > 1;
}

/** dockerd stamps a start when containerd has answered; a restart by policy waits 100 ms at least. */
const START_SLACK = 300_000;
/** Clocks are read one after the other; NTP slews 0.5 ms a second. */
const CLOCK_SLACK = 20_000;

function isBefore(moment: number, end: number | null, uncertainty: number): boolean {
  return end === null || moment <= end + uncertainty + CLOCK_SLACK;
}

/** The life that a runtime's word at `moment` is about: the one it fits best. */
export function runNear(runs: readonly Run[], moment: number): Run | null {
  const index = runs.findLastIndex(({ from }) => from <= moment);
  const run = runs[index] ?? runs[0] ?? null;
  if (run === null || index < 0 || run.end === null || moment <= run.end) return run;
  const next = runs[index + 1];
  if (next === undefined) return moment - run.end <= STAMP_SLACK ? run : null;
  return moment - run.end < next.from - moment ? run : next;
}

function isAround({ from, end }: Run, next: Run | undefined, moment: number): boolean {
  const until = end ?? next?.from ?? Number.POSITIVE_INFINITY;
  return moment >= from - STAMP_SLACK && moment <= until + STAMP_SLACK;
}
