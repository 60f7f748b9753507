import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTAINER_PATH, killOf, MIB, POD_PATH, report, says, story, task } from "../testing.ts";
import { ancestor } from "./ancestor.ts";

const rows = [task("report", 10, 40), task("import", 11, 55)];
const under = (limitCgroup: string, cgroupPath = CONTAINER_PATH) =>
  report({
    limitCgroup,
    tasks: rows,
    kills: rows.slice(1).map((row) => killOf(row, { cgroupPath })),
  });

test("a slice's limit is told apart from the victim's own, with who else used it up", () => {
  const of = under("/batch.slice", "/batch.slice/import.service");
  const { findings, confidences, evidence, advice } = says(ancestor, story(of));
  assert.deepEqual(findings, [
    "The limit belongs to slice batch.slice, not to service import.service: everything below it shares it.",
    "Beside the victim's 55 MiB, 1 other process under this limit held 40 MiB.",
  ]);
  assert.deepEqual(confidences, ["certain", "certain"]);
  assert.deepEqual(evidence.slice(0, 2), [
    "limit of /batch.slice",
    "victim in /batch.slice/import.service",
  ]);
  assert.deepEqual(advice, [
    "Raise the limit (100 MiB) of slice batch.slice, or bound what else runs in it (report[10] holds 40 MiB).",
  ]);
});

test("a pod's limit, all pods' limit: the advice is that level's", () => {
  const pod = says(ancestor, story(under(POD_PATH)));
  assert.match(pod.findings[0] ?? "", /^The pod as a whole was over its limit/);
  assert.match(pod.advice[0] ?? "", /raise the pod's limit \(100 MiB\) to the sum/);
  const all = says(ancestor, story(under("/kubepods.slice")));
  assert.match(all.advice[0] ?? "", /^Move pods off this node/);
});

test("the container's own limit is no ancestor's", () => {
  assert.deepEqual(says(ancestor, story(report())).findings, []);
  const unknown = report({ memory: { usageBytes: MIB, limitBytes: null, failCount: null } });
  assert.deepEqual(says(ancestor, story(unknown)).findings, []);
});
