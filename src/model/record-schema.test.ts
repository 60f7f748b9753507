import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { test } from "node:test";
import type { z } from "zod";
import type { ExplainedKill } from "./explanation.ts";
import type { KillRecord, LedgerRecord, OutputRecord, SourceRecord } from "./record.ts";
import {
  type explainedKillSchema,
  type killRecordSchema,
  type ledgerRecordSchema,
  outputRecordSchema,
  recordsJsonSchema,
  type sourceRecordSchema,
} from "./record-schema.ts";

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

// These lines are the test: they do not compile when an interface and its schema differ.
const sameKill: Same<Mutable<KillRecord>, Mutable<z.infer<typeof killRecordSchema>>> = true;
const sameLedger: Same<Mutable<LedgerRecord>, z.infer<typeof ledgerRecordSchema>> = true;
const sameSource: Same<Mutable<SourceRecord>, z.infer<typeof sourceRecordSchema>> = true;
const sameRecord: Same<Mutable<OutputRecord>, Mutable<z.infer<typeof outputRecordSchema>>> = true;
type Explained = Omit<Mutable<z.infer<typeof explainedKillSchema>>, "log">;
const sameExplained: Same<Mutable<ExplainedKill>, Explained> = true;

/** The example of the contract. */
const KILL: KillRecord = {
  type: "kill",
  id: "5b2f1c9e-4219-2",
  revision: 0,
  at: "2026-11-20T23:10:05.123456Z",
  node: "worker-3",
  bootId: "5b2f1c9e-7d1a-4a53-9a3e-0f5c4f7a1b2c",
  incident: { id: "5b2f1c9e-4219-2", group: false },
  victim: {
    pid: 4219,
    tid: 4219,
    comm: "hog",
    uid: 0,
    oomScoreAdj: 0,
    main: false,
    totalVmBytes: 22_077_440,
    anonRssBytes: 20_316_160,
    fileRssBytes: 151_552,
    shmemRssBytes: 0,
    pageTableBytes: 77_824,
  },
  trigger: { pid: 4219, comm: "hog" },
  outcome: "killed",
  limit: { scope: "container", constraint: "memcg", cgroup: "/docker/df1c", bytes: 20_971_520 },
  cgroup: { path: "/docker/df1c", id: 73, version: 1 },
  container: {
    runtime: "docker",
    id: "df1c",
    name: "a2",
    image: "box:2",
    imageId: "sha256:0a",
    restarts: 0,
  },
  pod: {
    namespace: "shop",
    name: "cart-0",
    uid: "6a4ce4a0",
    container: "api",
    qosClass: "Burstable",
    owner: { kind: "StatefulSet", name: "cart" },
  },
  unit: null,
  visibility: "pending",
  attribution: "exact",
  basis: "kernel-log",
  recovered: false,
  witnesses: ["kernel-log", "tracefs", "cgroup"],
};

test("interfaces and schemas are the same types", () => {
  const same = [sameKill, sameLedger, sameSource, sameRecord, sameExplained];
  assert.ok(same.every((one) => one));
});

test("records of each type validate", () => {
  const records: OutputRecord[] = [
    KILL,
    { type: "ledger", kernel: null, recorded: 3, unaccounted: -1, unattributed: 0 },
    {
      type: "source",
      source: "probe",
      state: "unavailable",
      reason: "no kprobes",
      lost: 0,
      missed: 0,
    },
  ];
  for (const record of records) assert.deepEqual(outputRecordSchema.parse(record), record);
});

test("what the contract forbids is refused", () => {
  const wrong: unknown[] = [
    { ...KILL, extra: 1 },
    { ...KILL, at: "2026-11-20T23:10:05Z" },
    { ...KILL, unit: "" },
    { ...KILL, revision: -1 },
    { ...KILL, cgroup: { ...KILL.cgroup, path: "docker" } },
    { ...KILL, victim: { ...KILL.victim, pid: 0 } },
    { ...KILL, witnesses: ["rumour"] },
    { type: "source", source: "probe", state: "up", lost: 0, missed: 0 },
    { type: "rumour" },
  ];
  for (const record of wrong) assert.ok(!outputRecordSchema.safeParse(record).success);
});

test("schema/records.json is what the schemas say", () => {
  const file = resolve(import.meta.dirname, "../../schema/records.json");
  const text = `${JSON.stringify(recordsJsonSchema(), null, 2)}\n`;
  // Part of what is published, so it is not named *.golden.*; `npm run accept` writes it all the same.
  if (process.env["OOMWITNESS_ACCEPT"] === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(readFileSync(file, "utf8"), text, "differs: if it should, 'npm run accept'");
});
