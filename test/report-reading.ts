import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { OomReport, ReportEvent, ReportKill } from "../src/model/report.ts";
import { ReportReader } from "../src/parse/report-reader.ts";
import { type KernelLine, kernelLines } from "./report-style-kit.ts";

/** A real log, recorded from /dev/kmsg on the kernel of its name. */
export interface RecordedLog {
  readonly name: string;
  readonly lines: readonly KernelLine[];
}

const DIRECTORY = path.join(import.meta.dirname, "fixtures/reports");

export function recordedLogs(): readonly RecordedLog[] {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"));
  return files.toSorted().map((name) => {
    const lines = kernelLines(readFileSync(path.join(DIRECTORY, name), "utf8"));
    return { name, lines };
  });
}

export function readText(text: string): readonly ReportEvent[] {
  const reader = new ReportReader();
  const lines = text.replace(/\n$/, "").split("\n");
  const events = lines.flatMap((line) => reader.push(line));
  return [...events, ...reader.end()];
}

export function reportsOf(events: readonly ReportEvent[]): readonly OomReport[] {
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

export function killsOf(events: readonly ReportEvent[]): readonly ReportKill[] {
  return reportsOf(events).flatMap((report) => report.kills);
}

/** What the program rests on, without where and when it was said. */
export function factsOf(events: readonly ReportEvent[]): unknown {
  return reportsOf(events).map(
    ({ at: _at, uptimeSeconds: _uptime, lines: _lines, kills, ...report }) => ({
      ...report,
      kills: kills.map(({ at: _killAt, uptimeSeconds: _killUptime, line: _line, ...kill }) => kill),
    }),
  );
}
