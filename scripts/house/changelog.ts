import { readFileSync, writeFileSync } from "node:fs";
import { type Commit, render } from "./changelog-text.ts";
import { run } from "./command.ts";
import { say } from "./print.ts";

/** `scripts/changelog` writes CHANGELOG.md from the commit lines; `scripts/changelog --print` only prints it. */
const SEPARATOR = "\u001f";

const { code, output } = await run([
  "git",
  "log",
  "--no-merges",
  "--decorate-refs=refs/tags/v*",
  `--format=%cs${SEPARATOR}%D${SEPARATOR}%s`,
]);
if (code !== 0) {
  say(`git log failed: the changelog is made from the commit lines.\n${output}`);
  process.exit(1);
}
const commits = output.split("\n").flatMap(toCommit);
const text = render(commits, version());
if (process.argv.includes("--print")) say(text.trimEnd());
else writeFileSync("CHANGELOG.md", text);

function toCommit(line: string): Commit[] {
  const [date, references, subject] = line.split(SEPARATOR);
  if (date === undefined || references === undefined || subject === undefined) return [];
  return [{ date, tag: /tag: (v[^,]+)/.exec(references)?.[1] ?? null, subject }];
}

function version(): string {
  return /"version": "([^"]+)"/.exec(readFileSync("package.json", "utf8"))?.[1] ?? "";
}
