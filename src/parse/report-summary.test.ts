import assert from "node:assert/strict";
import { test } from "node:test";
import { ReportReader } from "./report-reader.ts";
import { parseReportSummary } from "./report-summary.ts";

function reports(...lines: readonly string[]) {
  const reader = new ReportReader();
  const events = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return events.flatMap((event) => (event.kind === "report" ? [event.report] : []));
}

test("a shortened summary tells what it holds", () => {
  const forms = [
    [
      "oom-kill:constraint=CONSTRAINT_MEMCG, oom_memcg=/slurm/uid_1/job_5,",
      "         task=python, pid=567337",
    ],
    ["oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/slurm/uid_1/job_5,task=python,pid=567337"],
    [
      "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/slurm/uid_1/",
      "job_5,",
      "task=python,pid=567337",
    ],
    [
      "[21567.892343] oom-kill:constraint=CONSTRAINT_MEMCG,...",
      "               oom_memcg=/slurm/uid_1/job_5,",
      "               task=python,pid=567337",
    ],
  ];
  for (const lines of forms) {
    const [report, ...others] = reports(...lines);
    assert.deepEqual(others, []);
    assert.deepEqual([report?.constraint, report?.limitCgroup], ["memcg", "/slurm/uid_1/job_5"]);
    const victims = report?.kills.map(({ victim }) => [victim.pid, victim.comm, victim.uid]);
    assert.deepEqual(victims, [[567337, "python", null]]);
  }
});

test("a summary in a comment keeps the victim's cgroup", () => {
  const [report] = reports(
    "# [12345.678] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),",
    "#             cpuset=/,mems_allowed=0,global_oom,",
    "#             task_memcg=/user.slice/user-1000.slice,",
    "#             task=chrome,pid=1234,uid=1000",
  );
  const victims = report?.kills.map(({ cgroupPath, victim }) => [cgroupPath, victim.pid]);
  assert.deepEqual(victims, [["/user.slice/user-1000.slice", 1234]]);
});

test("quotes behind a summary are none of it", () => {
  const line =
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a,task=java,pid=1337,uid=1001";
  const wanted = parseReportSummary(line);
  assert.equal(wanted?.uid, 1001);
  for (const end of ["',", '")', "`,", '\\n"  # noqa: E501', '\\n",']) {
    assert.deepEqual(parseReportSummary(line + end), wanted);
  }
});

test("the words of a summary in prose are no kill; a cut log's are", () => {
  const words = "oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0";
  assert.deepEqual(reports(`  \`${words}\``, "  (`shmem-rss` 61.5 GiB on the victim)."), []);
  assert.equal(reports(`[   12.345678] ${words}`)[0]?.kills[0]?.outcome, "summary");
});
