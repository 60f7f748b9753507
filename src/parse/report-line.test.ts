import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDecidingLine } from "./report-line.ts";
import { ReportReader } from "./report-reader.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

test("Virtuozzo names the victims in its containers", () => {
  const prefix = "Nov 24 12:17:04 hwnode kernel: [758955.653313] Out of memory in UB 1234: OOM";
  const rest = "killed process 21738 (php-cgi) score 0 vm:281988kB, rss:17004kB, swap:0kB";
  for (const lines of [[`${prefix} ${rest}`], [`${prefix} `, rest]]) {
    const [report, ...others] = reports(...lines);
    assert.deepEqual([others, report?.constraint], [[], null]);
    const victims = report?.kills.map(({ outcome, victim }) => [
      outcome,
      victim.pid,
      victim.comm,
      victim.totalVmBytes,
      victim.anonRssBytes,
    ]);
    assert.deepEqual(victims, [["killed", 21738, "php-cgi", 281988 * 1024, null]]);
  }
});

test("what a program's source leaves behind a line is none of the name", () => {
  const line = "Out of memory: Kill process 9876 (mysqld) score 856 or sacrifice child";
  for (const end of ["", '")', '\\n",']) {
    const read = parseDecidingLine(line + end);
    assert.deepEqual(read?.kind === "selection" && [read.comm, read.score], ["mysqld", 856]);
  }
});

test("a kill of which somebody left figures out tells the others; an example tells none", () => {
  const kept = parseDecidingLine("Killed process 3864781 (python) anon-rss:1210580kB");
  assert.deepEqual(kept?.kind === "killed" && [kept.comm, kept.anonRssBytes], [
    "python",
    1210580 * 1024,
  ]);
  const example = "Out of memory: Killed process 12345 (jellyfin) total-vm:...,anon-rss:...";
  assert.equal(parseDecidingLine(example), null);
});

test("what stands before the trigger's name is none of it", () => {
  const header = "invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0";
  const lines = [
    [`41066.536886] IPDL Background ${header}`, "IPDL Background"],
    [`	startLine = "ruby ${header}"`, "ruby"],
    [`    let source = "worker ${header}";`, "worker"],
    [
      `    let source = "worker ${header}\\nMemory cgroup out of memory: Killed process 7 (worker) total-vm:100kB";`,
      "worker",
    ],
    [`time=1 msg="java ${header}" level=info`, "java"],
    [`[   10.123456] "ruby ${header}`, '"ruby'],
  ] as const;
  for (const [line, comm] of lines) assert.equal(reports(line)[0]?.trigger?.comm, comm, line);
});

test("a header without its gfp_mask names the trigger in a log, not in prose", () => {
  const headers = ["invoked oom-killer", "invoked oom-killer: ... oom_score_adj=944"];
  for (const header of headers) {
    const [report] = reports(`[ 2786.519080] mem_on_node0 ${header}`);
    assert.equal(report?.trigger?.comm, "mem_on_node0");
    assert.deepEqual(reports(`mem_on_node0 ${header}`), []);
  }
});

test("the cgroup whose limit was hit ends where the victim's says", () => {
  const pod = "/kubepods/pod951f6bc5";
  const begin = `Task in ${pod}/024952d6 killed as a result of limit of`;
  const forms = [
    [`5193605.506728] ${begin} /kubepo`, "ds/pod951f6bc5"],
    [`[21013.577527] ${begin} ${pod}\\n",  # noqa: E501`],
    [`# Sep 19 08:35:40 ip-10-10-10-56 kernel: ${begin} ${pod}  # noqa: E501`],
    [`[21013.577527] ${begin} /kubepods/pod9       51f6bc5`],
  ];
  const kill =
    "Memory cgroup out of memory: Kill process 8308 (java) score 1894 or sacrifice child";
  for (const lines of forms) {
    const report = reports(...lines, kill)[0];
    assert.equal(report?.limitCgroup, pod, lines[0]);
    assert.equal(report?.kills[0]?.cgroupPath, `${pod}/024952d6`);
  }
});

test("the heading of an issue is no panic beside the log's", () => {
  const panic = "Kernel panic - not syncing: Out of memory and no killable processes";
  assert.equal(reports(`# ${panic}`, "", "Hi guys,", "```", panic, "```").length, 1);
});
