import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import type { OomReport } from "../model/report.ts";
import { KmsgDecoder } from "../parse/kmsg-record.ts";
import { ReportReader } from "../parse/report-reader.ts";
import { KernelLogReports } from "./kernel-log-reports.ts";

const fixture = (name: string) =>
  readFileSync(new URL(`../../test/fixtures/reports/${name}.txt`, import.meta.url));

function read(bytes: Uint8Array): OomReport[] {
  const reports = new KernelLogReports();
  const told = new KmsgDecoder().push(bytes).flatMap((record) => reports.push(record));
  return [...told, ...reports.end()];
}

/** Lines of a text are numbered; records that were passed over are not. */
const unnumbered = (report: OomReport) => ({
  ...report,
  lines: null,
  kills: report.kills.map((kill) => ({ ...kill, line: null })),
});

for (const name of ["6.1-memcg", "6.1-supervisor", "6.1-group", "6.1-global", "6.18-tmpfs"]) {
  it(`${name}: records give the reports of the text`, () => {
    const reader = new ReportReader();
    const lines = fixture(name).toString("utf8").split("\n");
    const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
    const expected = events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
    assert.ok(expected.length > 0);
    assert.deepEqual(read(fixture(name)).map(unnumbered), expected.map(unnumbered));
  });
}

it("what user space writes is no report, whatever it says", () => {
  const forged = fixture("6.1-memcg")
    .toString("utf8")
    .replaceAll(/^(\d),/gm, "1$1,");
  assert.deepEqual(read(Buffer.from(forged)), []);
});

it("a name with a backslash or a newline stays one name", () => {
  const words =
    "total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0";
  for (const [written, name] of [
    ["a\\x5cx0ab", "a\\x0ab"],
    ["a\\x0ab", "a\nb"],
    ["\\x5c", "\\"],
  ]) {
    const line = `3,10,5000000,-;Out of memory: Killed process 77 (${written}) ${words}\n`;
    const [report] = read(Buffer.from(line));
    assert.equal(report?.kills[0]?.victim.comm, name);
    assert.equal(report?.kills.length, 1);
  }
});
