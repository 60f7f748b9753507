/** Words for values and names. Names come from outside: what is not plainly printable is shown escaped, never swallowed. */

const KIB = 1024;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
/** A finding's sentence is never longer (contract: src/model/explanation.ts). */
const SENTENCE_LIMIT = 200;
/** Longer names are cut before anything else is done with them. */
const INPUT_LIMIT = 4096;

/** Letters, digits and signs that take one column in every terminal, and nothing that could steer one. */
const PLAIN = /^[ -~¡-¬®-ʯͰ-ͷͻ-ϿЀ-҂Ҋ-ԯ–—‘’“”…]$/u;

/** Nearly every text: no character of it need be looked at. */
const ASCII = /^[ -~]*$/;

/** A name from outside, fit to print: control, format and unsteady characters become `\x1b`, `\u{202e}`. */
export function clean(text: string, limit = 64): string {
  const input = text.slice(0, INPUT_LIMIT);
  if (ASCII.test(input)) return cutAt(input, limit);
  let safe = "";
  for (const character of input) {
    safe += PLAIN.test(character) ? character : escaped(character);
    if (safe.length > limit) break;
  }
  return cutAt(safe, limit);
}

function cutAt(safe: string, limit: number): string {
  return safe.length > limit ? `${safe.slice(0, Math.max(1, limit - 1))}…` : safe;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/** A long name keeps both its ends: `/kubepods.slice/…/cri-containerd-6af3b15cac32.scope`. */
export function cleanMiddle(text: string, limit: number): string {
  const safe = clean(text, INPUT_LIMIT);
  if (safe.length <= limit) return safe;
  const head = Math.floor((limit - 1) / 3);
  return `${safe.slice(0, head)}…${safe.slice(safe.length - (limit - 1 - head))}`;
}

/** A sentence at its proper length: cut at the end when the names in it were too long. */
export function sentence(text: string): string {
  const safe = clean(text, INPUT_LIMIT);
  return safe.length <= SENTENCE_LIMIT ? safe : `${safe.slice(0, SENTENCE_LIMIT - 1)}…`;
}

/** `512 B`, `20.0 MiB`, `3.50 GiB`: three digits or four, so that two values near each other can be told apart. */
export function bytesText(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= KIB;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${trimmed(value.toFixed(digits))} ${UNITS[unit] ?? "B"}`;
}

/** `20.0` → `20`, `1.50` → `1.5`. */
function trimmed(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

/** `97 %`; `0 %` only for nothing. */
export function percentText(part: number, whole: number): string {
  if (whole <= 0) return "0 %";
  const share = (part / whole) * 100;
  return share > 0 && share < 1 ? "<1 %" : `${Math.round(share)} %`;
}

/** `45 s`, `12 min`, `3.5 h`, `2 days`. */
export function durationText(seconds: number): string {
  if (seconds < 1) return "less than 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${trimmed((seconds / 3600).toFixed(1))} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** `1 process`, `3 processes`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `2nd`, `11th`, `23rd`. */
export function ordinalText(count: number): string {
  const ending = ["th", "st", "nd", "rd"][count % 10] ?? "th";
  return `${count}${count % 100 >= 11 && count % 100 <= 13 ? "th" : ending}`;
}

/** `tool[142]`; `a process` when nothing is known. */
export function processText(comm: string | null, pid: number | null): string {
  if (comm === null && pid === null) return "a process";
  return `${clean(comm ?? "process", 32)}${pid === null ? "" : `[${pid}]`}`;
}

/** A size an operator would write down: the next of 16, 32, 48, 64, 96, 128 MiB, … above. */
export function roundedUp(bytes: number): number {
  let step = 16 * KIB * KIB;
  while (step * 8 < bytes) step *= 2;
  return Math.ceil(bytes / step) * step;
}

/** The same size in the notation of Kubernetes and Docker: `768Mi`, `3Gi`. */
export function quantityText(bytes: number): string {
  const mebibytes = Math.ceil(bytes / (KIB * KIB));
  return mebibytes >= 1024 && mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`;
}

/** The first letter large: the beginning of a sentence. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
