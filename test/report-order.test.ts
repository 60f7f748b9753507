/** A text whose newest line comes first tells the same kills as in the order in which it was written. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { OomReport, ReportEvent } from "../src/model/report.ts";
import { readText, recordedLogs, reportsOf } from "./report-reading.ts";
import { type KernelLine, kernelLines, type Style } from "./report-style-kit.ts";
import { STYLES } from "./report-styles.ts";

const STORMS = new URL("fixtures/kernel-logs/", import.meta.url);
const LOGS = [
  ...recordedLogs(),
  ...readdirSync(STORMS)
    .filter((name) => name.endsWith(".txt"))
    .map((name) => ({
      name,
      lines: kernelLines(readFileSync(new URL(name, STORMS), "utf8")),
    })),
];

function reversed(text: string): string {
  return `${text.trimEnd().split("\n").toReversed().join("\n")}\n`;
}

/** What must be the same, whatever the order of the reports. */
function told(events: readonly ReportEvent[]): readonly string[] {
  return reportsOf(events).flatMap(ofReport).toSorted();
}

function ofReport(report: OomReport): readonly string[] {
  const { trigger, constraint, limitCgroup, memory, tasks, groupCgroup, cgroupStats } = report;
  const whole = { trigger, constraint, limitCgroup, memory, tasks, groupCgroup, cgroupStats };
  if (report.kills.length === 0) return [JSON.stringify({ ...whole, outcome: report.outcome })];
  return report.kills.map(({ victim, outcome, cgroupPath, score }) =>
    JSON.stringify({ victim, outcome, cgroupPath, score, ...whole }),
  );
}

/** A style that prints each line of the log on one line, so that the order of lines is that of the log. */
function isByLine(style: Style): boolean {
  const lines: KernelLine[] = [1, 2, 3].map((second) => ({
    priority: 4,
    microseconds: second * 1_000_000,
    text: `Killed process ${second} (x)`,
  }));
  return style.write(lines).trimEnd().split("\n").length === lines.length;
}

const BY_LINE = STYLES.filter(isByLine);

/** Of all logs in all styles one in so many: together a few seconds. */
const SHARE = 10;

for (const [turn, style] of BY_LINE.entries()) {
  test(`newest first: ${style.name}`, () => {
    const logs = LOGS.filter((_log, index) => index % SHARE === turn % SHARE);
    assert.ok(logs.length > 5);
    for (const { name, lines } of logs) {
      const text = style.write(lines);
      assert.deepEqual(told(readText(reversed(text))), told(readText(text)), name);
    }
  });
}
