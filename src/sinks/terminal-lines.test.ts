import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { matchGolden } from "../../test/golden.ts";
import type { ExitRecord, KillRecord, SourceRecord } from "../model/record.ts";
import { formatLine, formatSentence, type LineRecord } from "./terminal-entries.ts";
import { formatEmpty, formatHeader, formatLedger, formatSourceChange } from "./terminal-header.ts";
import { formatHeading, formatInvisible, isTelling, type Joint } from "./terminal-lines.ts";
import { type LineOptions, unpainted } from "./terminal-style.ts";
import { textColumns } from "./terminal-text.ts";
import { bytesText } from "./terminal-words.ts";
import {
  CONTAINER as API,
  exitRecord,
  killRecord,
  LEDGER,
  POD,
  USERSPACE_KILL,
} from "./testing/records.ts";

const UTC = { offsetMinutes: () => 0 };
const PLAIN: LineOptions = { ...UTC, unicode: true, colour: false, width: 80 };
const CONTAINER = "0123456789abcdef".repeat(4);

function sentence(record: LineRecord): string {
  return formatSentence(record, { ...PLAIN, width: null });
}

function victim(change: Partial<KillRecord["victim"]>): KillRecord["victim"] {
  return { ...killRecord(1).victim, ...change };
}

/** A child that its container survives, one of which that is not known yet, a main process; then ends of the container. */
const CONTAINERS: readonly LineRecord[] = [
  killRecord(20, { container: API, pod: POD, visibility: "invisible" }),
  killRecord(21, { container: API, pod: POD, visibility: "pending" }),
  killRecord(22, {
    container: { ...API, runtime: "docker", name: "build" },
    victim: victim({ main: true }),
    visibility: "visible",
  }),
  exitRecord(23, { kills: ["a", "b"] }),
  exitRecord(24, { verdict: "oom-unreported" }),
  exitRecord(25, { verdict: "oom-stale", exitCode: 143, signal: 15 }),
  exitRecord(26, { verdict: "not-oom", kills: [], pod: null }),
  exitRecord(27, {
    verdict: "unknown",
    exitCode: null,
    pod: null,
    container: { ...API, name: null },
  }),
  USERSPACE_KILL,
];

/** A page of kills as they come: plain, unknown, hostile, in a group, in a pod, from before. */
const KILLS: readonly (readonly [LineRecord, Joint])[] = [
  [killRecord(1), "alone"],
  [killRecord(2, { recovered: true, witnesses: ["kernel-log"], attribution: "inferred" }), "alone"],
  [killRecord(3, { incident: { id: "g", group: true } }), "first"],
  [killRecord(4, { incident: { id: "g", group: true } }), "middle"],
  [killRecord(5, { incident: { id: "g", group: true } }), "last"],
  [
    killRecord(6, {
      victim: victim({ comm: null, pid: null, tid: null, anonRssBytes: null }),
      limit: { scope: null, constraint: null, cgroup: null, bytes: null },
      cgroup: { path: null, id: null, version: null },
      attribution: "none",
      witnesses: ["vmstat"],
    }),
    "alone",
  ],
  [killRecord(7, { victim: victim({ comm: "x) Killed\nproce", pid: 4194303 }) }), "alone"],
  [killRecord(8, { victim: victim({ comm: "\x1b]0;pwn\u202e日本" }) }), "alone"],
  [
    killRecord(9, {
      cgroup: {
        path: `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${CONTAINER}.scope`,
        id: 7,
        version: 2,
      },
      limit: {
        scope: "ancestor",
        constraint: "memcg",
        cgroup: "/kubepods.slice",
        bytes: 1.5 * 2 ** 30,
      },
    }),
    "alone",
  ],
  [
    killRecord(10, {
      pod: POD,
      victim: victim({ main: null }),
      limit: { scope: "node", constraint: "none", cgroup: null, bytes: null },
      witnesses: ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"],
    }),
    "alone",
  ],
  ...CONTAINERS.map((record) => [record, "alone"] as const),
];

