import { type Ending, type Entry, endTime, LATE_STAMP, STAMP_SLACK, type Start } from "./entry.ts";

/** Two stamps of one daemon that lie nearer than this (µs) were made one after the other. */
const ONE_MOMENT = 20_000;

/**
 * Whether a daemon stamped start and end of a life in one moment, after the one below it had stamped the end: it got round to
 * neither while the process ran. A life of its own would have had another end below, and an end between by this daemon's word.
 */
export function isStampedAtEnd(
  { pid, startedWall, startedAt, source }: Start,
  entry: Entry,
): boolean {
  if (pid !== null || startedWall === null || startedAt === null) return false;
  const { endings } = entry;
  const own = endings.filter((one) => one.source === source);
  const end = own.find(({ at }) => Math.abs(at.wallMicroseconds - startedWall) <= ONE_MOMENT);
  if (end === undefined) return false;
  const below = endings
    .filter((one) => isOthers(one, source) && endTime(one) < startedAt)
    .sort((one, other) => endTime(one) - endTime(other))
    .at(-1);
  if (below === undefined || below.exitCode !== end.exitCode) return false;
  const isTaken = own.some((one) => one !== end && isFrom(one, below, end));
  return !isTaken && startedAt - endTime(below) <= LATE_STAMP;
}

function isOthers({ source, exitCode }: Ending, than: Start["source"]): boolean {
  return source !== than && exitCode !== null;
}

function isFrom(one: Ending, below: Ending, end: Ending): boolean {
  return endTime(one) >= endTime(below) - STAMP_SLACK && endTime(one) < endTime(end);
}
