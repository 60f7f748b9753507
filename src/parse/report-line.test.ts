import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDecidingLine } from "./report-line.ts";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

test("Virtuozzo names the victims in its containers", () => {
  const prefix = "Nov 24 12:17:04 hwnode kernel: [758955.653313] Out of memory in UB 1234: OOM";
  const rest = "killed process 21738 (php-cgi) score 0 vm:281988kB, rss:17004kB, swap:0kB";
  for (const lines of [[`${prefix} ${rest}`], [`${prefix} `, rest]]) {
    const [report, ...others] = reports(...lines);
    assert.deepEqual([others, report?.constraint], [[], null]);
    const victims = report?.kills.map(({ outcome, victim }) => [
      outcome,
      victim.pid,
      victim.comm,
      victim.totalVmBytes,
      victim.anonRssBytes,
    ]);
    assert.deepEqual(victims, [["killed", 21738, "php-cgi", 281988 * 1024, null]]);
  }
});

test("what a program's source leaves behind a line is none of the name", () => {
  const line = "Out of memory: Kill process 9876 (mysqld) score 856 or sacrifice child";
  for (const end of ["", '")', '\\n",']) {
    const read = parseDecidingLine(line + end);
    assert.deepEqual(read?.kind === "selection" && [read.comm, read.score], ["mysqld", 856]);
  }
});

test("a kill of which somebody left figures out tells the others; an example tells none", () => {
  const kept = parseDecidingLine("Killed process 3864781 (python) anon-rss:1210580kB");
  assert.deepEqual(kept?.kind === "killed" && [kept.comm, kept.anonRssBytes], [
    "python",
    1210580 * 1024,
  ]);
  const example = "Out of memory: Killed process 12345 (jellyfin) total-vm:...,anon-rss:...";
  assert.equal(parseDecidingLine(example), null);
});
