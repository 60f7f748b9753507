import type { KillRecord } from "../model/record.ts";
import type { Instant } from "../model/time.ts";
import { type CgroupIdentity, parseCgroupPath, userSlice } from "./cgroup-path.ts";
import { type Entry, goneAt, STAMP_SLACK } from "./entry.ts";
import type { Inventory } from "./inventory.ts";
import { type Run, runAt, wasSeenAt } from "./runs.ts";
import type { ToldKills } from "./told-kills.ts";

/** Where a kill happened, as far as is known. */
export interface Place {
  readonly path: CgroupIdentity | null;
  /** The container's id; known from the path alone when `entry` is `null`. */
  readonly containerId: string | null;
  /** The cgroup of the container, or `null`. */
  readonly containerPath: string | null;
  readonly entry: Entry | null;
  /** The life of its main process in which the kill happened. */
  readonly run: Run | null;
}

/** What is needed of a kill to find its place. */
export type Placed = Pick<KillRecord, "id" | "cgroup" | "limit"> & {
  readonly victim: Pick<KillRecord["victim"], "pid">;
};

export function locate(inventory: Inventory, kills: ToldKills, kill: Placed, at: Instant): Place {
  // A limit of a container is hit from within it, also when nobody saw where the victim was.
  const text = kill.cgroup.path ?? kill.limit.cgroup;
  const path = text === null ? null : parseCgroupPath(text);
  const time = at.monotonicMicroseconds;
  const named = path?.container ? inventory.byId(path.container.id) : undefined;
  const entry =
    (named !== undefined && mayOwn(named, text) ? named : undefined) ??
    (text === null ? undefined : byPath(inventory, text, time, path)) ??
    byMainPid(inventory, kills, kill, path, at) ??
    null;
  const owner = entry !== null && entry.id === path?.container?.id ? path.container.path : null;
  return {
    path,
    containerId: entry?.id ?? path?.container?.id ?? null,
    containerPath: owner ?? entry?.facts.cgroupPath?.value ?? path?.container?.path ?? null,
    entry,
    run: entry === null ? null : runAt(inventory.runs(entry), at, kill.victim.pid),
  };
}

/** Of a user's container only what happens below that user's slice can be; of the machine's, anything. */
function mayOwn({ owner }: Entry, path: string | null): boolean {
  return owner === undefined || path?.startsWith(userSlice(owner)) === true;
}

/** The container whose cgroup is `path` or the nearest above it; never one above a container that the path itself names. */
function byPath(
  inventory: Inventory,
  path: string,
  at: number,
  parsed: CgroupIdentity | null,
): Entry | undefined {
  const top = parsed?.container?.path.length ?? 1;
  for (let one = path; one.length > top; one = one.slice(0, Math.max(0, one.lastIndexOf("/")))) {
    const owner = inventory
      .byPath(one)
      .findLast((entry) => mayOwn(entry, path) && isThere(inventory, entry, at));
    if (owner !== undefined) return owner;
  }
  return undefined;
}

/** Whether the container existed then, as far as is known. */
function isThere(inventory: Inventory, entry: Entry, at: number): boolean {
  const gone = goneAt(entry);
  if (gone !== null && at > gone + STAMP_SLACK) return false;
  const [first] = inventory.runs(entry);
  return first === undefined || at >= first.from - STAMP_SLACK;
}

/**
 * The container whose main process had the victim's pid then: pids come again, lives tell which is meant. Only when the
 * victim's cgroup does not tell, or tells no more than a name that no container is known by.
 */
function byMainPid(
  inventory: Inventory,
  kills: ToldKills,
  { id, victim, cgroup }: Placed,
  path: CgroupIdentity | null,
  at: Instant,
): Entry | undefined {
  if (victim.pid === null || path?.container || path?.unit) return undefined;
  const { pid } = victim;
  return inventory.byPid(pid).findLast((entry) => {
    if (!mayOwn(entry, cgroup.path)) return false;
    if (cgroup.path !== null && entry.facts.cgroupPath !== undefined) return false;
    const run = runAt(inventory.runs(entry), at, pid);
    const gone = goneAt(entry);
    if (run?.pid !== pid || !wasSeenAt(run, at.monotonicMicroseconds)) return false;
    // A process is killed once: whoever has its pid later is another.
    const others = kills.ofVictim(`container ${entry.id}`, pid).filter((one) => one.id !== id);
    if (others.some((one) => wasSeenAt(run, one.at.monotonicMicroseconds) && isBefore(one.at, at)))
      return false;
    return gone === null || at.monotonicMicroseconds <= gone + STAMP_SLACK;
  });
}

/** Whether the one moment was surely before the other. */
function isBefore(one: Instant, other: Instant): boolean {
  const apart = other.monotonicMicroseconds - one.monotonicMicroseconds;
  return apart > one.uncertaintyMicroseconds + other.uncertaintyMicroseconds + STAMP_SLACK;
}
