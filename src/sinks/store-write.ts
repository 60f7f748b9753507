import type { SqliteDatabase, SqliteValue } from "../host/sqlite.ts";
import type { ContainerRecord, ExitRecord, KillRecord, PodRecord } from "../model/record.ts";
import { jsonLine } from "./json-line.ts";
import type { StreamRecord } from "./sink.ts";
import { sealRecord } from "./store-seal.ts";
import { parseRfc3339 } from "./time-bound.ts";

/** A record that waits to be written, with the wall µs at which it was told. */
export interface Pending {
  readonly entry: StreamRecord;
  readonly at: number;
}

const EVENT = ["sequence", "type", "at", "id", "json", "seal"];
const OWNER = ["container_id", "container_name", "pod_container", "pod", "namespace"];
/** In the order in which `killColumns` and `exitColumns` give the values. */
export const KILL_COLUMNS = [
  "id",
  "revision",
  "at",
  "comm",
  "pid",
  "cgroup",
  "visibility",
  ...OWNER,
];
export const EXIT_COLUMNS = ["id", "revision", "at", "verdict", ...OWNER];
const KEPT = ["json", "seal"];

/** The latest telling of a sequence wins: a writer that was killed may tell its last ones again. */
const REPLACE_EVENT = `${insert("events", EVENT)} ON CONFLICT (sequence) DO UPDATE SET ${changes(EVENT)}`;
const KEEP_EVENT = `${insert("events", EVENT)} ON CONFLICT (sequence) DO NOTHING`;

const UPSERT_KILL = `${insert("kills", [...KILL_COLUMNS, ...KEPT, "first_sequence"])}
ON CONFLICT (id) DO UPDATE SET ${changes([...KILL_COLUMNS, ...KEPT])}
WHERE excluded.revision >= kills.revision`;

/** An exit keeps the sequence under which it was opened: pages are read by it. */
const UPSERT_EXIT = `${insert("exits", [...EXIT_COLUMNS, ...KEPT, "sequence"])}
ON CONFLICT (id) DO UPDATE SET ${changes([...EXIT_COLUMNS, ...KEPT])} WHERE excluded.revision >= exits.revision
ON CONFLICT (sequence) DO UPDATE SET ${changes([...EXIT_COLUMNS, ...KEPT])}`;

const REMEMBER_SEQUENCE = "UPDATE meta SET value = max(value, ?) WHERE key = 'last_sequence'";
/** A second copy: damage changes one of them only. */
const REMEMBER_AGAIN = "UPDATE meta SET value = min(value, -?) WHERE key = 'last_sequence_again'";

function insert(table: string, columns: readonly string[]): string {
  const marks = columns.map(() => "?").join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`;
}

function changes(columns: readonly string[]): string {
  return columns.map((column) => `${column} = excluded.${column}`).join(", ");
}

/** Writes a batch in one transaction; writing the same batch again changes nothing. */
export type BatchWriter = (batch: readonly Pending[]) => void;

/** `again`: what to do with a sequence that is there already. */
export function createBatchWriter(
  database: SqliteDatabase,
  again: "replace" | "keep" = "replace",
): BatchWriter {
  const insertEvent = database.prepare(again === "replace" ? REPLACE_EVENT : KEEP_EVENT);
  const upsertKill = database.prepare(UPSERT_KILL);
  const upsertExit = database.prepare(UPSERT_EXIT);
  const rememberSequence = database.prepare(REMEMBER_SEQUENCE);
  const rememberAgain = database.prepare(REMEMBER_AGAIN);

  const writeOne = ({ entry: { sequence, record }, at }: Pending): void => {
    const json = jsonLine(record);
    const kept = [json, sealRecord({ sequence, at, json })];
    insertEvent.run(sequence, record.type, at, "id" in record ? record.id : null, ...kept);
    if (record.type === "kill") upsertKill.run(...killColumns(record, at), ...kept, sequence);
    if (record.type === "exit") upsertExit.run(...exitColumns(record, at), ...kept, sequence);
  };
  return (batch) => {
    if (batch.length === 0) return;
    const last = batch.reduce((most, { entry }) => Math.max(most, entry.sequence), 0);
    database.transaction(() => {
      for (const pending of batch) writeOne(pending);
      rememberSequence.run(last);
      rememberAgain.run(last);
    });
  };
}

/** What can be asked for, beside the record that holds the same. */
export function killColumns(kill: KillRecord, toldAt: number): SqliteValue[] {
  const { id, revision, victim, cgroup, visibility } = kill;
  const at = parseRfc3339(kill.at) ?? toldAt;
  const values = [id, revision, at, victim.comm, victim.pid, cgroup.path, visibility];
  return [...values, ...ownerValues(kill.container, kill.pod)];
}

export function exitColumns(exit: ExitRecord, toldAt: number): SqliteValue[] {
  const { id, revision, verdict } = exit;
  const at = parseRfc3339(exit.at) ?? toldAt;
  return [id, revision, at, verdict, ...ownerValues(exit.container, exit.pod)];
}

/** In the order of `OWNER`. */
function ownerValues(container: ContainerRecord | null, pod: PodRecord | null): SqliteValue[] {
  return [
    container?.id ?? null,
    container?.name ?? null,
    pod?.container ?? null,
    pod?.name ?? null,
    pod?.namespace ?? null,
  ];
}
