/**
 * Whole reports of real kernels (test/fixtures/reports, made by lab/reports.ts) against what the parents of the dead know:
 * the parser finds exactly the kills, and the ranking computed again names the kernel's victim.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, it } from "node:test";
import { rank, victimRow } from "../src/explain/badness.ts";
import type { OomReport } from "../src/model/report.ts";
import { ReportReader } from "../src/parse/report-reader.ts";

const FIXTURES = new URL("fixtures/reports/", import.meta.url);
const TRUTH = ".truth.json";
const NAMES = readdirSync(FIXTURES)
  .filter((name) => name.endsWith(TRUTH))
  .map((name) => name.slice(0, -TRUTH.length))
  .sort();

interface Truth {
  readonly outcome: "killed" | "none-killable" | "panic";
  readonly constraint: string;
  readonly limitCgroup?: string | null;
  readonly limitBytes?: number | null;
  readonly trigger?: string | null;
  readonly sysrq: boolean;
  readonly groupCgroup?: string | null;
  readonly victims: readonly {
    readonly pid: number;
    readonly tid: number;
    readonly comm: string;
  }[];
  readonly members?: readonly number[] | null;
  readonly allocatingTask?: boolean;
}

function read(name: string): { readonly reports: readonly OomReport[]; readonly truth: Truth } {
  const text = readFileSync(new URL(`${name}.txt`, FIXTURES), "utf8");
  const truth: Truth = JSON.parse(readFileSync(new URL(`${name}${TRUTH}`, FIXTURES), "utf8"));
  const reader = new ReportReader();
  const events = [...text.split("\n").flatMap((line) => reader.push(line)), ...reader.end()];
  const others = events.filter((event) => event.kind !== "report");
  assert.deepEqual(others, [], "nothing but reports is in it");
  return {
    reports: events.flatMap((event) => (event.kind === "report" ? event.report : [])),
    truth,
  };
}

const ranked = { chosen: 0, agrees: 0, ties: 0, told: 0, without: 0 };

/** A report that the rate limit left something of. */
const isWhole = (report: OomReport) => report.trigger !== null && report.tasks.length > 0;

for (const name of NAMES) {
  it(`${name}: every kill and no other`, () => {
    const { reports, truth } = read(name);
    const tids = reports.flatMap((report) => report.kills.map(({ victim }) => victim.tid));
    assert.deepEqual(tids.toSorted(ascending), truth.victims.map(({ tid }) => tid).sort(ascending));
    assert.ok(reports.some(isWhole), "a whole report is in it");
    for (const report of reports.filter(isWhole)) checkReport(report, truth);
    const [first] = reports;
    if (truth.members)
      assert.deepEqual(
        (first?.tasks ?? []).map(({ pid }) => pid).sort(ascending),
        truth.members.toSorted(ascending),
      );
  });

  it(`${name}: the ranking names the kernel's victim`, () => {
    const { reports, truth } = read(name);
    for (const report of reports) checkRanking(report, truth.allocatingTask ?? false);
  });
}

function ascending(a: number | null, b: number | null): number {
  return (a ?? 0) - (b ?? 0);
}

function checkReport(report: OomReport, truth: Truth): void {
  assert.deepEqual(report.problems, []);
  assert.equal(report.sysrq, truth.sysrq);
  if (report.kills.length > 0) assert.equal(report.outcome, "killed");
  else assert.ok(report.outcome === truth.outcome || report.outcome === "none-killable");
  // A panic comes before the line that says what ran out.
  if (truth.outcome === "killed" && report.kills.length > 0)
    assert.equal(report.constraint, truth.constraint);
  if (truth.limitCgroup && report.kills.length > 0)
    assert.equal(report.limitCgroup, truth.limitCgroup);
  if (truth.limitBytes) assert.equal(report.memory?.limitBytes, truth.limitBytes);
  if (truth.trigger) assert.equal(report.trigger?.comm, truth.trigger);
  if (truth.groupCgroup) assert.equal(report.groupCgroup, truth.groupCgroup);
}

function checkRanking(report: OomReport, allocatingTask: boolean): void {
  const victim = report.kills[0]?.victim;
  if (victim === undefined || report.tasks.length === 0) {
    ranked.without += 1;
    return;
  }
  const row = victimRow(report, victim.tid, victim.pid);
  assert.ok(row !== null, "the victim is in the table");
  const { order, agrees, doubt } = rank(report, row);
  if (allocatingTask) {
    assert.equal(report.trigger?.pid, victim.pid, "the one that asked was killed");
    assert.match(doubt ?? "", /oom_kill_allocating_task/);
    ranked.told += 1;
    return;
  }
  ranked.chosen += 1;
  assert.equal(agrees, true, doubt ?? "another one comes first");
  assert.equal(order[0]?.task.pid, row.pid);
  const [first, second] = order;
  // Of equals the kernel takes one, and which is not in the report.
  if (second !== undefined && second.badness === first?.badness) ranked.ties += 1;
  ranked.agrees += 1;
}

it("every kernel has every situation that it can have", () => {
  const kernels = new Map<string, number>();
  for (const name of NAMES) {
    const kernel = name.slice(0, name.indexOf("-"));
    kernels.set(kernel, (kernels.get(kernel) ?? 0) + 1);
  }
  const host = kernels.get("6.18");
  assert.ok((host ?? 0) >= 6, "this machine");
  for (const kernel of ["5.10", "6.1", "6.12", "7.2"])
    assert.equal(kernels.get(kernel), 14, kernel);
});

after(() => {
  const { agrees, chosen, ties, told, without } = ranked;
  const rest = `${told} more were chosen by vm.oom_kill_allocating_task, ${without} reports have no victim or no table`;
  process.stdout.write(
    `ranking recomputed: it names the victim in ${agrees} of ${chosen} reports of ${NAMES.length} captures (${ties} ties); ${rest}\n`,
  );
});
