import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import {
  type Complaint,
  importComplaints,
  lengthComplaints,
  machinePathComplaints,
  type SourceFile,
  wordComplaints,
} from "./tidy/rules.ts";

/** Files longer than the limit when the rule came: they may only shrink. New entries are not accepted in review. */
const KNOWN_LONG: Readonly<Record<string, number>> = {};

const FOLDERS = "{src,simulate,lab,bench,test,scripts}";

function read(pattern: string): SourceFile[] {
  return globSync(pattern, { exclude: ["lab/build/**", "lab/cache/**", "**/*_pb.d.ts"] })
    .filter((path) => statSync(path).isFile())
    .toSorted()
    .map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

function mustBeEmpty(complaints: readonly Complaint[]): void {
  const lines = complaints.map(({ path, line, message }) => `${path}:${line}: ${message}`);
  assert.ok(complaints.length === 0, `${lines.length} complaint(s)\n${lines.join("\n")}`);
}

const sources = read(`${FOLDERS}/**/*.ts`);

test("there are sources to look at, from the root of the repository", () => {
  assert.ok(sources.some((file) => file.path === "src/host/real.ts"));
  assert.ok(sources.length > 30, `${sources.length} sources`);
});

test("imports follow the matrix", () => mustBeEmpty(sources.flatMap(importComplaints)));

test("pure folders are pure, and only the host is a door", () =>
  mustBeEmpty(sources.flatMap(wordComplaints)));

test("no file is too long (functions: Biome's noExcessiveLinesPerFunction, 70)", () => {
  mustBeEmpty(sources.flatMap((file) => lengthComplaints(file, KNOWN_LONG)));
  const gone = Object.keys(KNOWN_LONG).filter(
    (path) => !sources.some((file) => file.path === path),
  );
  assert.deepEqual(gone, [], "KNOWN_LONG names files that are no more: take them out");
});

test("no path of somebody's machine", () => {
  const texts = read("{*.md,*.json,docs/**/*.md,bin/*,.ci/*,scripts/*,lab/**/*.{c,md,sh}}");
  const files = texts.filter((file) => file.path !== "package-lock.json");
  mustBeEmpty([...sources, ...files].flatMap(machinePathComplaints));
});
