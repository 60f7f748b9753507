import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

const POD = "/kubepods/burstable/podbc001ffa-68fc-11e9-92d7-5ef9efd9374c";
const CONTAINER = `${POD}/a2ed67c63e828da3849bf9f506ae2b36b4dac5b402a57f2981c9bdc07b23e672`;

test("the cgroup of the victim is known before the victim", () => {
  const [report, ...others] = reports(
    `[  100.000001] Task in ${CONTAINER} killed as a result of limit of ${POD}`,
    "[  100.000002] memory: usage 125952kB, limit 125952kB, failcnt 3632",
  );
  assert.deepEqual([report?.kills, others], [[], []]);
  assert.deepEqual([report?.limitCgroup, report?.victimCgroup], [POD, CONTAINER]);
});
