import assert from "node:assert/strict";
import { test } from "node:test";
import { explainText } from "../src/browser.ts";
import type { ExplainedKill } from "../src/model/explanation.ts";

// Lines of logs that people posted, and what must and must not be said of them.

function killsIn(...lines: readonly string[]): readonly ExplainedKill[] {
  return explainText(`${lines.join("\n")}\n`).kills;
}

/** Headline, findings with their confidence, and advice: all that is said of a kill. */
function saidOf(kill: ExplainedKill | undefined): string {
  const { headline = "", findings = [], advice = [] } = kill?.explanation ?? {};
  return [
    headline,
    ...findings.map(({ sentence, confidence }) => `${sentence} (${confidence})`),
    ...advice.flatMap(({ sentence, reason }) => [sentence, reason]),
  ].join("\n");
}

test("a panic without anybody to kill was not told to stop", () => {
  for (const lines of [
    [
      "[ 3893.943876] Out of memory and no killable processes...",
      "[ 3893.943877] Kernel panic - not syncing: System is deadlocked on memory",
    ],
    ["[   74.699457] Kernel panic - not syncing: Out of memory and no killable processes..."],
  ]) {
    const [kill, ...more] = killsIn(...lines);
    assert.deepEqual(more, []);
    assert.match(saidOf(kill), /^kernel panic: out of memory, and nobody left to kill\n/);
    assert.doesNotMatch(saidOf(kill), /told to stop|Set vm\.panic_on_oom/);
  }
  const [wanted] = killsIn(
    "[  905.503378] Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
  );
  assert.match(saidOf(wanted), /^kernel panic: out of memory, and it was told to stop\n/);
  assert.match(saidOf(wanted), /Set vm\.panic_on_oom=0/);
});
