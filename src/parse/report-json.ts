/**
 * Log lines inside JSON, one object a line or one member a line:
 *
 *     {"log":"[857400.388193] oom-kill:…\n","stream":"stdout","time":"2024-06-03T08:12:41.100000000Z"}     Docker
 *     {"_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"1670861254000481","MESSAGE":"Out of memory: …"}       journalctl -o json
 *              "msg": "Out of memory: Killed process 96054 (chrome) …"                                     dmesg --json
 *     MESSAGE=Out of memory: Killed process 96054 (chrome) …                                               -o export, verbose
 */
import { parseUnixTime, parseWallTime } from "./report-stamp.ts";

export interface JsonText {
  readonly text: string;
  readonly wallMicroseconds: number | null;
  readonly uptimeSeconds: number | null;
  readonly origin: "kernel" | "user" | null;
  readonly host: string | null;
}

const MESSAGE_KEYS = [
  "MESSAGE",
  "log",
  "message",
  "msg",
  "line",
  "text",
  "textPayload",
  "short_message",
  "_raw",
  "body",
  "@message",
];
const NESTED_KEYS = ["jsonPayload", "_source", "fields", "result", "data"];
const NAME_KEYS = ["SYSLOG_IDENTIFIER", "syslog_identifier", "ident", "appname", "program"];
const HOST_KEYS = ["_HOSTNAME", "host", "hostname"];
const TIME_KEYS = ["time", "@timestamp", "timestamp", "ts"];
const MAX_JSON_CHARACTERS = 262_144;
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The message of a JSON object, also of one whose end is cut off; `null` when the line is none. */
export function readJson(line: string): JsonText | null {
  if (line.length > MAX_JSON_CHARACTERS) return null;
  if (line.startsWith("{")) {
    const fields = parseObject(line);
    return fields === null ? readCut(line) : fromFields(fields);
  }
  return readMember(line);
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text.slice(0, text.lastIndexOf("}") + 1));
    return isFields(value) ? value : null;
  } catch {
    return null;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fromFields(fields: Fields): JsonText | null {
  const text = messageOf(fields);
  if (text === null) return null;
  return {
    text,
    wallMicroseconds: wallOf(fields),
    uptimeSeconds: uptimeOf(fields),
    origin: originOf(fields),
    host: hostOf(fields),
  };
}

function messageOf(fields: Fields): string | null {
  for (const key of MESSAGE_KEYS) {
    const value = fields[key];
    if (typeof value === "string") return value;
    // Journald writes what is not printable as numbers.
    if (Array.isArray(value)) {
      return UTF8.decode(Uint8Array.from(value, (byte: unknown) => Number(byte)));
    }
  }
  for (const key of NESTED_KEYS) {
    const value = fields[key];
    const text = isFields(value) ? messageOf(value) : null;
    if (text !== null) return text;
  }
  return null;
}

function originOf(fields: Fields): "kernel" | "user" | null {
  const transport = fields["_TRANSPORT"];
  if (typeof transport === "string") return transport === "kernel" ? "kernel" : "user";
  for (const key of NAME_KEYS) {
    const name = fields[key];
    if (typeof name === "string" && name !== "") return name === "kernel" ? "kernel" : "user";
  }
  return null;
}

function hostOf(fields: Fields): string | null {
  for (const key of HOST_KEYS) {
    const host = fields[key];
    if (typeof host === "string" && host !== "") return host.slice(0, 255);
  }
  return null;
}

function wallOf(fields: Fields): number | null {
  const realtime = fields["__REALTIME_TIMESTAMP"];
  if (typeof realtime === "string") return parseUnixTime(realtime);
  for (const key of TIME_KEYS) {
    const value = fields[key];
    if (typeof value === "string") return parseWallTime(value) ?? parseUnixTime(value);
  }
  return null;
}

function uptimeOf(fields: Fields): number | null {
  const monotonic = fields["_SOURCE_MONOTONIC_TIMESTAMP"];
  if (typeof monotonic !== "string" || !/^\d{1,15}$/.test(monotonic)) return null;
  return Number(monotonic) / 1e6;
}

const CUT = /"(?:MESSAGE|log|message|msg)" ?: ?"((?:[^"\\]|\\.)*)/;

function readCut(line: string): JsonText | null {
  const text = CUT.exec(line)?.[1];
  return text === undefined ? null : plain(unescapeString(text));
}

const MEMBER = /^"(?:msg|MESSAGE|message|log)" *: *"((?:[^"\\]|\\.)*)"?,?\s*$/;
const EXPORT = /^MESSAGE=(.*)$/;

function readMember(line: string): JsonText | null {
  const member = MEMBER.exec(line)?.[1];
  if (member !== undefined) return plain(unescapeString(member));
  const text = EXPORT.exec(line)?.[1];
  return text === undefined ? null : plain(text);
}

function plain(text: string): JsonText {
  return { text, wallMicroseconds: null, uptimeSeconds: null, origin: null, host: null };
}

function unescapeString(text: string): string {
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === "string" ? value : text;
  } catch {
    return text.replaceAll('\\"', '"');
  }
}
