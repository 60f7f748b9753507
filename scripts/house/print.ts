import { styleText } from "node:util";
import type { Tally } from "./tally.ts";

/** Ends of long outputs say more than their beginnings. */
const DETAIL_LINES = 60;

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One calm line: `ok    types              2.1 s`. */
export function printStep(name: string, tally: Tally, seconds: number): void {
  const failed = tally.failures.length;
  const word = failed > 0 ? styleText("red", "FAIL") : styleText("green", "ok  ");
  const counts = [`${tally.passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (tally.skips.length > 0) counts.push(`${tally.skips.length} skipped`);
  say(`${word}  ${name.padEnd(34)} ${seconds.toFixed(1).padStart(6)} s   ${counts.join(", ")}`);
}

export function printFailures(tally: Tally): void {
  for (const { name, file, detail } of tally.failures) {
    say(`\n${styleText("red", "FAIL")}  ${file === "" ? name : `${file}: ${name}`}`);
    const lines = detail.trimEnd().split("\n");
    const hidden = lines.length - DETAIL_LINES;
    for (const line of lines.slice(0, DETAIL_LINES)) say(`      ${line}`);
    if (hidden > 0) say(`      … ${hidden} more lines`);
  }
}

export function printSkips(tally: Tally): void {
  if (tally.skips.length > 0) say("\nSkipped here:");
  for (const { name, file, reason } of tally.skips) say(`  ${file}: ${name}: ${reason}`);
}

/** The last line of `npm test`: plain, alone, and the same words always. */
export function printTotal(tally: Tally): void {
  const { passed, failures, skips } = tally;
  say(`\n${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
}
