import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, killOf, MAIN, recordStory, report, says, story, task, WORKER } from "../testing.ts";
import { victim } from "./victim.ts";

test("the largest was chosen, and who comes next", () => {
  const { findings, confidences, evidence } = says(victim, story(report()));
  assert.deepEqual(findings, [
    "worker[11] was chosen because it is the largest: 94 MiB; next is main[10] with 4 MiB.",
  ]);
  assert.deepEqual(confidences, ["certain"]);
  assert.deepEqual(evidence, [
    "badness 24083 pages, the highest in the table",
    "2 processes in the table",
  ]);
});

test("what is in swap counts, too", () => {
  const swapped = task("cold", 12, 1, { swapBytes: 300 * 1024 * 1024 });
  const { findings } = says(
    victim,
    story(report({ tasks: [WORKER, swapped], kills: [killOf(swapped)] })),
  );
  assert.deepEqual(findings, [
    "cold[12] was chosen because it is the largest: 1 MiB and 300 MiB in swap; next is worker[11] with 94 MiB.",
  ]);
});

test("a smaller one was chosen for its oom_score_adj, or because the larger is protected", () => {
  const eager = task("cache", 12, 5, { oomScoreAdj: 1000 });
  const first = report({ tasks: [MAIN, WORKER, eager], kills: [killOf(eager)] });
  assert.match(
    says(victim, story(first)).findings[0] ?? "",
    /^cache\[12\] was killed with 5 MiB although worker\[11\] holds 94 MiB: its oom_score_adj 1000 \(as much as 97\.7 MiB more\) put it first/,
  );
  const shielded = { ...WORKER, oomScoreAdj: -1000 };
  const second = report({ tasks: [shielded, MAIN], kills: [killOf(MAIN)] });
  assert.match(
    says(victim, story(second)).findings[0] ?? "",
    /the other is protected by oom_score_adj -1000/,
  );
});

test("a choice that the ranking does not bear out is said, never hidden", () => {
  const of = report({ tasks: [WORKER, MAIN], kills: [killOf(MAIN)] });
  const { findings } = says(victim, story(of));
  assert.match(findings[0] ?? "", /^By the table worker\[11\] ranks higher/);
  const old = report({
    tasks: [WORKER, MAIN],
    kills: [killOf(MAIN)],
    kernelRelease: "4.19.0-5-amd64",
  });
  const before = says(victim, story(old));
  assert.match(before.findings.join(" "), /kernels before 5\.1 may kill a child/);
});

test("before 5.9 all well protected processes were equally bad, and a pause process could be taken", () => {
  const rows = [
    task("data", 10, 90, { oomScoreAdj: -998 }),
    task("pause", 11, 1, { oomScoreAdj: -998 }),
  ];
  const of = report({ tasks: rows, kernelRelease: "5.4.0-42-generic" });
  const { findings, advice } = says(victim, story(of));
  assert.match(
    findings[0] ?? "",
    /^pause\[11\] was no worse than others: oom_score_adj puts 2 processes/,
  );
  assert.deepEqual(advice, ["Update the kernel to 5.9 or later."]);
  const later = says(victim, story({ ...of, kernelRelease: "5.10.0" }));
  assert.deepEqual(later.advice, []);
});

test("without a table the victim's own figures are told", () => {
  const { findings } = says(victim, recordStory(facts(), null));
  assert.deepEqual(findings, ["worker[11] held 94 MiB when it was killed."]);
});

test("a child was killed in place of the process that was chosen", () => {
  const cp = task("cp", 62_769, 1.6, { oomScoreAdj: -998 });
  const bash = task("bash", 62_685, 2.6, { oomScoreAdj: -998 });
  const selected = { pid: 62_685, comm: "bash" };
  const of = report({ tasks: [bash, cp], kills: [killOf(cp)], selected, kernelRelease: null });
  const { findings, confidences } = says(victim, story(of));
  assert.equal(
    findings[0],
    "The kernel chose bash[62685] and killed its child cp[62769] in its place, as kernels before 5.1 do.",
  );
  assert.equal(confidences[0], "certain");
  assert.doesNotMatch(findings.join(), /protected by oom_score_adj/);
  const cut = says(victim, story(report({ ...of, tasks: [cp] })));
  assert.match(cut.findings[0] ?? "", /a child in its place, .*, or a thread of the same process/);
  assert.equal(cut.confidences[0], "likely");
  const same = story(report({ ...of, selected: { pid: 62_769, comm: "cp" } }));
  assert.doesNotMatch(says(victim, same).findings.join(), /in its place/);
});

test("nobody is protected by the oom_score_adj that all have", () => {
  const cp = task("cp", 62_769, 1.6, { oomScoreAdj: -998 });
  const bash = task("bash", 62_685, 2.6, { oomScoreAdj: -998 });
  const of = report({ tasks: [bash, cp], kills: [killOf(cp)], kernelRelease: null });
  assert.doesNotMatch(says(victim, story(of)).findings.join(), /protected by oom_score_adj/);
});
