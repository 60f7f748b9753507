/**
 * Private instances of the trace ring: `instances/NAME` has its own buffer, filters and clock, disturbs no other user of
 * tracing, and goes on recording when the program that made it is gone (Documentation/trace/ftrace.rst; facts 2).
 */
import { type Files, type Host, HostError } from "../host/host.ts";
import { type InstancePlan, keepSettings } from "./trace-settings.ts";

export interface TraceInstance {
  /** Its directory. */
  readonly path: string;
  /** It was there already: its ring may hold events. */
  readonly leftOver: boolean;
}

export interface InstanceEvent {
  /** `oom/mark_victim`. */
  readonly name: string;
  readonly filter: string | null;
}

export type TracingRoot =
  | { readonly kind: "found"; readonly path: string; readonly note: string }
  | { readonly kind: "missing"; readonly reason: string; readonly remedy: string };

const WATCH_INSTANCE = /^(oomwitness-watch-(\d{1,10}))(?:-\w+)?$/;

/** Finds tracefs, or mounts it where it belongs when we may. */
export async function findTracing(host: Host, sysRoot: string): Promise<TracingRoot> {
  const places = [`${sysRoot}/kernel/tracing`, `${sysRoot}/kernel/debug/tracing`];
  const found = places.find((place) => host.files.exists(`${place}/instances`));
  if (found !== undefined) return { kind: "found", path: found, note: "" };
  const [place = ""] = places;
  if (isClosed(host.files, `${place}/instances`)) {
    return {
      kind: "missing",
      reason: `${place} is open to root only (tracefs has mode 0700)`,
      remedy: "Run as root, or grant CAP_DAC_OVERRIDE.",
    };
  }
  if (!host.files.exists(place)) {
    return {
      kind: "missing",
      reason: `${place} does not exist: the kernel was built without CONFIG_TRACING, or /sys of the host is not here`,
      remedy: "In a container, mount /sys/kernel/tracing of the host.",
    };
  }
  const problem = await run(host, "mount", ["-t", "tracefs", "nodev", place]);
  if (host.files.exists(`${place}/instances`)) {
    return { kind: "found", path: place, note: `mounted tracefs on ${place}` };
  }
  return {
    kind: "missing",
    reason: `tracefs is not mounted on ${place}, and mounting failed: ${problem || "no instances directory"}`,
    remedy: `Run 'mount -t tracefs nodev ${place}' on the host; kernel lockdown in confidentiality mode forbids tracefs.`,
  };
}

/** Tried, not concluded from the user: capabilities may allow what the mode does not. */
function isClosed(files: Files, path: string): boolean {
  try {
    files.inode(path);
    return false;
  } catch (error) {
    return error instanceof HostError && (error.code === "EACCES" || error.code === "EPERM");
  }
}

/** Runs a short program; its standard error, "" when it was silent. */
function run(host: Host, command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const finish = (text: string) => {
      cancel();
      resolve(text);
    };
    const cancel = host.clock.after(2000, () => finish(`${command} did not end in 2 s`));
    host.processes.streamCommand(command, args, {
      data: () => {},
      end: ({ message }) => finish(message),
    });
  });
}

/**
 * Makes an instance or takes over the one left behind, without losing what it has collected, and sets it as `plan` says.
 * Throws `HostError`.
 */
export function openInstance(
  files: Files,
  tracing: string,
  name: string,
  plan: InstancePlan,
): TraceInstance {
  const path = `${tracing}/instances/${name}`;
  const leftOver = files.exists(path);
  if (!leftOver) files.makeDirectory(path, false);
  const instance = { path, leftOver };
  keepSettings(files, instance, plan);
  return instance;
}

/** Removes an instance; a reader that is just dying keeps it busy, so it is tried for a second. */
export async function removeInstance(host: Host, path: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (tryRemove(host.files, path)) return;
    await new Promise<void>((resolve) => host.clock.after(50, resolve));
  }
}

function tryRemove(files: Files, path: string): boolean {
  try {
    files.removeDirectory(path);
    return true;
  } catch (error) {
    return error instanceof HostError && error.code === "ENOENT";
  }
}

/** Removes the instances of `watch` processes that were killed. One that is read by somebody (EBUSY) stays, with its kin. */
export function removeStaleInstances(host: Host, tracing: string): void {
  const busy = new Set<string>();
  for (const name of instanceNames(host.files, tracing)) {
    const match = WATCH_INSTANCE.exec(name);
    const base = match?.[1];
    if (match === null || base === undefined || host.processes.isAlive(Number(match[2]))) continue;
    // Names are sorted: the base, whose reader tells whether it is in use, comes before its kin.
    if (busy.has(base) || !tryRemove(host.files, `${tracing}/instances/${name}`)) busy.add(base);
  }
}

function instanceNames(files: Files, tracing: string): string[] {
  try {
    return files
      .list(`${tracing}/instances`)
      .filter((entry) => entry.directory)
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

/** One CPU's ring, from per_cpu/cpuN/stats. */
export interface RingStats {
  /** Events overwritten or refused since the instance was made. */
  readonly lost: number;
  /** CLOCK_MONOTONIC µs of the oldest event kept; `null` when empty. */
  readonly oldestMicroseconds: number | null;
}

/**
 * All CPUs' statistics:
 *
 *     entries: 2
 *     overrun: 0
 *     oldest event ts:   413.558257
 *     dropped events: 0
 */
export function readRingStats(files: Files, instance: TraceInstance): RingStats[] {
  try {
    return files
      .list(`${instance.path}/per_cpu`)
      .map(({ name }) => files.tryReadText(`${instance.path}/per_cpu/${name}/stats`))
      .filter((text) => text !== null)
      .map(parseRingStats);
  } catch {
    return [];
  }
}

export function parseRingStats(text: string): RingStats {
  const number = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1] ?? 0);
  const oldest = /^oldest event ts: +(\d+)\.(\d{6})/m.exec(text);
  const lost = number("overrun") + number("dropped events");
  const micro = oldest === null ? 0 : Number(oldest[1]) * 1_000_000 + Number(oldest[2]);
  return { lost, oldestMicroseconds: micro === 0 ? null : micro };
}
