/**
 * Reads one counter of a "flat keyed" kernel file (`key value` a line) without splitting the file: /proc/vmstat has
 * ~190 lines and is read on the hot path.
 *
 * Returns `null` when there is no such key or its value is not a plain decimal that a number holds exactly.
 */
export function readCounterLine(text: string, key: string): number | null {
  const start = valueStart(text, key);
  if (start < 0) return null;
  let end = start;
  while (end < text.length && isDigit(text.charCodeAt(end))) end += 1;
  if (end === start || !isLineEnd(text, end)) return null;
  const value = Number(text.slice(start, end));
  return Number.isSafeInteger(value) ? value : null;
}

function valueStart(text: string, key: string): number {
  const needle = `${key} `;
  if (text.startsWith(needle)) return needle.length;
  const found = text.indexOf(`\n${needle}`);
  return found < 0 ? -1 : found + 1 + needle.length;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isLineEnd(text: string, index: number): boolean {
  return index === text.length || text.charCodeAt(index) === 10;
}
