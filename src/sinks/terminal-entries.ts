import type { ExitRecord, KillRecord, UserspaceKillRecord } from "../model/record.ts";
import {
  formatExit,
  formatExitSentence,
  formatKill,
  formatKillSentence,
  formatStory,
  formatStorySentence,
  formatUserspaceKill,
  type Joint,
} from "./terminal-lines.ts";
import type { LineOptions } from "./terminal-style.ts";

/** Why a kill told before happened, in one line. */
interface StoryLine {
  readonly type: "story";
  readonly record: KillRecord;
  readonly headline: string;
}

/** What gets a line of its own, in the order it was told: kills before their container's exit. */
export type LineRecord = KillRecord | ExitRecord | UserspaceKillRecord | StoryLine;

/** Below a heading, for people who watch. */
export function formatLine(record: LineRecord, joint: Joint, options: LineOptions): string {
  switch (record.type) {
    case "kill":
      return formatKill(record, joint, options);
    case "exit":
      return formatExit(record, options);
    case "userspace-kill":
      return formatUserspaceKill(record, options);
    case "story":
      return formatStory(record.record, record.headline, options);
  }
}

/** For a log. */
export function formatSentence(record: LineRecord, options: LineOptions): string {
  switch (record.type) {
    case "kill":
      return formatKillSentence(record, options);
    case "exit":
      return formatExitSentence(record, options);
    case "userspace-kill":
      return formatUserspaceKill(record, options, " ");
    case "story":
      return formatStorySentence(record.record, record.headline, options);
  }
}

/** `null` for what belongs to no run of the OOM killer. */
export function incidentOf(record: LineRecord | undefined): string | null {
  return record?.type === "kill" ? record.incident.id : null;
}

export function isKill(record: LineRecord, id: string): boolean {
  return record.type === "kill" && record.id === id;
}

export function isExit(record: LineRecord, id: string): boolean {
  return record.type === "exit" && record.id === id;
}

/** Whether the container's main process outlives it is not known yet. */
export function isPending(record: LineRecord): boolean {
  return record.type === "kill" && record.visibility === "pending";
}

export function isInvisible(record: LineRecord): boolean {
  return record.type === "kill" && record.visibility === "invisible";
}
