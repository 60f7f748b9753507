import type { KillRecord } from "../src/model/record.ts";
import { SECOND } from "../src/model/time.ts";
import type { StreamRecord } from "../src/sinks/sink.ts";
import type { Outcome } from "./schedule.ts";
import { allKills, type TrueKill, type Truth } from "./truth.ts";

export interface Verdict {
  /** What a schedule got wrong, in one line each; empty when all is well. */
  readonly problems: readonly string[];
  /**
   * Records beyond what was killed in their cgroup, said to be inferred. Possible right after a group kill, and where counters
   * alone tell: they have entries of kills that no source saw, and a kill of which only the log tells is dated to seconds.
   */
  readonly wrongGuesses: number;
  /** Records of known victims that leave the cgroup open. */
  readonly withoutCgroup: number;
}

/** Holds what was told against the truth; never looks at the ledger's state. */
export function check(outcome: Outcome): Verdict {
  const final = new Map<string, KillRecord>();
  const problems = [...outcome.problems, ...checkStream(outcome.told, final)];
  const match = matchKills(outcome, [...final.values()]);
  problems.push(...match.problems);
  problems.push(...checkTotals(outcome, match));
  problems.push(...checkCgroups(outcome, match));
  problems.push(...checkIncidents(outcome, match));
  problems.push(...checkSummary(outcome, match));
  if (isLossless(outcome) && outcome.contradictions > 0) {
    problems.push(`${outcome.contradictions} contradictions though nothing was lost or doubtful`);
  }
  const withoutCgroup = [...match.known.keys()].filter(({ cgroup }) => cgroup.path === null).length;
  return { problems, wrongGuesses: countWrongGuesses(match), withoutCgroup };
}

export interface Match {
  readonly problems: string[];
  /** Each record whose victim is known, with its kill. */
  readonly known: ReadonlyMap<KillRecord, TrueKill>;
  readonly unknown: readonly KillRecord[];
  /** Counted kills that no record with a victim speaks of. */
  readonly left: readonly TrueKill[];
}

/** Sequences come once (or again with the same words), openings once, revisions one by one. */
function checkStream(told: readonly StreamRecord[], final: Map<string, KillRecord>): string[] {
  const problems: string[] = [];
  const said = new Map<number, string>();
  const revisions = new Map<string, number>();
  for (const { sequence, record } of told) {
    const text = JSON.stringify(record);
    const before = said.get(sequence);
    if (before !== undefined) {
      if (before !== text) problems.push(`sequence ${sequence} was told twice with other words`);
      continue;
    }
    said.set(sequence, text);
    if (record.type !== "kill") continue;
    const expected = (revisions.get(record.id) ?? -1) + 1;
    if (record.revision !== expected) {
      problems.push(`${record.id} has revision ${record.revision} where ${expected} is due`);
    }
    const { revision, ...words } = record;
    if (revision > 0 && isSame(final.get(record.id), words)) {
      problems.push(`${record.id} says in revision ${revision} what it said before`);
    }
    revisions.set(record.id, record.revision);
    final.set(record.id, record);
  }
  return problems;
}

function isSame(before: KillRecord | undefined, words: Omit<KillRecord, "revision">): boolean {
  if (before === undefined) return false;
  const { revision: _, ...earlier } = before;
  return JSON.stringify(earlier) === JSON.stringify(words);
}

/**
 * A log of which no record was read live is dated to 5 s and what the clocks part in since boot; a line of it may be taken for
 * a kill that a counter saw 2 s beyond that, whose reading took a second. So far only a kill that the trace did not tell of
 * may be dated wrong.
 */
function toleranceOf({ truth, stalls }: Outcome): number {
  return 8 * SECOND + 50e-6 * truth.endsAt + Math.abs(stalls.clockLie);
}

/** The trace stamps a kill so soon after it. */
const TRACE_TOLERANCE = 2_000;

function isTraced({ witnesses }: KillRecord): boolean {
  return witnesses.includes("tracefs");
}

