import type { ExitRecord, Verdict } from "../model/record.ts";
import { formatInstant, type Instant } from "../model/time.ts";
import { parseCgroupPath } from "./cgroup-path.ts";
import type { Entry } from "./entry.ts";
import { containerRecord, podRecord } from "./identity.ts";
import type { Inventory } from "./inventory.ts";
import type { Place } from "./locate.ts";
import type { Run } from "./runs.ts";

const KILLS_LISTED = 100;
/** Codes above 128 + this are no signals (SIGRTMAX). */
const LAST_SIGNAL = 64;
/** Of the container's id; so many are enough to tell containers apart by eye, and Docker shows as many. */
const ID_DIGITS = 12;

export interface Ended {
  readonly run: Run;
  readonly end: Instant;
  readonly exitCode: number | null;
}

/** The record of an end when it is opened. */
export function exitRecord(
  inventory: Inventory,
  entry: Entry,
  { run, end, exitCode }: Ended,
  verdict: Verdict,
  kills: readonly string[],
): ExitRecord {
  const place = placeOf(entry, run);
  const signal = exitCode === null ? 0 : exitCode - 128;
  return {
    type: "exit",
    id: idOf(entry, end),
    revision: 0,
    at: formatInstant(end),
    container: containerRecord(place) ?? unknownContainer(entry.id),
    pod: podRecord(inventory, place),
    exitCode,
    signal: signal >= 1 && signal <= LAST_SIGNAL ? signal : null,
    verdict,
    kills: kills.slice(-KILLS_LISTED),
  };
}

/** From evidence only: whoever hears of the same end gives it the same id. */
function idOf({ id }: Entry, { wallMicroseconds }: Instant): string {
  return `${id.slice(0, ID_DIGITS)}-${Math.floor(wallMicroseconds / 1000)}`;
}

function unknownContainer(id: string): ExitRecord["container"] {
  return { runtime: "unknown", id, name: null, image: null, imageId: null, restarts: null };
}

function placeOf(entry: Entry, run: Run): Place {
  const text = entry.facts.cgroupPath?.value ?? null;
  const path = text === null ? null : parseCgroupPath(text);
  return { path, containerId: entry.id, containerPath: text, entry, run };
}
