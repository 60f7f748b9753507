import type { CounterObservation } from "../model/observation.ts";

/** The counter rose by `delta` somewhere between the two readings (µs, monotonic). */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly delta: number;
}

/** Readings a book keeps apart; older ones are merged, which only widens where a missing kill may have been. */
const STEPS_KEPT = 128;

/** What the books of the kernel, node or cgroup, have in common. Plain data, so that it can go into a checkpoint. */
export interface Count {
  /** Value when the book was opened: kills before that are nobody's. */
  readonly base: number;
  readonly groupBase: number | null;
  value: number;
  groupValue: number | null;
  /** Books opened (µs, monotonic): earlier kills are not expected in it. */
  readonly openedAt: number;
  /** Last reading (µs, monotonic). */
  readAt: number;
  /** Wall clock minus monotonic clock at the last reading, µs. */
  wallOffset: number;
  steps: Step[];
}

/**
 * Opens a book. `fresh` says that nobody has watched this boot before: then what a baseline reading shows is history;
 * otherwise a book never seen before began at 0 (docs: a checkpoint keeps every book that is not 0).
 */
export function openCount(observation: CounterObservation, fresh: boolean): Count {
  const readAt = observation.at.monotonicMicroseconds;
  const history = fresh && observation.baseline;
  const base = history ? observation.oomKill : 0;
  const groupBase =
    observation.oomGroupKill === null ? null : history ? observation.oomGroupKill : 0;
  const openedAt = history ? readAt : (observation.since?.monotonicMicroseconds ?? 0);
  const count: Count = {
    base,
    groupBase,
    value: base,
    groupValue: groupBase,
    openedAt,
    readAt: openedAt,
    wallOffset: 0,
    steps: [],
  };
  readCount(count, observation);
  return count;
}

/** Takes in a later reading; readings that arrive out of order change nothing. */
export function readCount(count: Count, observation: CounterObservation): void {
  const at = observation.at.monotonicMicroseconds;
  const delta = observation.oomKill - count.value;
  if (delta > 0) {
    const from = observation.since?.monotonicMicroseconds ?? count.readAt;
    pushStep(count, { from: Math.min(Math.max(from, count.readAt), at), to: at, delta });
    count.value = observation.oomKill;
  }
  count.readAt = Math.max(count.readAt, at);
  count.wallOffset = observation.at.wallMicroseconds - at;
  if (observation.oomGroupKill !== null) {
    count.groupValue = Math.max(count.groupValue ?? 0, observation.oomGroupKill);
  }
}

function pushStep(count: Count, step: Step): void {
  count.steps.push(step);
  if (count.steps.length <= STEPS_KEPT) return;
  const [first, second] = count.steps;
  if (first === undefined || second === undefined) return;
  count.steps.splice(0, 2, {
    from: first.from,
    to: second.to,
    delta: first.delta + second.delta,
  });
}

/** Kills booked since the book was opened. */
export function booked(count: Count): number {
  return count.value - count.base;
}

/** Group kills booked since the book was opened; 0 where the kernel does not count them. */
export function groupsBooked(count: Count): number {
  return (count.groupValue ?? 0) - (count.groupBase ?? 0);
}

/** Kills booked by readings not later than `time`. */
export function bookedBy(count: Count, time: number): number {
  let later = 0;
  for (let index = count.steps.length - 1; index >= 0; index--) {
    const step = count.steps[index];
    if (step === undefined || step.to <= time) break;
    later += step.delta;
  }
  return booked(count) - later;
}

/** Forgets steps that ended before `time`: nothing will be looked for there again. */
export function forgetSteps(count: Count, time: number): void {
  const kept = count.steps.findIndex((step) => step.to >= time);
  if (kept === -1) count.steps = [];
  else if (kept > 0) count.steps.splice(0, kept);
}

/**
 * Where the kills that a book has and `killTimes` (µs, monotonic) do not explain must have happened: the first readings
 * that rose by more than the known kills in them. Each known kill explains one: in the step that covers it, else in the
 * nearest within `slack`, for which another kill makes room if it fits elsewhere.
 */
export function unexplainedSteps(
  count: Count,
  killTimes: readonly number[],
  slack: number,
): Step[] {
  const places = count.steps.map((step): Place => ({ step, kills: [] }));
  const loose = killTimes.filter((time) => !settle(nearest(places, time, 0), time));
  for (const time of loose) {
    if (settle(nearest(places, time, slack), time)) continue;
    // One that came after the last reading need not be in it.
    if (time <= count.readAt) makeRoom(places, time, slack);
  }
  return places.flatMap(({ step, kills }) => {
    const delta = step.delta - kills.length;
    return delta > 0 ? [{ ...step, delta }] : [];
  });
}

/** A step, and the times of the kills that explain it. */
interface Place {
  readonly step: Step;
  readonly kills: number[];
}

function settle(place: Place | null, time: number): boolean {
  place?.kills.push(time);
  return place !== null;
}

/** The nearest step within `slack` of the time that is not explained yet, the earlier of two. */
function nearest(places: readonly Place[], time: number, slack: number): Place | null {
  let best: Place | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const place of places) {
    const distance = distanceOf(place.step, time);
    if (place.kills.length >= place.step.delta || distance > slack) continue;
    if (distance >= bestDistance) continue;
    best = place;
    bestDistance = distance;
  }
  return best;
}

function makeRoom(places: readonly Place[], time: number, slack: number): void {
  for (const { step, kills } of places) {
    if (distanceOf(step, time) > slack) continue;
    const index = kills.findIndex((other) => settle(nearest(places, other, slack), other));
    if (index < 0) continue;
    kills[index] = time;
    return;
  }
}

function distanceOf(step: Step, time: number): number {
  return Math.max(0, step.from - time, time - step.to);
}
