import type { RuntimeSourceName } from "../model/container.ts";
import type { Identity } from "../model/identity.ts";
import { SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { ContainerRecord, PodRecord } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import { type Entry, goneAt } from "./entry.ts";
import { containerOf, podOf } from "./facts.ts";
import type { Inventory } from "./inventory.ts";
import { locate, type Place, type Placed } from "./locate.ts";
import { isFailedStart, type Run, wasSeenAt } from "./runs.ts";
import { limitScope } from "./scope.ts";
import type { Shelf, ToldKills } from "./told-kills.ts";
import { isKilledCode, TOGETHER_MICROSECONDS } from "./verdict.ts";
import { visibilityOf } from "./visibility.ts";

export interface Surroundings {
  readonly inventory: Inventory;
  readonly kills: ToldKills;
  readonly now: number;
}

export type Identifiable = Placed & { readonly witnesses: readonly SourceName[] };

export interface Identified {
  readonly identity: Identity;
  readonly place: Place;
}

export function identifyKill(around: Surroundings, kill: Identifiable, at: Instant): Identified {
  const place = locate(around.inventory, around.kills, kill, at);
  const { entry, run, path } = place;
  const { surely, together } = certaintyOf(around, place, at);
  const main = isMain(run, kill.victim.pid, surely);
  const identity: Identity = {
    container: containerRecord(place),
    pod: podRecord(around.inventory, place),
    unit: path?.unit?.name ?? null,
    main,
    visibility: visibilityOf({
      at,
      main,
      known: entry !== null,
      run,
      surely,
      mainKilled: together,
      over: entry === null || run === null ? null : overAt(around.inventory, entry, run),
      audible: entry !== null && run !== null && around.inventory.isAudible(entry, run),
      now: around.now,
    }),
    scope: limitScope(kill, place.containerPath),
    witnesses: witnessesOf(kill.witnesses, entry?.sources ?? []),
  };
  return { identity, place };
}

export function shelfOf({ containerId, path }: Place): Shelf {
  if (containerId !== null) return `container ${containerId}`;
  return path?.pod ? `pod ${path.pod.uid}` : "unplaced";
}

/** Whether `pid` was the main process of this life; `null` when that is not known. `surely`: it was in this life. */
export function isMain(run: Run | null, pid: number | null, surely: boolean): boolean | null {
  if (run !== null && isFailedStart(run)) return surely ? true : null;
  if (run === null) return null;
  if (run.pid !== null && run.pid === pid) return true;
  const other = run.pid !== null && pid !== null;
  return surely && (other || endedUnkilled(run)) ? false : null;
}

/** Its main process ended with a code that no killed process has: whoever was killed in that life, it was somebody else. */
function endedUnkilled({ endings }: Run): boolean {
  const codes = endings.flatMap(({ exitCode }) => exitCode ?? []);
  return codes.length > 0 && !codes.some(isKilledCode);
}

/** When a life must have been over although nobody told its end (µs, monotonic); `null` when its end is told or it goes on. */
export function overAt(inventory: Inventory, entry: Entry, run: Run): number | null {
  if (run.end !== null) return run.endTold ? null : run.end;
  const runs = inventory.runs(entry);
  const next = runs[runs.indexOf(run) + 1];
  return next === undefined ? goneAt(entry) : next.from;
}

/** A group kill takes a few milliseconds; what is killed later than this after its main process is of another life. */
const GROUP_MICROSECONDS = SECOND / 10;

interface Certainty {
  /** It was in that life, and in no other of which nobody told. */
  readonly surely: boolean;
  /** The main process was killed with it, or within a second after. */
  readonly together: boolean;
}

function certaintyOf(
  { inventory, kills }: Surroundings,
  { entry, run }: Place,
  at: Instant,
): Certainty {
  if (entry === null || run === null) return { surely: false, together: false };
  const after = mainKilledAfter(kills, entry, run, at);
  const over = after !== null && after < -GROUP_MICROSECONDS && Number.isFinite(run.since);
  const surely = inventory.isSurely(entry, run, at) && !over;
  return { surely, together: after !== null && !over && after <= TOGETHER_MICROSECONDS };
}

/** When the main process of this life was killed, against `at`: less than 0 when before (µs); as near as can be. */
function mainKilledAfter(kills: ToldKills, entry: Entry, run: Run, at: Instant): number | null {
  if (run.pid === null) return null;
  const own = kills
    .ofVictim(`container ${entry.id}`, run.pid)
    .filter((other) => wasSeenAt(run, other.at.monotonicMicroseconds));
  const distances = own.map((other) => {
    const distance = other.at.monotonicMicroseconds - at.monotonicMicroseconds;
    const slack = other.at.uncertaintyMicroseconds + at.uncertaintyMicroseconds;
    return Math.sign(distance) * Math.max(0, Math.abs(distance) - slack);
  });
  return distances.sort((one, other) => Math.abs(one) - Math.abs(other))[0] ?? null;
}

/** `null` also for the pause container of a pod, which is nobody's workload. */
export function containerRecord({ entry, run, path, containerId }: Place): ContainerRecord | null {
  if (containerId === null || entry?.sandbox === true) return null;
  const runtime = path?.container?.id === containerId ? path.container.runtime : null;
  return containerOf(containerId, entry?.facts ?? {}, runtime, run?.restarts ?? null);
}

/** What labels say, completed by what the path says and by what other containers of the same pod say. */
export function podRecord(inventory: Inventory, { entry, path }: Place): PodRecord | null {
  const told = entry === null ? null : podOf(entry.facts);
  // The path is the kernel's word.
  const isOther = told?.uid && path?.pod && path.pod.uid !== told.uid;
  const own = isOther ? null : told;
  const uid = own?.uid ?? path?.pod?.uid ?? null;
  const sibling = uid === null || own?.name ? null : siblingPod(inventory, uid);
  if (own === null && uid === null) return null;
  return {
    namespace: own?.namespace ?? sibling?.namespace ?? null,
    name: own?.name ?? sibling?.name ?? null,
    uid,
    container: entry?.sandbox === true ? null : (own?.container ?? null),
    qosClass: own?.qosClass ?? path?.pod?.qosClass ?? sibling?.qosClass ?? null,
    owner: own?.owner ?? sibling?.owner ?? null,
  };
}

function siblingPod(inventory: Inventory, uid: string): PodRecord | null {
  const named = inventory
    .byPod(uid)
    .filter(({ facts, owner }) => facts.podName !== undefined && owner === undefined);
  named.sort((one, other) => (one.id < other.id ? -1 : 1));
  const [first] = named;
  return first === undefined ? null : podOf(first.facts);
}

function witnessesOf(
  kernel: readonly SourceName[],
  runtimes: readonly RuntimeSourceName[],
): readonly SourceName[] {
  const all = new Set<SourceName>([...kernel, ...runtimes]);
  return SOURCE_NAMES.filter((name) => all.has(name));
}
