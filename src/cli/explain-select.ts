import type { ExplainedKill } from "../model/explanation.ts";
import type { UserspaceKillRecord } from "../model/record.ts";
import { parseRfc3339 } from "../sinks/time-bound.ts";
import type { Context } from "./environment.ts";
import { parseMoment, type RawOptions, textOption } from "./options.ts";

/** Which kills of a text are wanted. */
export interface Selection {
  /** µs since 1970. */
  readonly since: number | null;
  readonly pod: string | null;
  readonly unit: string | null;
}

/** `unknown`: its time is not in the text, so that it cannot be told whether it is wanted. */
export type Wanted = "yes" | "no" | "unknown";

export function selectionOf(context: Context, options: RawOptions): Selection {
  const since = textOption(options, "since");
  const now = context.host.clock.wallMicroseconds();
  return {
    since: since === null ? null : parseMoment(since, now),
    pod: textOption(options, "pod"),
    unit: textOption(options, "unit"),
  };
}

export function isWanted(kill: ExplainedKill, selection: Selection): Wanted {
  const { pod, unit } = selection;
  if (pod !== null && !isOfPod(kill, pod)) return "no";
  if (unit !== null && !isOfUnit(kill, unit)) return "no";
  return isSince(kill.at, selection.since);
}

export function isUserspaceWanted(kill: UserspaceKillRecord, selection: Selection): Wanted {
  const { pod, unit } = selection;
  const words = `${kill.cgroup ?? ""} ${kill.reason ?? ""}`;
  if (pod !== null && !podWords(pod).some((word) => words.includes(word))) return "no";
  if (unit !== null && !pathNames(kill.cgroup, unit)) return "no";
  return isSince(kill.at, selection.since);
}

function isSince(at: string | null, since: number | null): Wanted {
  if (since === null) return "yes";
  const moment = at === null ? null : parseRfc3339(at);
  if (moment === null) return "unknown";
  return moment >= since ? "yes" : "no";
}

/** `cart-0`, `shop/cart-0`, or a uid or its beginning; a text knows uids only. */
function isOfPod(kill: ExplainedKill, wanted: string): boolean {
  const { pod, cgroup, limit } = kill;
  const full = `${pod?.namespace ?? ""}/${pod?.name ?? ""}`;
  if (pod !== null && (pod.name === wanted || full === wanted)) return true;
  if (wanted.length < 6) return pod?.uid === wanted;
  const paths = `${cgroup.path ?? ""} ${limit.cgroup ?? ""} ${pod?.uid ?? ""}`;
  return podWords(wanted).some((word) => paths.includes(word));
}

/** systemd writes the uid of a pod with `_`. */
function podWords(wanted: string): readonly string[] {
  return [wanted, wanted.replaceAll("-", "_"), wanted.replaceAll("_", "-")];
}

function isOfUnit(kill: ExplainedKill, wanted: string): boolean {
  return (
    [wanted, `${wanted}.service`].includes(kill.unit ?? "") ||
    pathNames(kill.cgroup.path, wanted) ||
    pathNames(kill.limit.cgroup, wanted)
  );
}

/** Whether a unit is on the path, its type left out or not. */
function pathNames(path: string | null, wanted: string): boolean {
  const names = (path ?? "").split("/");
  return ["", ".service", ".scope", ".slice"].some((type) => names.includes(wanted + type));
}
