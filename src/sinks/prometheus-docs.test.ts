import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createMetricsRenderer } from "./prometheus.ts";
import { agentView, temporaryDirectory } from "./testing/records.ts";

const DOCUMENT = path.join(import.meta.dirname, "../../docs/metrics.md");

const ALL = { compat: true, moreCompat: true };

test("docs/metrics.md lists exactly the families that are rendered, with their types", () => {
  const text = [...createMetricsRenderer(agentView(), ALL).render([], 0)].join("");
  const rendered = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
    name,
    type,
  ]);
  const documented = [
    ...fs.readFileSync(DOCUMENT, "utf8").matchAll(/^\| `(\w+)` \| (\w+) \|/gm),
  ].map(([, name, type]) => [name, type]);
  assert.deepEqual(documented.toSorted(), rendered.toSorted());
});

/** One kill at minute 10 in a container never seen before; a node that never had one; one balanced, one not. */
const RULE_TEST = `
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'oomwitness_last_kill_timestamp_seconds{container="api",instance="a"}'
        values: '_x10 600x20'
      - series: 'oomwitness_last_kill_timestamp_seconds{instance="a"}'
        values: '0x30'
      - series: 'oomwitness_unaccounted_kills{instance="a"}'
        values: '0x30'
    alert_rule_test:
      - eval_time: 9m
        alertname: OomKill
      - eval_time: 11m
        alertname: OomKill
        exp_alerts:
          - exp_labels: {container: api, instance: a}
            exp_annotations: {summary: "//api on a was killed for memory"}
      - eval_time: 16m
        alertname: OomKill
      - eval_time: 20m
        alertname: OomWitnessMissedKills
`;

test("the alerts of docs/metrics.md fire on a container's first kill and not before any", (t) => {
  const [, rules = ""] =
    /^(?:## Alerts\n```yaml\n)(.*?)^```/ms.exec(fs.readFileSync(DOCUMENT, "utf8")) ?? [];
  const directory = temporaryDirectory();
  try {
    fs.writeFileSync(path.join(directory.path, "rules.yml"), rules);
    fs.writeFileSync(path.join(directory.path, "test.yml"), RULE_TEST);
    const done = spawnSync("promtool", ["test", "rules", "test.yml"], {
      cwd: directory.path,
      encoding: "utf8",
    });
    if (done.error !== undefined)
      return t.skip("promtool is not installed: apt-get install prometheus");
    assert.equal(done.status, 0, done.stdout + done.stderr);
  } finally {
    directory.remove();
  }
});