/** Each record with a victim to the nearest kill of that thread, one to one. */
function matchKills(outcome: Outcome, records: readonly KillRecord[]): Match {
  const problems: string[] = [];
  const known = new Map<KillRecord, TrueKill>();
  const free = new Set(allKills(outcome.truth));
  const kills = records.filter((record) => record.outcome !== "duplicate");
  const unknown = kills.filter((record) => record.victim.tid === null);
  const named = kills.filter((record) => record.victim.tid !== null);
  for (const record of sortByTime(named)) {
    const candidates = [...free].filter((kill) => kill.tid === record.victim.tid);
    const kill = nearest(candidates, record, outcome);
    if (kill === null) {
      problems.push(`forged or double: no kill is left for ${record.id} at ${record.at}`);
      continue;
    }
    free.delete(kill);
    known.set(record, kill);
    if (record.outcome !== "killed") problems.push(`${record.id} is ${record.outcome}, was a kill`);
    if (record.victim.comm !== null && record.victim.comm !== kill.comm) {
      problems.push(`${record.id} calls ${kill.comm} ${record.victim.comm}`);
    }
  }
  return { problems, known, unknown, left: [...free].filter((kill) => kill.counted) };
}

function sortByTime(records: readonly KillRecord[]): KillRecord[] {
  return [...records].sort((left, right) => left.at.localeCompare(right.at));
}

function nearest(
  kills: readonly TrueKill[],
  record: KillRecord,
  outcome: Outcome,
): TrueKill | null {
  let best: TrueKill | null = null;
  let bestDistance = isTraced(record) ? TRACE_TOLERANCE : toleranceOf(outcome);
  for (const kill of kills) {
    const distance = Math.min(
      ...outcome.wallOffsets.map((offset) =>
        Math.abs(wallMicroseconds(record.at) - offset - kill.at),
      ),
    );
    if (distance >= bestDistance) continue;
    best = kill;
    bestDistance = distance;
  }
  return best;
}

export function wallMicroseconds(text: string): number {
  return Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20, 26));
}

/** Kills the valid books began after; the others are history. */
function isExpected(outcome: Outcome, kill: TrueKill): boolean {
  return kill.counted && kill.at > outcome.booksFrom;
}

function checkTotals(outcome: Outcome, match: Match): string[] {
  const { unknown, left } = match;
  if (!canCount(outcome)) return [];
  const missing = left.filter((kill) => isExpected(outcome, kill)).length;
  // An earlier life without a checkpoint may have counted kills that the valid books call history.
  const most = outcome.booksFrom > outcome.truth.startsAt ? left.length : missing;
  const least = missing - undatable(outcome, match);
  if (unknown.length >= least && unknown.length <= most) return [];
  const what = unknown.length > missing ? "too many" : "too few";
  return [`${what}: ${unknown.length} records without a victim for ${missing} kills nobody saw`];
}

/**
 * Entries of kills shortly before the books were opened whose time only the log tells: it may be wrong by more, so that they
 * may be taken for kills the books have. Those that the trace told of are known to be history.
 */
function undatable(outcome: Outcome, { known }: Pick<Match, "known">): number {
  const { truth, plan, booksFrom } = outcome;
  if (!plan.sources.log) return 0;
  const dated = new Set([...known].flatMap(([record, kill]) => (isTraced(record) ? [kill] : [])));
  const before = allKills(truth).filter(
    (kill) =>
      kill.counted &&
      kill.at <= booksFrom &&
      kill.at > booksFrom - toleranceOf(outcome) &&
      !dated.has(kill),
  );
  return before.reduce((sum, { repeatedAt }) => sum + (repeatedAt === null ? 1 : 2), 0);
}

/**
 * Whether anybody could know the number: the node's book tells it, but for the second entries of group kills, which the
 * kernel counts (5.17+) or another source must have seen.
 */
export function canCount(outcome: Outcome): boolean {
  const { truth, plan } = outcome;
  if (!truth.kernel.counters) return false;
  if (truth.incidents.every(({ group }) => group === null)) return true;
  // A first victim that was gone when its turn came again is entered once: only the log says so.
  const skips = truth.incidents.some(({ group, kills }) => group !== null && !isDoubled(kills));
  if (!skips && truth.kernel.groupCounter && plan.sources.cgroup) return true;
  return sawAll(outcome) && (!skips || plan.sources.log);
}

function isDoubled([first]: readonly TrueKill[]): boolean {
  return first !== undefined && first.repeatedAt !== null;
}

