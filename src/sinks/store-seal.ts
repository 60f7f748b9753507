import { crc32 } from "node:zlib";
import type { SqliteDatabase } from "../host/sqlite.ts";
import { isSealed, seal, unseal } from "../std/seal.ts";
import { parsedJson } from "./stored-shape.ts";

/** A record with its place in the stream and the wall µs at which it was told. */
export interface SealedRecord {
  readonly sequence: number;
  readonly at: number;
  /** One line of JSON. */
  readonly json: string;
}

const MARK = "|v2 ";
const LONGEST_SEAL = 64;
const SEAL = /^\|v2 (\d{1,15}) (-?\d{1,17}) (\d{1,9}) ([0-9a-f]{8})$/;
const SEAL_BEGINS = new RegExp(SEAL.source.slice(0, -1));

/**
 * What stands beside a record in the database: its place, when it was told, its length in bytes and a checksum of all three:
 * `|v2 17 1795216205000000 1234 9f1b3c4d`. In `events` it comes right after the record, so that both can be found in a file
 * that is damaged around them.
 */
export function sealRecord({ sequence, at, json }: SealedRecord): string {
  const check = checkOf(sequence, at, json).toString(16).padStart(8, "0");
  return `${MARK}${sequence} ${at} ${Buffer.byteLength(json)} ${check}`;
}

/** The record, if it is as it was when it was sealed; else `null`. */
export function sealedRecord(json: unknown, seal: unknown): SealedRecord | null {
  const match = typeof seal === "string" ? SEAL.exec(seal) : null;
  if (match === null || typeof json !== "string") return null;
  const [, sequence, at, bytes, check = ""] = match;
  const record = { sequence: Number(sequence), at: Number(at), json };
  const whole = checkOf(record.sequence, record.at, json) === Number.parseInt(check, 16);
  return whole && Buffer.byteLength(json) === Number(bytes) ? record : null;
}

/** All whole records that stand anywhere between other bytes. */
export function findRecords(bytes: Uint8Array): SealedRecord[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: SealedRecord[] = [];
  for (let at = all.indexOf(MARK); at >= 0; at = all.indexOf(MARK, at + 1)) {
    const match = SEAL_BEGINS.exec(all.toString("latin1", at, at + LONGEST_SEAL));
    const length = Number(match?.[3] ?? 0);
    if (match === null || length > at) continue;
    const record = sealedRecord(all.toString("utf8", at - length, at), match[0]);
    if (record !== null) found.push(record);
  }
  return found;
}

function checkOf(sequence: number, at: number, json: string): number {
  return crc32(json, crc32(`${sequence} ${at} `));
}

/** An SQL condition: the row's `json` is as it was written. Rows of earlier versions have no seal: those must be JSON. */
export function soundSql(database: SqliteDatabase): string {
  const columns = "SELECT count(*) FROM pragma_table_info('kills') WHERE name = 'seal'";
  if (database.integer(columns) === 0) return "json_valid(json)";
  database.define("is_sealed", (json, seal) => (sealedRecord(json, seal) === null ? 0 : 1));
  return "CASE WHEN seal IS NULL THEN json_valid(json) ELSE is_sealed(json, seal) END";
}

/** An explanation, bound to its kill. */
export function sealStory(id: string, explanation: object): string {
  return seal(JSON.stringify({ id, explanation }));
}

/** What `sealStory` was given for this kill; `null` when it is damaged or another's. */
export function storyOf(text: unknown, id: string): unknown {
  if (typeof text !== "string") return null;
  if (!isSealed(text)) return parsedJson(text);
  const value = parsedJson(unseal(text));
  if (typeof value !== "object" || value === null || !("explanation" in value)) return null;
  return "id" in value && value.id === id ? value.explanation : null;
}
