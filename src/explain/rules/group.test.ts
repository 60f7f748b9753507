import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_HISTORY } from "../history.ts";
import { storyOfReport } from "../story.ts";
import { CONTAINER_PATH, killOf, report, says, story, task } from "../testing.ts";
import { group } from "./group.ts";

const rows = [task("query", 13, 60), task("writer", 12, 20)];
const killed = report({
  tasks: rows,
  groupCgroup: CONTAINER_PATH,
  kills: rows.map((row) => killOf(row)),
});

test("one incident, not many: how many died, and why together", () => {
  const { findings, confidences, evidence, advice } = says(group, story(killed));
  assert.deepEqual(findings, [
    "This was a group kill: 2 processes died together, because memory.oom.group is set.",
    "The whole container died with it, so it is restarted and its status says OOMKilled.",
  ]);
  assert.deepEqual(confidences, ["certain", "likely"]);
  assert.match(evidence[0] ?? "", /^memory\.oom\.group of \/kubepods\.slice/);
  assert.match(advice[0] ?? "", /turn it off \(kubelet: singleProcessOOMKill: true/);
});

test("a member is told that it was not the one that was chosen", () => {
  const member = storyOfReport(killed, killed.kills[1] ?? null, NO_HISTORY);
  const { findings, confidences, evidence } = says(group, member);
  assert.deepEqual(confidences, ["certain", "likely", "certain"]);
  assert.equal(findings[2], "This process was not chosen: it died as a member of the group.");
  assert.equal(evidence[2], "the kernel chose query (13)");
});

test("a group inside a container is not the whole of it", () => {
  const part = { ...killed, groupCgroup: `${CONTAINER_PATH}/jobs/one` };
  assert.equal(says(group, story(part)).findings.length, 1);
});

test("a kill alone is no group kill", () => {
  assert.deepEqual(says(group, story(report())).findings, []);
});
