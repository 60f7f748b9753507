import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { ReportEvent } from "../src/model/report.ts";
import { matchGolden } from "./golden.ts";
import { readText } from "./report-reading.ts";

const DIRECTORY = path.join(import.meta.dirname, "fixtures/reports-public");

/** What a log told, one line each. */
function linesOf(event: ReportEvent): readonly string[] {
  switch (event.kind) {
    case "problem":
      return [`problem: line ${event.line}: ${event.sentence}`];
    case "userspace-kill": {
      const { line, tool, pid, comm, cgroupPath, reason } = event.kill;
      return [`${line}: by ${tool}: ${[pid, comm, cgroupPath, reason].join(" | ")}`];
    }
    case "report": {
      const { outcome, constraint, limitCgroup, trigger, sysrq, groupCgroup, kills } = event.report;
      const flags = [sysrq ? "sysrq" : "", groupCgroup === null ? "" : "group"].join(" ").trim();
      const head = [outcome, constraint, limitCgroup, trigger?.comm, flags].join(" | ");
      const victims = kills.map(({ victim, line, cgroupPath, at }) => {
        const { tid, comm, uid, oomScoreAdj, totalVmBytes, anonRssBytes } = victim;
        const figures = [uid, oomScoreAdj, totalVmBytes, anonRssBytes, cgroupPath, at].join(" | ");
        return `  ${line}: ${tid} ${comm} | ${figures}`;
      });
      return [`${event.report.lines.first}: ${head}`, ...victims];
    }
  }
}

test("forms of log found in public", () => {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"));
  const pages = files.toSorted().map((name) => {
    const events = readText(readFileSync(path.join(DIRECTORY, name), "utf8"));
    return [name, ...events.flatMap(linesOf), ""].join("\n");
  });
  matchGolden(path.join(DIRECTORY, "read.golden"), pages.join("\n"));
});
