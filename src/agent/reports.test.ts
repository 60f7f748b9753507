import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import type { KillRecord } from "../model/record.ts";
import type { OomReport, ReportObservation } from "../model/report.ts";
import { formatWall, SECOND } from "../model/time.ts";
import { ReportReader } from "../parse/report-reader.ts";
import type { StreamRecord } from "../sinks/sink.ts";
import { killRecord } from "../sinks/testing/records.ts";
import { Reports } from "./reports.ts";

const WALL = 1_795_216_205_000_000;

/** Observations of a captured log, with the times that the source gives them. */
function observations(name: string): ReportObservation[] {
  const url = new URL(`../../test/fixtures/reports/${name}.txt`, import.meta.url);
  const reader = new ReportReader();
  const lines = readFileSync(url, "utf8").split("\n");
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [observation(event.report)] : []));
}

function observation(report: OomReport): ReportObservation {
  const wall = (seconds: number | null) => WALL + Math.round((seconds ?? 0) * SECOND);
  const monotonicMicroseconds = Math.round((report.uptimeSeconds ?? 0) * SECOND);
  const wallMicroseconds = wall(report.uptimeSeconds);
  const at = { monotonicMicroseconds, wallMicroseconds, uncertaintyMicroseconds: 0 };
  const kills = report.kills.map((kill) => ({ ...kill, at: formatWall(wall(kill.uptimeSeconds)) }));
  return { kind: "report", source: "kernel-log", at, report: { ...report, kills } };
}

/** The records that the ledger makes of the kills of these reports. */
function recordsOf(told: readonly ReportObservation[]): KillRecord[] {
  return told.flatMap(({ report }, run) =>
    report.kills.map((kill, index) =>
      killRecord(run * 100 + index, {
        at: kill.at ?? "",
        incident: { id: `run ${run}`, group: report.groupCgroup !== null },
        victim: { ...kill.victim, main: null },
        limit: {
          scope: "cgroup",
          constraint: "memcg",
          cgroup: report.limitCgroup,
          bytes: report.memory?.limitBytes ?? null,
        },
        // The ledger knows it also where the kernel no longer names it.
        cgroup: {
          path: kill.cgroupPath ?? told[0]?.report.limitCgroup ?? null,
          id: null,
          version: 2,
        },
      }),
    ),
  );
}

const stream = (records: readonly KillRecord[]): StreamRecord[] =>
  records.map((record, index) => ({ sequence: index + 1, record }));

for (const first of ["report", "record"] as const) {
  it(`a kill has its story whichever comes first: the ${first}`, () => {
    const reports = new Reports(WALL);
    const told = observations("6.1-tmpfs");
    const records = recordsOf(told);
    if (first === "report") for (const one of told) reports.observe(one, 0);
    reports.told(stream(records), 1_000);
    if (first === "record") for (const one of told) reports.observe(one, 2_000);
    assert.deepEqual(reports.due(100_000), [], "its evidence may still grow");
    assert.ok(reports.pending);
    const stories = reports.due(400_000);
    assert.deepEqual(
      stories.map(({ record }) => record.id),
      records.map(({ id }) => id),
    );
    for (const { explanation } of stories) {
      assert.equal(explanation.rankingAgrees, true);
      assert.ok(explanation.findings.some(({ rule }) => rule === "memory-volume"));
    }
    assert.deepEqual(reports.due(900_000), [], "once");
    assert.equal(reports.pending, false);
  });
}

it("without a report the record is explained after a while, and says so; a late report tells more", () => {
  const reports = new Reports(WALL);
  const told = observations("6.1-memcg");
  reports.told(stream(recordsOf(told)), 0);
  assert.deepEqual(reports.due(1_000_000), []);
  const [alone] = reports.due(2_100_000);
  assert.ok(alone?.explanation.findings.some(({ rule }) => rule === "lost-evidence"));
  assert.equal(alone?.explanation.memory, null);
  for (const one of told) reports.observe(one, 2_300_000);
  const [whole] = reports.due(2_300_000);
  assert.ok(whole?.explanation.memory !== null);
});

