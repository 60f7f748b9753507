import type { Count, Step } from "./book.ts";
import { distanceTo, mayLieIn, SLACK_MICROSECONDS } from "./identity.ts";
import { bookWeight, isExact, isSameProcess, type Kill, marginOf } from "./kill.ts";
import { covers } from "./surplus.ts";

/** A clock that lies was never seen to be wrong by more than this beyond what it says. */
const LIE_MICROSECONDS = 10_000_000;

/**
 * What a negative balance proves: two records that are one kill, a kill that was over when the book was opened, or evidence
 * that no counter confirms.
 */
export type Repair =
  | { readonly kind: "one"; readonly kept: Kill; readonly double: Kill }
  | { readonly kind: "before" | "unconfirmed"; readonly kill: Kill };

/**
 * What is wrong when the node's book has fewer entries than records say, all evidence being in: `kills` in the order the
 * ledger learned of them, `count` the node's book, `excess` how many entries too many they have. Null
 * when nothing can be said.
 */
export function repairOf(kills: readonly Kill[], count: Count, excess: number): Repair | null {
  const counted = kills.filter(({ counted, inNodeBook }) => counted && inNodeBook === "yes");
  return (
    sameThread(counted) ??
    sameEntry(counted) ??
    needless(counted) ??
    beforeBook(counted, count.openedAt, excess) ??
    unconfirmed(counted, count)
  );
}

/**
 * The same when there are too many records only if the first victim of each group kill was entered twice, which only the
 * log could tell: then a kill that the log dates where no counter rose is one of those that only a counter saw.
 */
export function likelyRepairOf(kills: readonly Kill[], { steps }: Count): Repair | null {
  const counted = kills.filter(({ counted, inNodeBook }) => counted && inNodeBook === "yes");
  const isDatedWrong = (kill: Kill) => !steps.some((step) => covers(step, kill));
  return sameEntry(counted.filter((kill) => kill.victim === null || isDatedWrong(kill)));
}

/** The nearest two records of one process, of which no source told twice. */
function sameThread(kills: readonly Kill[]): Repair | null {
  const byTid = new Map<number, Kill[]>();
  const pairs: Pair[] = [];
  for (const double of kills) {
    if (double.victim === null) continue;
    const { tid } = double.victim;
    const earlier = byTid.get(tid) ?? [];
    pairs.push(...earlier.filter((kept) => mayBeOne(kept, double)).map(pairWith(double)));
    byTid.set(tid, [...earlier, double]);
  }
  return nearest(pairs);
}

/** A kill that only a counter saw, and one that was told later and was dated too badly, then, to be known as that. */
function sameEntry(kills: readonly Kill[]): Repair | null {
  const unknown = kills.filter(({ victim }) => victim === null);
  if (unknown.length === 0) return null;
  for (const double of kills) {
    if (double.victim === null) continue;
    const kept = entryOf(
      double,
      unknown.filter(({ openedAt }) => openedAt <= double.openedAt),
    );
    if (kept !== null) return { kind: "one", kept, double };
  }
  return null;
}

/**
 * A kill that only a counter saw, and one that was known before: its second entry, as evidence said since, or its only one,
 * which was not expected in the book. The newest such record goes, one of a kill with two entries before others.
 */
function needless(kills: readonly Kill[]): Repair | null {
  for (const double of kills.toReversed()) {
    if (double.victim !== null) continue;
    const known = kills.filter((kill) => kill.victim !== null && kill.openedAt <= double.openedAt);
    const near = known.map(pairWith(double)).filter(isNear);
    const twice = near.filter(({ kept }) => kept.doubled);
    const repair = nearest(twice.length > 0 ? twice : near);
    if (repair !== null) return repair;
  }
  return null;
}

function isNear({ kept, double }: Pair): boolean {
  return mayLieIn(kept.cgroup, double.cgroup) && distanceTo(double, kept.at) <= errorOf(kept);
}

/**
 * The kill that only a counter saw and that `kill` is, when the book has no room for both: what a counter saw the log tells,
 * too. One in its cgroup before others, the nearest first.
 */
export function entryOf(kill: Kill, unknown: readonly Kill[]): Kill | null {
  const near = unknown.map(pairWith(kill)).filter(({ apart }) => apart <= errorOf(kill));
  const here = near.filter(({ kept }) => mayLieIn(kill.cgroup, kept.cgroup));
  const repair = nearest(here.length > 0 ? here : near);
  return repair?.kind === "one" ? repair.kept : null;
}

/** The earliest kill that only the log dates, shortly after the book was opened: it was before that. */
function beforeBook(kills: readonly Kill[], openedAt: number, excess: number): Repair | null {
  let first: Kill | null = null;
  for (const kill of kills) {
    const at = kill.at.monotonicMicroseconds;
    if (kill.victim === null || isExact(kill.at) || bookWeight(kill) > excess) continue;
    if (at - openedAt > errorOf(kill)) continue;
    if (first === null || at < first.at.monotonicMicroseconds) first = kill;
  }
  return first === null ? null : { kind: "before", kill: first };
}

/**
 * The newest kill that somebody told and no counter has: none rose when it may have happened. So looks what somebody wrote
 * into the log or the trace.
 */
function unconfirmed(kills: readonly Kill[], { steps }: Count): Repair | null {
  const kill = kills.findLast(
    (one) =>
      one.victim !== null &&
      bookWeight(one) === 1 &&
      !one.witnesses.some((name) => name === "cgroup" || name === "vmstat") &&
      !steps.some((step) => mayBeIn(step, one)),
  );
  return kill === undefined ? null : { kind: "unconfirmed", kill };
}

function mayBeIn({ from, to }: Step, kill: Kill): boolean {
  const at = kill.at.monotonicMicroseconds;
  return at >= from - errorOf(kill) && at <= to + errorOf(kill);
}

/** So far from the truth a kill's time may be, µs. */
function errorOf({ at }: Kill): number {
  return isExact(at) ? SLACK_MICROSECONDS : marginOf(at) + LIE_MICROSECONDS;
}

interface Pair {
  readonly kept: Kill;
  readonly double: Kill;
  readonly apart: number;
}

function pairWith(double: Kill): (kept: Kill) => Pair {
  return (kept) => ({ kept, double, apart: distanceTo(kept, double.at) });
}

function nearest(pairs: readonly Pair[]): Repair | null {
  const [best] = [...pairs].sort((one, other) => one.apart - other.apart);
  return best === undefined ? null : { kind: "one", kept: best.kept, double: best.double };
}

/** The same process, and no source that tells it apart. Two exact clocks do. */
function mayBeOne(one: Kill, other: Kill): boolean {
  if (!isSameProcess(one.victim, other.victim)) return false;
  if (isExact(one.at) && isExact(other.at)) return false;
  return Object.entries(one.evidence).every(([source, sequence]) => {
    const same = Object.entries(other.evidence).find(([name]) => name === source);
    return same === undefined || same[1] === sequence;
  });
}
