import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { matchGolden } from "../../test/golden.ts";
import type { KillRecord, SourceRecord } from "../model/record.ts";
import type { LineOptions } from "../sinks/terminal-style.ts";
import { textColumns } from "../sinks/terminal-text.ts";
import { CONTAINER, exitRecord, killRecord, LEDGER } from "../sinks/testing/records.ts";
import { formatDoctor } from "./doctor.ts";
import { formatExits, formatKills } from "./list.ts";
import { isPassed, type SelftestResult } from "./selftest.ts";
import { formatSelftest, jsonSelftest } from "./selftest-report.ts";
import { formatKillPage } from "./show.ts";

const NARROW: LineOptions = { unicode: true, colour: false, width: 80, offsetMinutes: () => 0 };
const BOOT = "5f6c2a34-";

function source(name: SourceRecord["source"], reason: string | null): SourceRecord {
  const state = reason === null ? "up" : "unavailable";
  return { type: "source", source: name, state, reason, lost: 0, missed: 0 };
}

const UNKNOWN: KillRecord = killRecord(2, {
  id: "00000000-node12",
  victim: {
    pid: null,
    tid: null,
    comm: null,
    uid: null,
    oomScoreAdj: null,
    main: null,
    totalVmBytes: null,
    anonRssBytes: null,
    fileRssBytes: null,
    shmemRssBytes: null,
    pageTableBytes: null,
  },
  trigger: null,
  limit: { scope: null, constraint: null, cgroup: null, bytes: null },
  cgroup: { path: null, id: null, version: null },
  attribution: "none",
  basis: null,
  recovered: true,
  witnesses: ["vmstat"],
});
const KNOWN = killRecord(1, {
  id: `${BOOT}1001-2`,
  incident: { id: `${BOOT}1001-2`, group: true },
});
const POD = killRecord(3, {
  id: `${BOOT}1003-2`,
  victim: { ...KNOWN.victim, comm: "x) \x1b[31m\n", main: true },
  container: {
    runtime: "containerd",
    id: "df1c",
    name: "api",
    image: "cart:2",
    imageId: null,
    restarts: 0,
  },
  pod: {
    namespace: "shop",
    name: "cart-0",
    uid: "u",
    container: "api",
    qosClass: "Burstable",
    owner: { kind: "StatefulSet", name: "cart" },
  },
});

const RESULT: SelftestResult = {
  kill: { pid: 1001, endedAt: 0 },
  from: "kernel",
  sources: [
    { record: source("kernel-log", null), latencySeconds: 0.0051 },
    { record: source("tracefs", null), latencySeconds: -0.001 },
    {
      record: source("probe", "no kprobe_events: boot a kernel that has it"),
      latencySeconds: null,
    },
    { record: source("cgroup", null), latencySeconds: null },
    { record: source("vmstat", null), latencySeconds: 1.5 },
  ],
  records: [KNOWN],
  ledger: { ...LEDGER, kernel: 1, recorded: 1 },
};

const FACTS = [
  { name: "kernel", value: "6.18.44" },
  { name: "root", value: true },
  { name: "dmesg_restrict", value: 1 },
  { name: "kprobe_events", value: null },
];

function golden(name: string, lines: readonly string[]): void {
  for (const line of lines) {
    assert.ok(textColumns(line, { unicode: true }) <= 80, line);
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  }
  matchGolden(path.join(import.meta.dirname, `${name}.golden.txt`), `${lines.join("\n")}\n`);
}

test("list, in 80 columns", () => {
  golden("list", formatKills([POD, UNKNOWN, KNOWN], BOOT, NARROW));
});

test("list in a machine without containers keeps its columns", () => {
  const bare = { ...KNOWN, victim: { ...KNOWN.victim, main: null } };
  assert.match(formatKills([bare], BOOT, NARROW)[0] ?? "", /PROCESS +MEMORY +LIMIT +WHOSE$/);
});

test("list --exits, in 80 columns and on a pipe", () => {
  const exits = [
    exitRecord(1),
    exitRecord(2, { verdict: "oom-unreported", kills: ["a", "b"] }),
    exitRecord(3, { verdict: "oom-stale", exitCode: 143, pod: null }),
    exitRecord(4, { verdict: "not-oom", kills: [] }),
    exitRecord(5, { verdict: "not-oom", exitCode: 0, signal: null, kills: [] }),
    exitRecord(6, {
      verdict: "unknown",
      exitCode: null,
      kills: [],
      pod: null,
      container: { ...CONTAINER, name: "x\x1b[2J\n" },
    }),
  ];
  golden("exits", formatExits(exits, NARROW));
  assert.match(formatExits(exits, { ...NARROW, width: null })[0] ?? "", /RESTARTS {2}CONTAINER/);
});

test("list on a pipe shortens nothing", () => {
  const path = `/kubepods/${"0123456789abcdef".repeat(4)}`;
  const kill = killRecord(1, { cgroup: { path, id: null, version: 2 } });
  const lines = formatKills([kill], null, { ...NARROW, width: null });
  assert.ok(lines[1]?.endsWith(path), lines[1]);
});

test("show: everything known, and what is not", () => {
  const child = {
    ...POD,
    victim: { ...KNOWN.victim, main: false },
    visibility: "invisible",
  } as const;
  const pages = [
    formatKillPage(KNOWN, null, NARROW),
    formatKillPage(UNKNOWN, null, NARROW),
    formatKillPage({ ...POD, visibility: "visible" }, exitRecord(4, { kills: [POD.id] }), NARROW),
    formatKillPage(child, null, NARROW),
  ].flatMap((page) => [...page, "", ""]);
  golden("show", pages);
});

test("doctor, in 80 columns", () => {
  const checked = RESULT.sources.map(({ record }) => ({
    record,
    note: record.source === "cgroup" ? "v1 at /sys/fs/cgroup/memory, 21 cgroups" : "",
  }));
  golden("doctor", formatDoctor(checked, FACTS, NARROW));
});

test("selftest: passed, missed, doubled", () => {
  const missed = { ...RESULT, from: "exit" as const, records: [] };
  const doubled = { ...RESULT, records: [KNOWN, UNKNOWN], ledger: { ...LEDGER, unaccounted: -1 } };
  const pages = [RESULT, missed, doubled].flatMap((one) => [
    ...formatSelftest(one, NARROW),
    "",
    "",
  ]);
  golden("selftest", pages);
  assert.deepEqual([RESULT, missed, doubled].map(isPassed), [true, false, false]);
  assert.equal(isPassed({ ...RESULT, ledger: { ...LEDGER, unaccounted: 1 } }), false);
  assert.match(
    JSON.stringify(jsonSelftest(RESULT)),
    /"source":"kernel-log".*"latencySeconds":0\.0051/,
  );
});
