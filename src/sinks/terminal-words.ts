import { KERNEL_SOURCE_NAMES } from "../model/observation.ts";
import type { ContainerRecord, ExitRecord, KillRecord, PodRecord } from "../model/record.ts";
import { type LineOptions, sign } from "./terminal-style.ts";
import {
  safeText,
  shortenEnd,
  shortenMiddle,
  type TextOptions,
  textColumns,
} from "./terminal-text.ts";

/** `comm[pid]`; the name gives way before the pid. */
export function processText(record: KillRecord, width: number, options: LineOptions): string {
  const { comm, pid, tid } = record.victim;
  const number = pid ?? tid;
  const digits = number === null ? "" : `[${number}]`;
  if (comm === null && number === null) return "?";
  return shortenEnd(comm ?? "?", Math.max(1, width - digits.length), options) + digits;
}

/** Whose it was, in the best words known: pod, container, unit, cgroup. */
export function ownerText(owner: string, room: number, options: LineOptions): string {
  const text = owner.startsWith("/") ? compactPath(owner) : owner;
  if (room === Number.POSITIVE_INFINITY) return safeText(owner, options);
  if (room < 4) return "";
  return text.startsWith("/")
    ? shortenPath(text, room, options)
    : shortenMiddle(text, room, options);
}

/** A path keeps its last component whole as long as it can: `/kub…/0123456789ab`. */
function shortenPath(text: string, room: number, options: LineOptions): string {
  const last = text.slice(text.lastIndexOf("/"));
  const head = room - textColumns(last, options);
  if (textColumns(text, options) <= room || head < 3) return shortenMiddle(text, room, options);
  return shortenEnd(text, head, options) + safeText(last, options);
}

/** The owner of a kill in full: `namespace/pod/container`, container name, unit or cgroup path; `?` when unknown. */
export function ownerOf(record: KillRecord): string {
  const { pod, container, unit, cgroup } = record;
  return containerOf(container, pod) ?? unit ?? cgroup.path ?? "?";
}

/** The container of an exit, as `ownerOf` names that of a kill. */
export function exitOwnerOf({ container, pod }: ExitRecord): string {
  return containerOf(container, pod) ?? container.id.slice(0, ID_DIGITS);
}
const ID_DIGITS = 12;

/** `null` when neither has a name. */
function containerOf(container: ContainerRecord | null, pod: PodRecord | null): string | null {
  if (pod === null || pod.name === null) return container?.name ?? null;
  return [pod.namespace, pod.name, pod.container].filter((part) => part !== null).join("/");
}

/** What kind of name `ownerOf` gives. */
export function ownerKind({ pod, container, unit }: KillRecord): string {
  if (pod !== null && pod.name !== null) return "pod";
  if (container !== null && container.name !== null) return "container";
  return unit === null ? "cgroup" : "unit";
}

/**
 * Who died in the container: `main` process, a `child`, or a child that the container survived: `invisible`, since
 * no exit and no restart tells. "" outside containers.
 */
export function victimText({ victim, visibility, container, pod }: KillRecord): string {
  if (visibility === "invisible") return visibility;
  if (victim.main !== null) return victim.main ? "main" : "child";
  if (visibility === "visible") return visibility;
  return container === null && pod === null ? "" : "?";
}

/** What an exit was, in words: `oom-killed, 2 kills`, `137 but not OOM`. */
export function verdictText(exit: ExitRecord): string {
  const count = exit.kills.length;
  const kills = count === 0 ? "" : count === 1 ? ", 1 kill" : `, ${count} kills`;
  return verdictWords(exit) + kills;
}

function verdictWords({ verdict, exitCode }: ExitRecord): string {
  switch (verdict) {
    case "oom-killed":
      return "oom-killed";
    case "oom-unreported":
      return "OOM hidden as Error";
    case "oom-stale":
      return "OOMKilled is stale";
    case "not-oom":
      return exitCode === 137 ? "137 but not OOM" : "not OOM";
    case "unknown":
      return "reason unknown";
  }
}

/** `exit 137`; `exit ?` when the runtime does not know the code. */
export function exitText({ exitCode }: ExitRecord): string {
  return `exit ${exitCode ?? "?"}`;
}

/** A cgroup path with its machine-made parts shortened: container ids to the usual 12 digits, scope wrappers dropped. */
export function compactPath(path: string): string {
  return path
    .replace(/(?:cri-containerd|docker|crio|libpod)-([0-9a-f]{64})\.scope/g, "$1")
    .replace(/[0-9a-f]{64}/g, (id) => id.slice(0, 12));
}

/** Which limit: `memcg`, `ancestor`, `pod`, `node`, `cpuset`, `policy`; `?` when unknown. */
export function whyText(record: KillRecord): string {
  if (record.outcome !== "killed" && record.outcome !== "unknown") return record.outcome;
  switch (record.limit.scope) {
    case "ancestor":
    case "pod":
    case "node":
    case "cpuset":
      return record.limit.scope;
    case "mempolicy":
      return "policy";
    case "container":
    case "cgroup":
      return "memcg";
    case null:
      return constraintText(record);
  }
}

function constraintText(record: KillRecord): string {
  switch (record.limit.constraint) {
    case "memcg":
    case "cpuset":
      return record.limit.constraint;
    case "none":
      return "node";
    case "memory_policy":
      return "policy";
    case null:
      return "?";
  }
}

/** Witnesses as initials in fixed places and how the cgroup was found: `KT-CV=`. */
export function seenText(record: KillRecord, options: TextOptions): string {
  const letters = KERNEL_SOURCE_NAMES.map((name) =>
    record.witnesses.includes(name) ? name.charAt(0).toUpperCase() : sign("unseen", options),
  );
  return letters.join("") + attributionMark(record);
}

function attributionMark(record: KillRecord): string {
  switch (record.attribution) {
    case "exact":
      return "=";
    case "inferred":
      return "~";
    case "none":
      return "?";
  }
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** Bytes in at most 7 columns: `15 MiB`, `1.5 GiB`; `?` when unknown. */
export function bytesText(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes) || bytes < 0) return "?";
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 9.95 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? "B"}`;
}
