import assert from "node:assert/strict";
import { test } from "node:test";
import type { OomReport } from "../model/report.ts";
import { KillMemory } from "./history.ts";
import { killsOfReport, type TextContext } from "./report-kills.ts";
import {
  CONTAINER_PATH,
  ID,
  killOf,
  MAIN,
  MIB,
  nodeReport,
  POD_PATH,
  report,
  WORKER,
} from "./testing.ts";

function context(): TextContext {
  const ids = new Set<string>();
  return {
    ownerOf: () => ({
      container: {
        runtime: "containerd",
        id: ID,
        name: null,
        image: null,
        imageId: null,
        restarts: null,
      },
      pod: null,
      unit: null,
      scope: "container",
    }),
    memory: new KillMemory(null),
    freeId: (id) => {
      const free = ids.has(id) ? `${id}.2` : id;
      ids.add(free);
      return free;
    },
  };
}

const later = (of: OomReport, seconds: number): OomReport => ({
  ...of,
  kills: of.kills.map((kill) => ({ ...kill, at: null, uptimeSeconds: 5_000.25 + seconds })),
  at: null,
});

test("a kill of a text knows what the text knows", () => {
  const [kill, ...more] = killsOfReport(report(), context());
  assert.deepEqual(more, []);
  assert.ok(kill);
  assert.match(kill.id, /^log-11-[0-9a-z]+$/);
  assert.equal(kill.at, "2026-11-21T03:12:44.104512Z");
  assert.equal(kill.incident.id, kill.id);
  assert.deepEqual([kill.node, kill.bootId, kill.visibility], [null, null, "unknown"]);
  assert.deepEqual(kill.limit, {
    scope: "container",
    constraint: "memcg",
    cgroup: CONTAINER_PATH,
    bytes: 100 * MIB,
  });
  assert.deepEqual(
    [kill.attribution, kill.recovered, kill.witnesses],
    ["exact", true, ["kernel-log"]],
  );
  assert.equal(kill.explanation?.rankingAgrees, true);
});

test("ids come from the text: the same again, another for another, an ordinal where it is told twice", () => {
  const id = (of: OomReport, within = context()) => killsOfReport(of, within)[0]?.id;
  assert.equal(id(report()), id(report()));
  assert.notEqual(id(report()), id(later(report(), 9)));
  const same = context();
  assert.equal(id(report(), same), id(report()));
  assert.equal(id(report(), same), `${id(report())}.2`);
});

test("the members of a group are one incident, and not each other's past", () => {
  const kills = [WORKER, MAIN].map((row) => killOf(row));
  const told = killsOfReport(report({ groupCgroup: CONTAINER_PATH, kills }), context());
  assert.deepEqual(
    told.map(({ incident }) => incident),
    told.map(() => ({ id: told[0]?.id, group: true })),
  );
  for (const { explanation } of told)
    assert.ok(!explanation?.findings.some(({ rule }) => rule === "pattern"));
});

test("the second kill in the same place knows the first", () => {
  const within = context();
  killsOfReport(later(report(), 0), within);
  const [second] = killsOfReport(later(report(), 60), within);
  const pattern = second?.explanation?.findings.find(({ rule }) => rule === "pattern");
  assert.equal(
    pattern?.sentence,
    "It happened before: the 2nd kill here; the one before was 60 s earlier.",
  );
});

test("kills in cgroups that the text does not name may be anywhere; one machine is one place", () => {
  const bare = report({ limitCgroup: null, kills: [killOf(WORKER, { cgroupPath: null })] });
  const pastOf = (of: OomReport) => {
    const within = context();
    killsOfReport(later(of, 0), within);
    const [second] = killsOfReport(later(of, 60), within);
    return second?.explanation?.findings.some(({ rule }) => rule === "pattern");
  };
  assert.equal(pastOf(bare), false);
  assert.equal(pastOf({ ...nodeReport(), kills: bare.kills }), true);
  assert.equal(pastOf(report({ outcome: "none-killable", kills: [] })), false);
});

test("a report without a victim is one record without a victim", () => {
  const [kill] = killsOfReport(report({ kills: [], outcome: "none-killable" }), context());
  assert.equal(kill?.outcome, "none-killable");
  assert.deepEqual([kill?.victim.pid, kill?.victim.comm], [null, null]);
  assert.match(kill?.id ?? "", /^log-none-/);
});

test("a report that ends before its victim still says where it was", () => {
  const cut = { limitCgroup: POD_PATH, kills: [], outcome: "unknown" } as const;
  const cgroups: (string | null)[] = [];
  const within = context();
  const ownerOf: TextContext["ownerOf"] = (kill) => {
    cgroups.push(kill.cgroup.path);
    return within.ownerOf(kill);
  };
  const [kill] = killsOfReport(report(cut), { ...within, ownerOf });
  assert.ok(cgroups.every((path) => path === CONTAINER_PATH) && cgroups.length > 0);
  assert.deepEqual([kill?.cgroup.path, kill?.attribution], [CONTAINER_PATH, "exact"]);
  const [unknown] = killsOfReport(report({ ...cut, victimCgroup: null }), within);
  assert.deepEqual([unknown?.cgroup.path, unknown?.attribution], [null, "none"]);
});
