import type { ContainerRecord, KillRecord, PodRecord, Visibility } from "../model/record.ts";
import { type OwnerName, ownerName } from "./metrics-owners.ts";

/** After that long a kill is counted under what is known of it. Openings are amended within 50 ms, books settle after 2 s. */
export const COUNT_AFTER_SECONDS = 5;
/** A kill that is still `pending` by then is never counted as invisible. */
export const VISIBLE_AFTER_SECONDS = 600;

/** A kill that is not wholly counted yet; plain data, kept in the checkpoint. */
export interface OpenKill {
  readonly id: string;
  /** Unix seconds by the agent's clock when it was opened; 0 until the clock is known. */
  openedAt: number;
  /** When it happened, Unix seconds. */
  seconds: number;
  name: OwnerName;
  scope: string;
  containerId: string | null;
  podUid: string | null;
  incident: string;
  visibility: Visibility;
  /** Found after the fact; earlier versions did not keep it. */
  readonly recovered?: boolean;
  /** In `oomwitness_kills_total` and the drop-ins. */
  counted: boolean;
  /** In `oomwitness_incidents_total`. */
  closed: boolean;
}

export function openKill(record: KillRecord, now: number): OpenKill {
  return {
    id: record.id,
    openedAt: now,
    recovered: record.recovered,
    counted: false,
    closed: false,
    ...factsOf(record),
  };
}

/** What an amendment changes. Labels stay as they are once the kill was counted under them. */
export function amendKill(kill: OpenKill, record: KillRecord): void {
  const { name, scope, ...rest } = factsOf(record);
  if (!kill.counted) Object.assign(kill, { name, scope, ...rest });
  kill.incident = rest.incident;
  kill.visibility = rest.visibility;
}

function factsOf(record: KillRecord) {
  return {
    seconds: secondsOf(record.at),
    name: ownerName(record.container, record.pod, record.unit),
    scope: record.limit.scope ?? "",
    containerId: record.container?.id ?? null,
    podUid: record.pod?.uid ?? null,
    incident: record.incident.id,
    visibility: record.visibility,
  };
}

/** Unix seconds of a moment; 0 when it is none. */
export function secondsOf(at: string): number {
  const milliseconds = Date.parse(at);
  return Number.isFinite(milliseconds) ? milliseconds / 1000 : 0;
}

/**
 * Whether it can be counted: a counter of the kernel has it, and the labels will not get better, since who it was and whose
 * limit it was are known by name.
 */
export function isSettled(record: KillRecord): boolean {
  return record.limit.scope !== null && isNamed(record) && isConfirmed(record);
}

function isConfirmed({ witnesses }: KillRecord): boolean {
  return witnesses.includes("vmstat") || witnesses.includes("cgroup");
}

function isNamed({ container, pod, unit }: KillRecord): boolean {
  if (pod !== null) return isNamedPod(pod);
  return container !== null ? isNamedContainer(container) : unit !== null;
}

function isNamedPod({ namespace, name, container }: PodRecord): boolean {
  return namespace !== null && name !== null && container !== null;
}

function isNamedContainer({ name }: ContainerRecord): boolean {
  return name !== null;
}
