import { KERNEL_SOURCE_NAMES } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
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
export function ownerText(record: KillRecord, room: number, options: LineOptions): string {
  const owner = ownerOf(record);
  const text = record.cgroup.path === owner ? compactPath(owner) : owner;
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
  if (pod !== null && pod.name !== null) {
    return [pod.namespace, pod.name, pod.container].filter((part) => part !== null).join("/");
  }
  return container?.name ?? unit ?? cgroup.path ?? "?";
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
