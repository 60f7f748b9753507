import { HostError } from "../host/host.ts";
import type { SqliteDatabase } from "../host/sqlite.ts";

/**
 * `events` is the stream as it was told: one row a sequence, for readers that resume. `kills` holds each kill once, its
 * latest revision. Times are wall µs since 1970: of an event when it was told, of a kill when it happened.
 * `meta.last_sequence` outlives the rows that retention takes away.
 */
const VERSION_1 = `
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  id TEXT,
  json TEXT NOT NULL
) STRICT;
CREATE INDEX events_small_at ON events (at) WHERE type <> 'kill';
CREATE TABLE kills (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  comm TEXT,
  pid INTEGER,
  cgroup TEXT,
  json TEXT NOT NULL
) STRICT;
CREATE INDEX kills_at ON kills (at, id);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES ('last_sequence', 0);
`;

/**
 * Whose a kill was, to be asked for, and exits of containers beside the kills. Exits and kills by userspace are kept in the
 * stream as long as kills are. A question for an owner reads an index that has all it asks for, and of the rows those that
 * answer it: 200 MB of records are gone through in 15 ms instead of 150.
 */
const VERSION_2 = `
ALTER TABLE kills ADD COLUMN container_id TEXT;
ALTER TABLE kills ADD COLUMN container_name TEXT;
ALTER TABLE kills ADD COLUMN pod_container TEXT;
ALTER TABLE kills ADD COLUMN pod TEXT;
ALTER TABLE kills ADD COLUMN namespace TEXT;
ALTER TABLE kills ADD COLUMN visibility TEXT;
CREATE TABLE exits (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  container_id TEXT NOT NULL,
  container_name TEXT,
  pod_container TEXT,
  pod TEXT,
  namespace TEXT,
  verdict TEXT NOT NULL,
  json TEXT NOT NULL
) STRICT;
CREATE INDEX exits_owner
  ON exits (at, sequence, namespace, pod, pod_container, container_name, container_id);
DROP INDEX events_small_at;
CREATE INDEX events_small_at ON events (at) WHERE type IN ('ledger', 'source');
UPDATE kills SET
  container_id = json_extract(json, '$.container.id'),
  container_name = json_extract(json, '$.container.name'),
  pod_container = json_extract(json, '$.pod.container'),
  pod = json_extract(json, '$.pod.name'),
  namespace = json_extract(json, '$.pod.namespace'),
  visibility = json_extract(json, '$.visibility')
WHERE json_valid(json);
DROP INDEX kills_at;
CREATE INDEX kills_owner
  ON kills (at, id, visibility, namespace, pod, pod_container, container_name, container_id);
`;

/** Why each kill happened, as JSON; NULL where nobody told. */
const VERSION_3 = "ALTER TABLE kills ADD COLUMN explanation TEXT;";

/**
 * Each exit once, its latest revision, as kills. Exits of earlier versions get the id that they would have: the container's
 * first twelve digits and the end in ms.
 */
const VERSION_4 = `
ALTER TABLE exits ADD COLUMN id TEXT;
ALTER TABLE exits ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE exits SET id = substr(container_id, 1, 12) || '-' || (at / 1000);
DELETE FROM exits WHERE sequence NOT IN (SELECT max(sequence) FROM exits GROUP BY id);
UPDATE exits SET json = json_set(json, '$.id', id, '$.revision', 0) WHERE json_valid(json);
UPDATE events SET
  id = (SELECT exits.id FROM exits WHERE exits.sequence = events.sequence),
  json = (SELECT exits.json FROM exits WHERE exits.sequence = events.sequence)
WHERE type = 'exit' AND sequence IN (SELECT sequence FROM exits);
CREATE UNIQUE INDEX exits_id ON exits (id);
`;

/**
 * A seal beside each record, and how many rows each table has and up to where the stream goes, each number twice and once with
 * the other sign: so that changed records are known and rows that damage takes away are missed.
 */
const VERSION_5 = `
ALTER TABLE events ADD COLUMN seal TEXT;
ALTER TABLE kills ADD COLUMN seal TEXT;
ALTER TABLE exits ADD COLUMN seal TEXT;
INSERT INTO meta SELECT 'last_sequence_again', -value FROM meta WHERE key = 'last_sequence';
${["events", "kills", "exits"].map(countedTable).join("")}`;

function countedTable(table: string): string {
  const count = (sign: string) => `UPDATE meta SET
    value = value ${sign} CASE key WHEN '${table}' THEN 1 ELSE -1 END
    WHERE key IN ('${table}', '${table}_again');`;
  return `
INSERT INTO meta SELECT '${table}', count(*) FROM ${table};
INSERT INTO meta SELECT '${table}_again', -count(*) FROM ${table};
CREATE TRIGGER ${table}_added AFTER INSERT ON ${table} BEGIN ${count("+")} END;
CREATE TRIGGER ${table}_taken AFTER DELETE ON ${table} BEGIN ${count("-")} END;
`;
}

/** Migration N takes a file from `user_version` N to N + 1. Never edit one that was released; append. */
const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

export const SCHEMA_VERSION = MIGRATIONS.length;
/** From this version on the store knows owners and exits. */
export const OWNERS_VERSION = 2;
/** From this version on it keeps explanations. */
export const EXPLANATIONS_VERSION = 3;
/** From this version on it counts its rows. */
const COUNTS_VERSION = 5;

/** Brings a file opened for writing to this program's schema. */
export function prepareForWriting(database: SqliteDatabase): void {
  // Before the first table, or it has no effect: lets retention give pages back to the file system in small steps.
  database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec("PRAGMA journal_size_limit = 8388608");
  // Bringing the log into the file waits for the disk: another thread does it (`store-upkeep.ts`).
  database.exec("PRAGMA wal_autocheckpoint = 0");
  database.exec("PRAGMA cache_size = -1024");
  const version = database.integer("PRAGMA user_version");
  // The header's number stands beside a copy of it: damage must not look like a newer version, or an older one.
  const copied = database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'") > 0;
  const copy = copied ? database.integer("SELECT value FROM meta WHERE key = 'schema'") : 0;
  if (copy !== 0 && copy !== version) throw damaged(database.path, "its schema is not known");
  if (version > SCHEMA_VERSION) throw newerSchema(database.path, version);
  for (let next = version; next < SCHEMA_VERSION; next += 1) migrate(database, next);
}

function migrate(database: SqliteDatabase, version: number): void {
  database.transaction(() => {
    database.exec(MIGRATIONS[version] ?? "");
    database.exec(`PRAGMA user_version = ${version + 1}`);
    if (version + 1 < COUNTS_VERSION) return;
    database.exec(`INSERT OR REPLACE INTO meta VALUES ('schema', ${version + 1})`);
  });
}

/** The file is not what was written. */
export function damaged(path: string, what: string): HostError {
  return new HostError("SQLITE_CORRUPT", path, what);
}

export function newerSchema(path: string, version: number): HostError {
  return new HostError(
    "STORE_NEWER",
    path,
    `${path} was written by a newer oomwitness (schema ${version}, this one knows ${SCHEMA_VERSION}): ` +
      "upgrade, or move the file away to begin a new one",
  );
}