/** Some source that sees single kills lost nothing. */
function sawAll({ plan, stalls, lost, lives }: Outcome): boolean {
  if (plan.sources.log && lost.log === 0) return true;
  const late = [...plan.outages, ...stalls.stalls].some(({ source }) => source === "trace");
  return plan.sources.trace && lost.trace === 0 && lives === 1 && !late;
}

function checkCgroups(outcome: Outcome, { known, unknown, left }: Match): string[] {
  const problems: string[] = [];
  for (const [record, kill] of known) {
    if (isRightCgroup(record, kill)) continue;
    if (record.attribution === "inferred") continue;
    const { path, id } = record.cgroup;
    problems.push(
      `${record.id} is ${record.attribution} in ${path}#${id}, was in ${kill.cgroup.path}#${kill.cgroup.id}`,
    );
  }
  if (canCount(outcome)) problems.push(...checkUnknownCgroups(unknown, left));
  for (const record of [...known.keys(), ...unknown]) {
    if ((record.attribution === "none") !== (record.cgroup.path === null)) {
      problems.push(`${record.id} is ${record.attribution} in ${record.cgroup.path}`);
    }
  }
  return problems;
}

/** Members of a group kill follow its first victim within a second in the log. */
const GROUP_PAUSE = 1.1 * SECOND;

/**
 * A kill right after a group kill, whose report was rate-limited away: the log alone cannot tell it from a member. Its
 * cgroup and incident may be guessed wrong, and are said to be inferred.
 */
function looksLikeMember({ incidents }: Truth, kill: TrueKill): boolean {
  let next = kill.at;
  for (let number = kill.incident - 1; number >= 0; number--) {
    const incident = incidents[number];
    const end = incident?.kills.at(-1)?.at ?? 0;
    if (incident === undefined || next - end > GROUP_PAUSE) return false;
    if (incident.group !== null) return true;
    next = incident.at;
  }
  return false;
}

/**
 * Records too many in each cgroup. Where counters alone tell, which of two processes was in which cgroup may be a choice;
 * how many were in each is not.
 */
function countWrongGuesses({ known, unknown, left }: Match): number {
  const room = new Map<string, number>();
  const kills = [...known.values(), ...left];
  for (const { cgroup } of kills) room.set(cgroup.path, (room.get(cgroup.path) ?? 0) + 1);
  const placed = [...known.keys(), ...unknown].flatMap(({ cgroup }) => cgroup.path ?? []);
  // The innermost first: a kill somewhere below a cgroup takes what is left.
  placed.sort((one, other) => other.split("/").length - one.split("/").length);
  return placed.filter((path) => !takeRoom(room, path)).length;
}

function takeRoom(room: Map<string, number>, path: string): boolean {
  const free = [...room].filter(([, kills]) => kills > 0).map(([place]) => place);
  const place = free.find((one) => one === path) ?? free.find((one) => one.startsWith(`${path}/`));
  if (place === undefined) return false;
  room.set(place, (room.get(place) ?? 0) - 1);
  return true;
}

function isRightCgroup(record: KillRecord, kill: TrueKill): boolean {
  const { path, id } = record.cgroup;
  if (path === null) return true;
  if (path === kill.cgroup.path) return id === null || id === kill.cgroup.id;
  return record.attribution === "inferred" && kill.cgroup.path.startsWith(`${path}/`);
}

/** Records without a victim, the most exact first, must each find a kill that nobody saw where they say it was. */
function checkUnknownCgroups(unknown: readonly KillRecord[], left: readonly TrueKill[]): string[] {
  const free = new Set(left);
  const placed = unknown.filter((record) => record.cgroup.path !== null);
  const depth = (record: KillRecord) =>
    (record.attribution === "exact" ? 1000 : 0) + (record.cgroup.path ?? "").split("/").length;
  const problems: string[] = [];
  for (const record of placed.sort((one, two) => depth(two) - depth(one))) {
    const kill = [...free].find((candidate) => isRightCgroup(record, candidate));
    if (kill !== undefined) free.delete(kill);
    else if (record.attribution === "exact") {
      problems.push(`${record.id} is exact in ${record.cgroup.path}: no such kill`);
    }
  }
  return problems;
}

