import { crc32 } from "node:zlib";

/**
 * JSON on disk that proves itself whole:
 *
 *     {"v":2,"crc":"9f1b3c4d","bytes":17,"body":{"sequence":17}}
 *
 * `crc` is the CRC-32 of the body's bytes (UTF-8) and `bytes` their number. A change of up to 32 neighbouring bits is always
 * found, any other with a chance of 1 in 4,294,967,296 to be missed. A sealed text is one line and is JSON itself.
 */
const VERSION = 2;
const HEAD = /^\{"v":2,"crc":"([0-9a-f]{8})","bytes":(\d{1,10}),"body":/;
const MARK = `{"v":${VERSION},"crc":"`;

/** `body`: JSON without line breaks. */
export function seal(body: string): string {
  const check = crc32(body).toString(16).padStart(8, "0");
  return `${MARK}${check}","bytes":${Buffer.byteLength(body)},"body":${body}}`;
}

export function isSealed(text: string): boolean {
  return text.startsWith(MARK);
}

/** The body; `null` when the text is not a sealed one or is not as it was written. */
export function unseal(text: string): string | null {
  const match = HEAD.exec(text);
  if (match === null) return null;
  const [head, check = "", bytes] = match;
  const body = text.slice(head.length, -1);
  const whole = text.endsWith("}") && crc32(body) === Number.parseInt(check, 16);
  return whole && Buffer.byteLength(body) === Number(bytes) ? body : null;
}
