import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { guestAvailable } from "../../lab/guest/guest.ts";
import type { Truth } from "../../lab/lab.ts";
import type { KillObservation, Observation } from "../../src/model/observation.ts";
import { runInEmulatedGuest } from "./support/emulated-guest.ts";

interface Scene {
  readonly truths: readonly Truth[];
  readonly cgroup: string;
  readonly observations: readonly Observation[];
}

interface Result {
  readonly group: Scene;
  readonly storm: Scene;
  readonly lost: number;
  readonly cursor: string;
}

const available = guestAvailable();
const skip = available.ok ? false : available.reason;

const killsIn = (scene: Scene): KillObservation[] =>
  scene.observations.flatMap((observation) => (observation.kind === "kill" ? [observation] : []));

describe("the kernel-log source on cgroup v2", { skip }, () => {
  let result: Result;

  before(async () => {
    const script = "/usr/bin/node test/e2e/guest-kernel-log.ts";
    const { exitCode, output, files } = await runInEmulatedGuest({ script });
    assert.equal(exitCode, 0, output);
    result = JSON.parse(files["result.json"] ?? "null");
  });

  test("a group kill: one incident, the first victim once, all in their cgroup", () => {
    const { truths, cgroup, observations } = result.group;
    const kills = killsIn(result.group);
    const once = kills.filter((kill) => !kill.repeat);
    assert.deepEqual(
      once.map((kill) => kill.victim.tid).toSorted((a, b) => a - b),
      truths.map(({ tid }) => tid).toSorted((a, b) => a - b),
    );
    assert.equal(kills.length - once.length, 1, "the kernel kills the first victim twice");
    assert.ok(kills.every((kill) => kill.cgroup?.path === cgroup));
    assert.deepEqual([...new Set(kills.map((kill) => kill.incident))], [kills[0]?.sequence]);
    const groups = observations.filter((observation) => observation.kind === "group");
    assert.deepEqual(
      groups.map((group) => [group.incident, group.cgroup]),
      [[kills[0]?.sequence, cgroup]],
    );
  });

  test("a storm under a flood of forged lines: losses are counted, no kill is invented", (t) => {
    const kills = killsIn(result.storm);
    const tids = new Set(result.storm.truths.map(({ tid }) => tid));
    assert.ok(
      kills.every((kill) => kill.victim.tid !== 1),
      "the forged kill of process 1",
    );
    const ours = kills.filter((kill) => tids.has(kill.victim.tid));
    assert.equal(new Set(ours.map((kill) => kill.victim.tid)).size, ours.length);
    assert.equal(kills.length, ours.length + 1, "one more after the flood");
    for (const { cgroup } of kills)
      if (cgroup !== null) assert.equal(cgroup.path, result.storm.cgroup);
    t.diagnostic(`${ours.length} of ${tids.size} kills seen, ${result.lost} records lost`);
    assert.ok(
      ours.length === tids.size || result.lost > 0,
      "what was not seen was lost, and counted",
    );
    assert.match(result.cursor, /^kmsg \d+ \d+ -?\d+$/);
  });
});
