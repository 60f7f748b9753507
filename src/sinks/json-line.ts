import type { OutputRecord } from "../model/record.ts";

/**
 * What JSON leaves bare but other readers act on: DEL and C1 controls (0x9b starts an escape sequence on some
 * terminals), line separators (U+0085, U+2028, U+2029 end a line for Python, JavaScript and others), bidirectional marks.
 */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** One record as one line of JSON without its newline; any name inside is data, whatever it contains. */
export function jsonLine(record: OutputRecord): string {
  return safeJson(record);
}

/** Any JSON value of our own making on one line. */
export function safeJson(value: object): string {
  return JSON.stringify(value).replace(UNSAFE, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
