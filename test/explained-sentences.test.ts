import assert from "node:assert/strict";
import { test } from "node:test";
import { explainText, renderKills } from "../src/browser.ts";
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

test("a kill by hand is not told as one kind with those for want of memory", () => {
  const kill = (at: number) => [
    `[  ${at}.917568] Out of memory: Kill process 4803 (fool) score 874 or sacrifice child`,
    `[  ${at}.919224] Killed process 4803 (fool) total-vm:2170956kB, anon-rss:1563232kB, file-rss:0kB`,
  ];
  const byHand = [
    "[  294.887669] sysrq: SysRq : Manual OOM execution",
    "[  294.889230] kworker/2:0 invoked oom-killer: gfp_mask=0xd0, order=-1, oom_score_adj=0",
  ];
  const kills = killsIn(...kill(73), ...byHand, ...kill(296));
  assert.equal(kills.length, 2);
  assert.match(renderKills(kills), /2 kinds\n/);
});