const SOURCES: readonly { readonly record: SourceRecord; readonly note: string }[] = [
  { record: source("kernel-log", "blind", "saw none of the last 3 kills"), note: "" },
  { record: source("tracefs", "down", "EBUSY: another reader holds trace_pipe"), note: "" },
  {
    record: source(
      "probe",
      "unavailable",
      "no /sys/kernel/tracing/kprobe_events: boot a kernel built with CONFIG_KPROBE_EVENTS",
    ),
    note: "",
  },
  { record: source("cgroup", "up", null), note: "v1 at /sys/fs/cgroup/memory" },
  { record: source("vmstat", "down", null), note: "" },
  { record: source("docker", "unavailable", "no /run/docker.sock: start Docker"), note: "" },
];

function source(
  name: SourceRecord["source"],
  state: SourceRecord["state"],
  reason: string | null,
): SourceRecord {
  return { type: "source", source: name, state, reason, lost: 0, missed: 0 };
}

const ABOUT = { version: "0.1.0", node: "worker-3", kernel: "6.18.44" };
const BROKEN = { ...LEDGER, kernel: 313, recorded: 312, unaccounted: 1, unattributed: 2 };

function page(options: LineOptions): readonly string[] {
  const [down] = SOURCES.slice(1);
  return [
    ...formatHeader(ABOUT, SOURCES, options),
    ...formatEmpty("2026-11-20T23:10:05.123456Z", options),
    formatHeading(options),
    ...KILLS.map(([record, joint]) => formatLine(record, joint, options)),
    ...(down === undefined
      ? []
      : formatSourceChange(down.record, "2026-11-20T23:10:09.000000Z", options)),
    formatLedger({ ...LEDGER, kernel: null, unaccounted: null }, 0, options),
    formatLedger(LEDGER, 0, options),
    formatLedger(BROKEN, 3, options),
  ];
}

test("the page, at several widths, on a pipe, in ASCII and in colour", () => {
  const pages: readonly (readonly [string, LineOptions])[] = [
    ["80 columns", PLAIN],
    ["120 columns", { ...PLAIN, width: 120 }],
    ["50 columns", { ...PLAIN, width: 50 }],
    ["a pipe", { ...PLAIN, width: null }],
    ["ASCII, 80 columns", { ...PLAIN, unicode: false }],
    ["colour, 80 columns (ESC as ^)", { ...PLAIN, colour: true }],
  ];
  const text = pages
    .flatMap(([title, options]) => [`== ${title}`, ...page(options), ""])
    .join("\n");
  const file = path.join(import.meta.dirname, "terminal-lines.golden.txt");
  matchGolden(file, `${text.replaceAll("\x1b", "^")}\n`);
});

test("a kill for a log is one sentence with its id", () => {
  assert.equal(
    sentence(killRecord(1)),
    "23:10:05.001 killed hog[1001] child memory 19 MiB limit 20 MiB why memcg cgroup /docker/df1c seen KT···= id k00000001",
  );
  assert.equal(
    sentence(killRecord(1, { container: API, pod: POD, visibility: "invisible" })),
    "23:10:05.001 killed hog[1001] invisible memory 19 MiB limit 20 MiB why memcg pod shop/cart-0/api seen KT···= id k00000001",
  );
});

test("an exit for a log, a kill by userspace, and what became known too late for its line", () => {
  assert.equal(
    sentence(exitRecord(1)),
    "23:10:05.001 exit 137 oom-killed, 1 kill container shop/cart-0/api id containerd://0123456789ab",
  );
  assert.equal(
    sentence({ ...USERSPACE_KILL, comm: "hog\n", pid: 3 }),
    "23:10:05.000 systemd-oomd killed hog\\x0a[3]: memory pressure 72.3% > 60% for 20 s",
  );
  assert.equal(
    formatInvisible(killRecord(1, { container: API }), { ...PLAIN, width: null }),
    "23:10:05.001  hog[1001] was invisible: api lives on",
  );
});

