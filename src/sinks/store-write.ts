import type { SqliteDatabase, SqliteValue } from "../host/sqlite.ts";
import type { ContainerRecord, ExitRecord, KillRecord, PodRecord } from "../model/record.ts";
import { jsonLine } from "./json-line.ts";
import type { StreamRecord } from "./sink.ts";
import { parseRfc3339 } from "./time-bound.ts";

/** A record that waits to be written, with the wall µs at which it was told. */
export interface Pending {
  readonly entry: StreamRecord;
  readonly at: number;
}

/** The latest telling of a sequence wins: a writer that was killed may tell its last ones again. */
const INSERT_EVENT = `INSERT INTO events (sequence, type, at, id, json) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (sequence) DO UPDATE SET type = excluded.type, at = excluded.at, id = excluded.id, json = excluded.json`;

const OWNER = "container_id, container_name, pod_container, pod, namespace";

const UPSERT_KILL = `INSERT INTO kills (id, revision, first_sequence, at, comm, pid, cgroup, json, visibility, ${OWNER})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, at = excluded.at, comm = excluded.comm,
  pid = excluded.pid, cgroup = excluded.cgroup, json = excluded.json, visibility = excluded.visibility,
  container_id = excluded.container_id, container_name = excluded.container_name,
  pod_container = excluded.pod_container, pod = excluded.pod, namespace = excluded.namespace
WHERE excluded.revision >= kills.revision`;

const EXIT_CHANGES = `at = excluded.at, verdict = excluded.verdict, json = excluded.json, revision = excluded.revision,
  container_id = excluded.container_id, container_name = excluded.container_name,
  pod_container = excluded.pod_container, pod = excluded.pod, namespace = excluded.namespace`;

/** An exit keeps the sequence under which it was opened: pages are read by it. */
const UPSERT_EXIT = `INSERT INTO exits (sequence, id, revision, at, verdict, json, ${OWNER})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET ${EXIT_CHANGES} WHERE excluded.revision >= exits.revision
ON CONFLICT (sequence) DO UPDATE SET id = excluded.id, ${EXIT_CHANGES}`;

const REMEMBER_SEQUENCE = "UPDATE meta SET value = max(value, ?) WHERE key = 'last_sequence'";

/** Writes a batch in one transaction; writing the same batch again changes nothing. */
export type BatchWriter = (batch: readonly Pending[]) => void;

export function createBatchWriter(database: SqliteDatabase): BatchWriter {
  const insertEvent = database.prepare(INSERT_EVENT);
  const upsertKill = database.prepare(UPSERT_KILL);
  const rememberSequence = database.prepare(REMEMBER_SEQUENCE);

  const upsertExit = database.prepare(UPSERT_EXIT);

  const writeKill = (sequence: number, toldAt: number, kill: KillRecord, json: string): void => {
    const { id, revision, victim, cgroup, visibility } = kill;
    const at = parseRfc3339(kill.at) ?? toldAt;
    const values = [id, revision, sequence, at, victim.comm, victim.pid, cgroup.path, json];
    upsertKill.run(...values, visibility, ...ownerValues(kill.container, kill.pod));
  };
  const writeExit = (sequence: number, toldAt: number, exit: ExitRecord, json: string): void => {
    const at = parseRfc3339(exit.at) ?? toldAt;
    const owner = ownerValues(exit.container, exit.pod);
    upsertExit.run(sequence, exit.id, exit.revision, at, exit.verdict, json, ...owner);
  };
  const writeOne = ({ entry: { sequence, record }, at }: Pending): void => {
    const json = jsonLine(record);
    insertEvent.run(sequence, record.type, at, "id" in record ? record.id : null, json);
    if (record.type === "kill") writeKill(sequence, at, record, json);
    if (record.type === "exit") writeExit(sequence, at, record, json);
  };
  return (batch) => {
    const last = batch.at(-1);
    if (last === undefined) return;
    database.transaction(() => {
      for (const pending of batch) writeOne(pending);
      rememberSequence.run(last.entry.sequence);
    });
  };
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