function checkIncidents(outcome: Outcome, { known }: Match): string[] {
  const problems: string[] = [];
  const complete = sawGroups(outcome);
  const ids = new Map<string, number>();
  for (const [record, kill] of known) {
    if (looksLikeMember(outcome.truth, kill)) continue;
    const incident = outcome.truth.incidents[kill.incident];
    const isGroup = incident?.group !== null;
    if (record.incident.group && !isGroup) problems.push(`${record.id} is no group kill`);
    const other = ids.get(record.incident.id);
    if (other !== undefined && other !== kill.incident) {
      problems.push(`${record.id} shares incident ${record.incident.id} with another run`);
    }
    ids.set(record.incident.id, kill.incident);
  }
  if (complete) problems.push(...checkGroups(outcome.truth, known));
  return problems;
}

/** The evidence of what belongs together was not lost. */
function sawGroups({ plan, lost, lives }: Outcome): boolean {
  return plan.sources.log && lost.log === 0 && lives === 1;
}

function checkGroups(truth: Truth, known: ReadonlyMap<KillRecord, TrueKill>): string[] {
  const problems: string[] = [];
  for (const incident of truth.incidents) {
    const [first] = incident.kills;
    if (incident.group === null || first === undefined || looksLikeMember(truth, first)) continue;
    const records = [...known].filter(([, kill]) => kill.incident === incident.number);
    const ids = new Set(records.map(([record]) => record.incident.id));
    if (ids.size > 1) problems.push(`group kill ${incident.number} became ${ids.size} incidents`);
    const single = records.filter(([record]) => !record.incident.group);
    if (single.length > 0)
      problems.push(`${single.length} of group kill ${incident.number} are alone`);
  }
  return problems;
}

function checkSummary(outcome: Outcome, { known, unknown }: Match): string[] {
  const { truth, summary } = outcome;
  if (!truth.kernel.counters) {
    return summary.kernel === null ? [] : ["there is no book of the node, but a number for it"];
  }
  const problems: string[] = [];
  const kernel = allKills(truth).filter((kill) => isExpected(outcome, kill)).length;
  if (canCount(outcome)) {
    const isNear = (value: number | null) =>
      value !== null && Math.abs(value - kernel) <= undatable(outcome, { known });
    if (!isNear(summary.kernel)) problems.push(`kernel is ${summary.kernel}, was ${kernel}`);
    if (!isNear(summary.recorded)) problems.push(`recorded is ${summary.recorded}, was ${kernel}`);
    if (summary.unaccounted !== 0) problems.push(`unaccounted is ${summary.unaccounted}`);
  }
  if (canCount(outcome)) problems.push(...checkUnattributed(outcome, { known, unknown }));
  return problems;
}

/** Kills about when the books were opened may be counted or not. */
function checkUnattributed(
  outcome: Outcome,
  { known, unknown }: Pick<Match, "known" | "unknown">,
): string[] {
  const { summary, booksFrom } = outcome;
  const bare = [...known].filter(([record, kill]) => record.cgroup.path === null && kill.counted);
  const near = bare.filter(
    ([record, kill]) => !isTraced(record) && Math.abs(kill.at - booksFrom) < toleranceOf(outcome),
  );
  const doubtful = undatable(outcome, { known }) > 0 ? near : [];
  const sure = bare.filter((one) => one[1].at > booksFrom && !doubtful.includes(one));
  const nameless = unknown.filter((record) => record.cgroup.path === null);
  const newer = nameless.filter((record) => isNewer(record, outcome));
  const [least, most] = [sure.length + newer.length, sure.length + near.length + nameless.length];
  const { unattributed } = summary;
  if (unattributed >= least && unattributed <= most) return [];
  return [`unattributed is ${unattributed}, ${least} records have no cgroup`];
}

function isNewer(record: KillRecord, { wallOffsets, booksFrom }: Outcome): boolean {
  return wallOffsets.every((offset) => wallMicroseconds(record.at) - offset > booksFrom);
}

/** Every source saw everything, in time. */
export function isLossless({ plan, lost, lives }: Outcome): boolean {
  const all = plan.sources.log && plan.sources.trace && plan.sources.cgroup;
  return all && lives === 1 && lost.log + lost.trace === 0 && plan.outages.length === 0;
}