test("an exit that has nothing to do with memory is not shown", () => {
  const telling = (verdict: ExitRecord["verdict"], exitCode: number | null, kills: string[] = []) =>
    isTelling(exitRecord(1, { verdict, exitCode, kills }));
  assert.deepEqual(
    [telling("not-oom", 0), telling("not-oom", 1), telling("unknown", null)],
    [false, false, false],
  );
  assert.deepEqual(
    [telling("not-oom", 137), telling("oom-stale", 0), telling("not-oom", 0, ["a"])],
    [true, true, true],
  );
});

test("bytes take at most 7 columns", () => {
  const cases: readonly (readonly [number | null, string])[] = [
    [null, "?"],
    [-1, "?"],
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KiB"],
    [15 * 2 ** 20, "15 MiB"],
    [1.5 * 2 ** 30, "1.5 GiB"],
    [1023 * 2 ** 20, "1.0 GiB"],
    [2 ** 63, "8 EiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text);
  const law = fc.property(fc.maxSafeNat(), (bytes) => bytesText(bytes).length <= 7);
  fc.assert(law);
});

const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.constant("\x1b[2J\r\n\u202e\u0300"),
  fc.constant(""),
);
const bytes = fc.option(fc.oneof(fc.maxSafeNat(), fc.constant(Number.MAX_VALUE)));
const hostileKill: fc.Arbitrary<KillRecord> = fc
  .record({
    at: fc.oneof(fc.constant("2026-11-20T23:10:05.123456Z"), hostileText),
    comm: fc.option(hostileText),
    pid: fc.option(fc.maxSafeNat()),
    path: fc.option(hostileText),
    name: hostileText,
    anon: bytes,
    limit: bytes,
    recovered: fc.boolean(),
    kind: fc.constantFrom("cgroup", "pod", "container", "unit"),
  })
  .map(({ at, comm, pid, path: cgroup, name, anon, limit, recovered, kind }) =>
    killRecord(1, {
      at,
      recovered,
      victim: victim({ comm, pid, tid: pid, anonRssBytes: anon }),
      cgroup: { path: cgroup, id: null, version: null },
      limit: { scope: null, constraint: null, cgroup, bytes: limit },
      unit: kind === "unit" ? name : null,
      container:
        kind === "container"
          ? { runtime: name, id: name, name, image: name, imageId: name, restarts: null }
          : null,
      pod:
        kind === "pod"
          ? { namespace: name, name, uid: name, container: name, qosClass: name, owner: null }
          : null,
    }),
  );

test("law: no kill, however it is called, makes a line wider than the terminal or moves the cursor", () => {
  const joint = fc.constantFrom<Joint>("alone", "first", "middle", "last");
  const width = fc.integer({ min: 1, max: 140 });
  const law = fc.property(
    hostileKill,
    joint,
    width,
    fc.boolean(),
    fc.boolean(),
    (record, at, columns, unicode, colour) => {
      const options: LineOptions = { ...UTC, unicode, colour, width: columns };
      const name = record.container?.name ?? null;
      const container = { ...API, name, id: name ?? "", runtime: name ?? "" };
      const exit = exitRecord(1, { at: record.at, container, pod: record.pod });
      const { comm, pid } = record.victim;
      const oomd = { ...USERSPACE_KILL, at: record.at, comm, pid, cgroup: name, reason: name };
      for (const line of [
        formatLine(record, at, options),
        formatSentence(record, options),
        formatInvisible(record, options),
        ...[exit, oomd].flatMap((one) => [
          formatLine(one, at, options),
          formatSentence(one, options),
        ]),
        formatHeading(options),
        formatLedger(LEDGER, 7, options),
      ]) {
        const text = unpainted(line);
        assert.ok(
          textColumns(text, { unicode: true }) <= columns,
          `${JSON.stringify(text)} in ${columns}`,
        );
        assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        if (!colour) assert.equal(line, text);
      }
      const free = formatLine(record, at, { ...options, width: null });
      assert.doesNotMatch(unpainted(free), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    },
  );
  fc.assert(law, { numRuns: 1_000 });
});
