import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { explainText, renderKills, renderMarkdown } from "../src/browser.ts";
import type { ExplainedKill } from "../src/model/explanation.ts";
import { explainedLineSchema } from "../src/model/explanation-schema.ts";

// What must hold of every explanation, held against real logs: ours, and those of others where they are present.

const OURS = join(import.meta.dirname, "fixtures");
const OTHERS = resolve(import.meta.dirname, "../../shared/fixtures/corpus/logs");

interface Log {
  readonly file: string;
  readonly kills: readonly ExplainedKill[];
}

function logsIn(directory: string, pattern: string): readonly Log[] {
  return globSync(pattern, { cwd: directory })
    .toSorted()
    .map((file) => ({
      file,
      kills: explainText(readFileSync(join(directory, file), "latin1")).kills,
    }));
}

const ours = logsIn(OURS, "{stories,reports,kernel-logs}/*.txt");

function others(t: TestContext): readonly Log[] {
  if (existsSync(OTHERS)) return logsIn(OTHERS, "*.txt");
  t.skip("the corpus of other people's logs is not here (../shared/fixtures/corpus)");
  return [];
}

function eachKill(logs: readonly Log[], check: (kill: ExplainedKill, file: string) => void): void {
  for (const { file, kills } of logs) for (const kill of kills) check(kill, file);
}

function noLargerLimit(kill: ExplainedKill, file: string): void {
  if (kill.limit.constraint === "memcg") return;
  for (const { sentence } of kill.explanation?.advice ?? [])
    assert.doesNotMatch(sentence, /\b(?:raise|increase|enlarge|higher)\b.*\blimit/i, file);
}

test("no larger limit is advised where none was hit", () => {
  assert.ok(ours.length > 60, `${ours.length} logs`);
  eachKill(ours, noLargerLimit);
});

test("no larger limit in other people's logs", (t) => eachKill(others(t), noLargerLimit));

test("the ranking computed again names the kernel's victim in every table we recorded", (t) => {
  let agreed = 0;
  eachKill(ours, ({ explanation, victim }, file) => {
    assert.notEqual(explanation?.rankingAgrees, false, `${file}: ${victim.comm}[${victim.pid}]`);
    if (explanation?.rankingAgrees === true) agreed += 1;
  });
  t.diagnostic(`${agreed} kills agree`);
  assert.ok(agreed > 150, `${agreed} agree`);
});

test("in other people's tables, too, or the reason for the difference is known", (t) => {
  let agreed = 0;
  eachKill(others(t), ({ explanation, victim }, file) => {
    assert.notEqual(explanation?.rankingAgrees, false, `${file}: ${victim.comm}[${victim.pid}]`);
    if (explanation?.rankingAgrees === true) agreed += 1;
  });
  t.diagnostic(`${agreed} kills agree`);
});

test("every kill has a story: something found, in lines of 80 columns, also as Markdown", (t) => {
  for (const { file, kills } of [...ours, ...others(t)]) {
    for (const { explanation } of kills) assert.ok(explanation?.findings.length, file);
    for (const line of renderKills(kills).split("\n"))
      assert.ok(line.length <= 80, `${file}: ${line}`);
    if (kills.length > 0) assert.match(renderMarkdown(kills), /\*\*What happened\*\*/, file);
  }
});

/** A real log, of which lines are lost, cut, doubled, or have other figures and names in them. */
const damaged = fc
  .record({
    file: fc.constantFrom(...globSync("{stories,reports}/*.txt", { cwd: OURS })),
    damages: fc.array(
      fc.record({
        at: fc.nat({ max: 400 }),
        how: fc.constantFrom("lost", "cut", "doubled", "figures", "names"),
        figure: fc.constantFrom("0", "-1", "99999999999999999999", "18446744073709551615", "4096"),
        name: fc.string({ unit: "binary", maxLength: 15 }),
      }),
      { maxLength: 40 },
    ),
  })
  .map(({ file, damages }) => {
    const lines = readFileSync(join(OURS, file), "latin1").split("\n").slice(0, 400);
    for (const { at, how, figure, name } of damages) {
      const line = lines[at] ?? "";
      if (how === "lost") lines.splice(at, 1);
      else if (how === "doubled") lines.splice(at, 0, line);
      else if (how === "cut") lines[at] = line.slice(0, line.length / 2);
      else if (how === "figures") lines[at] = line.replace(/\d+(?=kB|KB| pages|$)/g, figure);
      else lines[at] = line.replace(/\(\w+\)| \w+$/, `(${name})`);
    }
    return lines.join("\n");
  });

test("law: of a damaged log what is told is still a valid, printable story", () => {
  fc.assert(
    fc.property(damaged, (text) => {
      const { kills } = explainText(text);
      for (const kill of kills) {
        const checked = explainedLineSchema.safeParse(kill);
        assert.ok(checked.success, checked.error?.message);
      }
      for (const line of renderKills(kills).split("\n")) {
        assert.ok(line.length <= 80, line);
        assert.doesNotMatch(line, /undefined|NaN|Infinity|[\x00-\x1f\x7f-\x9f]/);
      }
      renderMarkdown(kills);
    }),
    { seed: 20261121, numRuns: 150 },
  );
});
