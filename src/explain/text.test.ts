import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ExplainedKill } from "../model/explanation.ts";
import { counted, countsText, NONE_COUNTED } from "./counts.ts";
import { explainReport } from "./explain.ts";
import { ANSI, DEFAULT_LAYOUT, type LayoutOptions, PLAIN } from "./layout.ts";
import { markdownText, renderMarkdown } from "./markdown.ts";
import { explained, killOf, MIB, nodeReport, record, report, task } from "./testing.ts";
import { renderKill, renderKills } from "./text.ts";

/** A machine with thousands of processes, of which one leaks. */
const crowded = nodeReport({
  tasks: [
    ...Array.from({ length: 4999 }, (_, index) => task(`p${index}`, 100 + index, 0.05)),
    task("leak", 9999, 700),
  ],
});

/** `count` kills of which `kinds` differ in more than pid and time. */
function storm(count: number, kinds: number): ExplainedKill[] {
  return Array.from({ length: count }, (_, index) => {
    const comm = `worker-${index % kinds}`;
    const row = task(comm, 2000 + index, 90);
    const of = report({ tasks: [row], kills: [killOf(row)] });
    const id = `log-${index}`;
    const at = `2026-11-21T03:${String(index % 60).padStart(2, "0")}:44.104512Z`;
    const victim = { ...killOf(row).victim, main: null };
    const explanation = explainReport(of, of.kills[0] ?? null);
    return explained({ id, at, incident: { id, group: false }, victim, explanation });
  });
}

const lines = (text: string) => text.split("\n");

test("a table of 5,000 processes is six lines, with the victim and how many there were", () => {
  const kill = explained({ explanation: explainReport(crowded, crowded.kills[0] ?? null) });
  const text = renderKill(kill);
  assert.ok(lines(text).length < 50, `${lines(text).length} lines`);
  assert.match(text, /PROCESSES: 6 of 5000/);
  assert.match(text, / 9999 {2}leak .* killed/);
  const details = renderKill(kill, { ...DEFAULT_LAYOUT, details: true });
  assert.match(details, /PROCESSES: 20 of 5000/);
});

test("200 kills of one kind are a summary and one story", () => {
  const text = renderKills(storm(200, 1));
  assert.match(text, /^200 kills in 200 runs of the OOM killer, 1 kind\n/);
  assert.match(text, / 200 {2}03:00:44 \.\. 03:19:44 {2}worker-0 killed/);
  assert.ok(lines(text).length < 60, `${lines(text).length} lines`);
});

test("200 kills of 200 kinds: the summary is bounded, three stories are told, the rest is counted", () => {
  const kills = storm(200, 200);
  const text = renderKills(kills);
  assert.ok(lines(text).length < 220, `${lines(text).length} lines`);
  assert.match(text, /and 180 rarer kinds of kill/);
  assert.match(text, /197 other kinds of kill not told in full here/);
  const all = renderKills(kills, { ...DEFAULT_LAYOUT, details: true });
  assert.equal(all.match(/^WHAT HAPPENED$/gm)?.length, 200);
});

test("reports that name no victim are not counted as kills", () => {
  const nobody = { ...explained().victim, pid: null, tid: null, comm: null };
  const silent = explained({
    victim: nobody,
    outcome: "none-killable",
    incident: { id: "x", group: false },
  });
  assert.match(
    renderKills([silent, silent]),
    /^1 run of the OOM killer that name no victim, 1 kind\n/,
  );
  assert.match(
    renderKills([...storm(2, 1), silent]),
    /^2 kills in 2 runs of the OOM killer, and 1 more that name no victim, 2 kinds\n/,
  );
});

test("members of a group kill are one story", () => {
  const rows = [task("query", 13, 60), task("writer", 12, 20)];
  const of = report({ tasks: rows, groupCgroup: "/a", kills: rows.map((row) => killOf(row)) });
  const kills = of.kills.map((kill) =>
    explained({
      incident: { id: "one", group: true },
      victim: { ...kill.victim, main: null },
      explanation: explainReport(of, kill),
    }),
  );
  const text = renderKills(kills);
  assert.match(text, /^2 kills in 1 run of the OOM killer, 1 kind\n/);
  assert.match(text, /\n\n2 processes with query\[13\] killed as a group/);
});

