import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Compares a whole output with the file that holds what it should be; `npm run accept` writes the file anew. Name the
 * file `*.golden.*` and give its absolute path: `path.join(import.meta.dirname, "explain.golden.txt")`.
 */
export function matchGolden(file: string, actual: string): void {
  assert.ok(path.isAbsolute(file), "a golden's path is absolute");
  assert.match(path.basename(file), /\.golden(\.|$)/, "a golden is named *.golden.*");
  if (process.env["OOMWITNESS_ACCEPT"] === "1") {
    accept(file, actual);
    return;
  }
  const name = path.relative(process.cwd(), file);
  assert.ok(existsSync(file), `${name} is missing: 'npm run accept' writes it`);
  const message = `the output differs from ${name}: if it should, 'npm run accept' and read the change`;
  const expected = readFileSync(file, "utf8");
  if (actual !== expected) assert.fail(`${message}\n${firstDifference(expected, actual)}`);
}

function accept(file: string, actual: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, actual);
}

/** Where two texts part, in both. */
function firstDifference(expected: string, actual: string): string {
  const wanted = expected.split("\n");
  const got = actual.split("\n");
  const index = got.findIndex((line, at) => line !== wanted[at]);
  const at = index === -1 ? got.length : index;
  const show = (lines: readonly string[]) => JSON.stringify(lines[at] ?? "(end of file)");
  return `line ${at + 1}:\n  expected ${show(wanted)}\n  actual   ${show(got)}`;
}