it("the line that the rate limit leaves of a report is none", () => {
  const reports = new Reports(WALL);
  const told = observations("6.1-supervisor");
  assert.equal(told.length, 13);
  for (const one of told) reports.observe(one, 0);
  reports.told(stream(recordsOf(told)), 0);
  const stories = reports.due(500_000);
  const silent = stories.filter(({ explanation }) =>
    explanation.findings.some(({ rule }) => rule === "lost-evidence"),
  );
  const without = told.filter(({ report }) => report.tasks.length === 0).length;
  assert.ok(without > 0);
  assert.equal(silent.filter(({ explanation }) => explanation.memory === null).length, without);
  assert.match(JSON.stringify(stories.at(-1)?.explanation.findings), /the 13th kill here/);
});

it("while kills come only a few are explained at once", () => {
  const reports = new Reports(WALL);
  const kills = Array.from({ length: 50 }, (_, index) => killRecord(index));
  reports.told(stream(kills), 0);
  reports.told(stream([killRecord(99)]), 2_000_000);
  assert.equal(reports.due(2_100_000).length, 2);
  assert.equal(reports.due(2_110_000).length, 0, "and not in each turn of the loop");
  assert.equal(reports.due(2_200_000).length, 2);
  assert.equal(reports.due(2_400_000).length, 20);
  assert.equal(reports.due(2_400_001).length, 20);
});

it("an amendment that changes the story is told, another one is not", () => {
  const reports = new Reports(WALL);
  const told = observations("6.1-ancestor");
  const [record] = recordsOf(told);
  assert.ok(record !== undefined);
  for (const one of told) reports.observe(one, 0);
  reports.told(stream([record]), 0);
  assert.equal(reports.due(400_000).length, 1);
  reports.told(stream([{ ...record, revision: 1, witnesses: ["kernel-log"] }]), 500_000);
  assert.deepEqual(reports.due(900_000), []);
  const pod = { namespace: "shop", name: "cart-0", uid: null, container: "api" };
  const limit = { ...record.limit, scope: "pod" } as const;
  const owned = { limit, pod: { ...pod, qosClass: null, owner: null } };
  reports.told(stream([{ ...record, ...owned, revision: 2 }]), 1_000_000);
  const [story] = reports.due(1_400_000);
  assert.match(JSON.stringify(story?.explanation), /cart-0/);
  // Minutes later its report is forgotten: a story without it would tell less.
  reports.told(stream([{ ...record, ...owned, revision: 3, unit: "x" }]), 90_000_000);
  reports.observe(observations("6.1-memcg")[0] ?? assert.fail(), 90_000_000);
  assert.deepEqual(reports.due(95_000_000), []);
});

it("a pid that was given again has the story of its own kill", () => {
  const reports = new Reports(WALL);
  const [first] = observations("6.1-memcg");
  assert.ok(first !== undefined);
  const [record] = recordsOf([first]);
  assert.ok(record !== undefined);
  reports.observe(first, 0);
  const later = { ...record, id: "later", at: formatWall(WALL + 120 * SECOND) };
  reports.told(stream([later]), 0);
  const other = { ...record, id: "other", victim: { ...record.victim, comm: "other" } };
  reports.told(stream([other]), 0);
  const stories = reports.due(2_000_000);
  assert.deepEqual(
    stories.map(({ explanation }) => explanation.memory),
    [null, null],
  );
});

it("members of a group kill share one report and one past", () => {
  const reports = new Reports(WALL);
  const told = observations("6.1-group");
  for (const one of told) reports.observe(one, 0);
  reports.told(stream(recordsOf(told)), 0);
  const stories = reports.due(400_000);
  assert.equal(stories.length, 5);
  for (const { explanation } of stories) {
    assert.ok(explanation.findings.some(({ rule }) => rule === "group"));
    assert.doesNotMatch(JSON.stringify(explanation), /\dnd kill here/);
  }
});

it("a storm is explained in turns, and nothing grows without a bound", () => {
  const reports = new Reports(WALL);
  const [report] = observations("6.1-global");
  assert.ok(report !== undefined);
  for (let index = 0; index < 5_000; index++) {
    reports.observe(report, index);
    reports.told([{ sequence: index, record: killRecord(index) }], index);
  }
  let told = 0;
  let turns = 0;
  for (; reports.pending; turns++) {
    const stories = reports.due(10_000_000);
    assert.ok(stories.length <= 20);
    told += stories.length;
  }
  assert.equal(told, 2_000);
  assert.equal(turns, 100);
});
