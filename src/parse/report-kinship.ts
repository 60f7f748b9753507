/** Which lines are of one report, by their times and by whom they name. */
import type { ReportKill } from "../model/report.ts";
import type { KilledLine } from "./kernel-log-kill-lines.ts";
import type { ReportDraft } from "./report-draft.ts";
import type { WholeLine } from "./report-joiner.ts";
import type { DecidingLine } from "./report-line.ts";

/** A report with a long table on a slow console took 3 s (measured on 2.6.32); a minute is another one. */
export const MAX_REPORT_SECONDS = 60;
/** Between the line that announces a victim and the kill of another one, its child. */
const MAX_CHILD_SECONDS = 5;
/** Lines that come once in a report. */
const ONCE: ReadonlySet<DecidingLine["kind"]> = new Set([
  "header",
  "task-in",
  "summary",
  "selection",
  "group",
]);

/** What a line that comes once has in common with its copy in a passage pasted twice; `null` for other lines. */
export function pasteKey(line: DecidingLine, at: WholeLine): string | null {
  if (at.uptimeSeconds === null || !ONCE.has(line.kind)) return null;
  const named = line.kind === "summary" ? (line.pid ?? at.text) : at.text;
  return `${line.kind} ${at.uptimeSeconds} ${named}`;
}

/** The kernel announced a kill, and its reaper names the victim first. */
export function lacksVictim(open: ReportDraft, tid: number, at: WholeLine): boolean {
  if (open.decided || open.summary !== null || open.selection !== null) return false;
  if (isLater(open, at, MAX_REPORT_SECONDS)) return false;
  return open.header !== null || open.taskIn !== null || open.tasks.groupOf(tid) !== null;
}

type Stamped = Pick<WholeLine, "uptimeSeconds" | "wallMicroseconds">;

/** A script says "Killed process 12" too, and the kernel's source "Killed process %d (%s)". */
export function isNoKill(line: KilledLine, at: WholeLine, open: ReportDraft | null): boolean {
  if (line.comm === "%s") return true;
  return line.comm === null && line.scope === null && at.origin !== "kernel" && open === null;
}

export function secondsBetween(line: WholeLine, kill: ReportKill): number | null {
  if (line.uptimeSeconds === null || kill.uptimeSeconds === null) return null;
  return Math.abs(line.uptimeSeconds - kill.uptimeSeconds);
}

/** Another victim was announced, and long before. */
export function isAnothers(open: ReportDraft, { tid }: KilledLine, at: WholeLine): boolean {
  const announced = open.selectionLine ?? open.summaryLine;
  const named = open.selection?.pid ?? open.summary?.pid ?? null;
  return announced !== null && named !== tid && isLater(announced, at, MAX_CHILD_SECONDS);
}

export function isLater(open: Stamped, line: WholeLine, thanSeconds: number): boolean {
  const { uptimeSeconds, wallMicroseconds } = line;
  if (uptimeSeconds !== null && open.uptimeSeconds !== null)
    return Math.abs(uptimeSeconds - open.uptimeSeconds) > thanSeconds;
  if (wallMicroseconds === null || open.wallMicroseconds === null) return false;
  return Math.abs(wallMicroseconds - open.wallMicroseconds) > thanSeconds * 1e6;
}
