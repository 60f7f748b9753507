/**
 * The kprobe behind the `probe` source: its definition in `kprobe_events`, which is shared with every other user of tracing.
 *
 *     p:oomwitness/victim_oomwitness mark_oom_victim pid=+1264(%di):s32 tgid=+1268(%di):s32 …
 */
import { type Files, type Host, HostError } from "../host/host.ts";

const GROUP = "oomwitness";
const FUNCTION = "mark_oom_victim";
const WATCH_EVENT = /^p:oomwitness\/(victim_oomwitness_watch_(\d{1,10})_probe)\s/;

/** The event's name for an instance: names of events are global. */
export function probeEventName(instanceName: string): string {
  return `victim_${instanceName.replace(/\W/g, "_")}`.slice(0, 60);
}

/** `oomwitness/victim_…`, as in the events directory of an instance. */
export function probeEventPath(event: string): string {
  return `${GROUP}/${event}`;
}

/**
 * Defines the event, or keeps the one that is there when it is the same. `release` is called before another one is replaced:
 * an event that is in use cannot be removed. Throws `HostError`.
 */
export function defineProbe(
  host: Host,
  tracing: string,
  event: string,
  words: string,
  release: () => void,
): "kept" | "defined" | "no-such-function" {
  const { files } = host;
  const file = `${tracing}/kprobe_events`;
  const old = files
    .readText(file)
    .split("\n")
    .find((line) => line.startsWith(`p:${GROUP}/${event} `));
  if (old !== undefined) {
    const [, , ...rest] = old.split(" ");
    if (rest.join(" ") === words) return "kept";
    release();
    removeProbe(files, tracing, event);
  }
  for (const symbol of [FUNCTION, null]) {
    const name = symbol ?? specialised(files);
    if (name === null) break;
    if (tryDefine(files, file, `p:${GROUP}/${event} ${name} ${words}\n`)) return "defined";
  }
  return "no-such-function";
}

/** Only ever appended to: opening the file for writing from its start would remove the probes of others. */
function tryDefine(files: Files, file: string, line: string): boolean {
  try {
    files.appendText(file, line);
    return true;
  } catch (error) {
    if (error instanceof HostError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** A compiler may have made a copy of the function for the only way it is called; its one argument is still the first. */
function specialised(files: Files): string | null {
  const text = files.tryReadText("/proc/kallsyms") ?? "";
  return /\s(mark_oom_victim\.constprop\.\d+)$/m.exec(text)?.[1] ?? null;
}

/** Removes the event if it can be. */
export function removeProbe(files: Files, tracing: string, event: string): void {
  try {
    files.appendText(`${tracing}/kprobe_events`, `-:${GROUP}/${event}\n`);
  } catch {
    // Not there any more, or in use by somebody we do not know.
  }
}

/** Removes the events of `watch` processes that were killed. */
export function removeStaleProbes(host: Host, tracing: string): void {
  const lines = (host.files.tryReadText(`${tracing}/kprobe_events`) ?? "").split("\n");
  for (const line of lines) {
    const match = WATCH_EVENT.exec(line);
    const event = match?.[1];
    if (match === null || event === undefined || host.processes.isAlive(Number(match[2]))) continue;
    removeProbe(host.files, tracing, event);
  }
}
