import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_HISTORY } from "../history.ts";
import { storyOfReport } from "../story.ts";
import { CONTAINER_PATH, killOf, MIB, nodeReport, report, says, story, task } from "../testing.ts";
import { runtime } from "./runtime.ts";

const named = (comm: string, of = report) => {
  const row = task(comm, 11, of === nodeReport ? 700 : 90);
  return says(runtime, story(of({ tasks: [row], kills: [killOf(row)] })));
};

test("each runtime has its own setting, with a figure where the limit is known", () => {
  const settings: readonly (readonly [string, RegExp])[] = [
    ["java", /-XX:MaxRAMPercentage=70 \(here -Xmx70m\)/],
    ["node", /--max-old-space-size=75 /],
    ["python3.11", /gunicorn --max-requests/],
    ["ruby", /MALLOC_ARENA_MAX=2/],
    ["prometheus", /GOMEMLIMIT=90MiB/],
    ["postgres", /shared_buffers \(a quarter of the limit: 25MB\)/],
    ["redis-server", /maxmemory 60mb/],
    ["chrome", /fewer pages/],
    ["cc1plus", /make -j/],
    ["rustc", /CARGO_BUILD_JOBS/],
    ["qemu-system-x86", /guest less RAM/],
  ];
  for (const [comm, setting] of settings) {
    const { findings, confidences, evidence, advice } = named(comm);
    assert.match(findings[0] ?? "", /looks like/, comm);
    assert.deepEqual(confidences, ["likely"]);
    assert.deepEqual(evidence, ["by the name of its process"]);
    assert.match(advice[0] ?? "", setting);
  }
});

test("where no limit was hit the setting names none", () => {
  for (const comm of ["java", "node", "prometheus", "postgres", "mysqld", "dotnet", "memcached"]) {
    const { advice } = named(comm, nodeReport);
    assert.equal(advice.length, 1, comm);
    assert.doesNotMatch(advice[0] ?? "", /\blimit\b/, comm);
  }
});

test("a victim that did not fill memory is not told to bound itself", () => {
  const tasks = [task("agent", 9, 700, { oomScoreAdj: -999 }), task("java", 20, 12)];
  const { findings, advice } = says(runtime, story(nodeReport({ tasks })));
  assert.equal(findings.length, 1);
  assert.deepEqual(advice, []);
});

test("an unknown name is no runtime, and a part of a known name neither", () => {
  assert.deepEqual(named("tool").findings, []);
  assert.deepEqual(named("not-java").findings, []);
});

test("a limit further up is not the runtime's own: its share is not told", () => {
  const row = task("java", 11, 90);
  const of = report({ limitCgroup: "/kubepods.slice", tasks: [row], kills: [killOf(row)] });
  assert.match(says(runtime, story(of)).advice[0] ?? "", /^Set -Xmx, and bound/);
});

test("the chosen one of a group is told its setting, the others nothing", () => {
  const rows = [task("java", 11, 80), task("java", 12, 10)];
  const of = report({
    tasks: rows,
    groupCgroup: CONTAINER_PATH,
    kills: rows.map((row) => killOf(row)),
  });
  assert.equal(says(runtime, story(of)).advice.length, 1);
});

test("members of a group are told nothing of their own", () => {
  const rows = [task("java", 11, 80), task("java", 12, 10)];
  const of = report({
    tasks: rows,
    groupCgroup: CONTAINER_PATH,
    kills: rows.map((row) => killOf(row)),
  });
  assert.deepEqual(says(runtime, storyOfReport(of, of.kills[1] ?? null, NO_HISTORY)).findings, []);
  assert.equal(MIB, 1_048_576);
});