test("law: no line is wider than the terminal, whatever the names", () => {
  const name = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(
      name,
      name,
      fc.integer({ min: 40, max: 200 }),
      fc.boolean(),
      (comm, pod, width, details) => {
        const row = task(comm, 11, 90);
        const of = report({ tasks: [row], kills: [killOf(row)] });
        const explanation = explainReport(of, of.kills[0] ?? null);
        const named = {
          namespace: pod,
          name: pod,
          uid: null,
          container: comm,
          qosClass: null,
          owner: null,
        };
        const kill = explained({
          pod: named,
          explanation,
          victim: { ...killOf(row).victim, main: null },
        });
        for (const text of [
          renderKill(kill, { width, styles: PLAIN, details }),
          renderKills([kill, kill]),
        ]) {
          for (const line of lines(text)) {
            assert.ok(line.length <= Math.max(width, 80), `${line.length}: ${line}`);
            assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/);
          }
        }
      },
    ),
    { seed: 20261121, numRuns: 150 },
  );
});

test("colour marks the same text, and only colour", () => {
  const kills = storm(3, 2);
  const options: LayoutOptions = { width: 100, styles: PLAIN, details: false };
  const plain = renderKills(kills, options);
  const coloured = renderKills(kills, { ...options, styles: ANSI });
  assert.notEqual(coloured, plain);
  assert.equal(coloured.replace(/\x1b\[\d+m/g, ""), plain);
});

test("where the formula is not known nobody is said to be immune", () => {
  const tasks = [
    task("init", 1, 5),
    task("a", 9, 10, { oomScoreAdj: -1000 }),
    task("leak", 20, 700),
  ];
  const old = { tasks, kernelRelease: "2.6.32-754.el6.x86_64" };
  const of = nodeReport({ ...old, tasks: tasks.map((row) => ({ ...row, swapBytes: null })) });
  const text = renderKill(explained({ explanation: explainReport(of, of.kills[0] ?? null) }));
  assert.match(text, / 20 {2}leak .* \? {2}killed/);
  assert.match(text, / 9 {2}a .* never/);
  assert.match(text, /, largest first/);
});

test("a kill without an explanation is still a line", () => {
  assert.equal(
    renderKill(explained()),
    "worker killed for memory\n  2026-11-21 03:12:44Z | worker-3 | pod shop/cart-0 | container api\n",
  );
});

test("Markdown has all sections, and a table for several kills", () => {
  const text = renderMarkdown(storm(4, 2));
  for (const part of [
    "**4 OOM kills** in 4 runs of the OOM killer",
    "**What happened**",
    "**What to do**",
    "**Memory**",
    "**Processes**",
    "**Evidence**",
  ])
    assert.ok(text.includes(part), part);
  assert.match(text, /\| 2 \| worker-0 killed/);
});

test("names become no markup, mention, link or table cell", () => {
  const hostile = "x](http://e) @all |`<b>#1";
  assert.equal(markdownText(hostile), "x\\]\\(http&#58;//e\\) &#64;all \\|\\`&lt;b&gt;\\#1");
  const row = task("a|`b`@c", 11, 90);
  const of = report({ tasks: [row], kills: [killOf(row)] });
  const explanation = explainReport(of, of.kills[0] ?? null);
  const text = renderMarkdown([explained({ ...record(), explanation })]);
  const cells = lines(text).find((line) => line.startsWith("| 11 |")) ?? "";
  assert.equal(cells.replaceAll("\\|", "").split("|").length, 8, cells);
  assert.doesNotMatch(text.replaceAll(/`+[^\n]*?`+/g, ""), /(?<!\\)@c|<b>/);
  assert.equal(MIB, 2 ** 20);
});

const countsOf = (kills: readonly ExplainedKill[]) => kills.reduce(counted, NONE_COUNTED);

test("what killed nobody is counted apart, and a time that is not there was not read", () => {
  const nobody = { ...explained().victim, pid: null, tid: null, comm: null };
  const silent = explained({ victim: nobody, outcome: "unknown", at: null });
  const panic = explained({ victim: nobody, outcome: "panic" });
  assert.equal(
    countsText(countsOf([explained(), silent, silent, panic])),
    "1 kill, 2 reports without a victim, 1 panic",
  );
  assert.equal(countsText(countsOf([panic, panic])), "2 panics");
  assert.equal(countsText(countsOf([explained()])), "1 kill");
  assert.match(renderKills([explained(), panic]), /\n {2}COUNT {2}FIRST/);
  assert.match(renderKills([explained(), explained()]), /\n {2}KILLS {2}FIRST/);
  assert.match(renderMarkdown([explained(), panic]), /\| Count \| What \|/);
  assert.match(renderKill(silent), /^ {2}time not read \|/m);
});
