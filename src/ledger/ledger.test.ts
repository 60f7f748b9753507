import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Observation } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import type { Ledger, LedgerState } from "./ledger.ts";
import { at, count, kill, newLedger, stamp } from "./testing.ts";

/** Everything the ledger says of `observations`, given one after the other, up to long after the last. */
function tell(ledger: Ledger, observations: readonly Observation[], until = 60): KillRecord[] {
  const records: KillRecord[] = [];
  for (const observation of observations) {
    ledger.advance(observation.at.monotonicMicroseconds);
    ledger.observe(observation);
    records.push(...ledger.take());
  }
  for (let second = 0; second <= until; second++) {
    ledger.advance(second * SECOND);
    records.push(...ledger.take());
  }
  return records;
}

function latest(records: readonly KillRecord[]): KillRecord[] {
  return [...new Map(records.map((record) => [record.id, record])).values()];
}

const STORY: readonly Observation[] = [
  count("node", [null, 1], 40, { baseline: true }),
  kill("tracefs", 10, 4219, { cgroup: stamp("/docker/a") }),
  kill("probe", 10.000_01, 4219, { cgroup: stamp("/docker/a", "probe") }),
  kill("kernel-log", 10.02, 4219, {
    limit: { constraint: "memcg", cgroup: "/docker", bytes: 15_728_640 },
    trigger: { pid: 4200, comm: "sh" },
  }),
  count("node", [1, 10.001], 41),
  count({ path: "/docker/a" }, [1, 10.002], 1),
];

test("one kill seen by five sources is one record, opened once and amended", () => {
  const records = tell(newLedger(), STORY);
  assert.equal(new Set(records.map((record) => record.id)).size, 1);
  assert.deepEqual(
    records.map((record) => record.revision),
    records.map((_, revision) => revision),
  );
  const [last] = latest(records);
  assert.deepEqual(last?.witnesses, ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"]);
  assert.equal(last?.attribution, "exact");
  assert.equal(last?.cgroup.path, "/docker/a");
  assert.equal(last?.basis, "probe");
  assert.deepEqual(last?.limit, {
    scope: null,
    constraint: "memcg",
    cgroup: "/docker",
    bytes: 15_728_640,
  });
});

test("the order of evidence changes neither the record nor its id", () => {
  const expected = latest(tell(newLedger(), STORY)).map(({ revision: _, ...rest }) => rest);
  const [baseline, ...rest] = STORY;
  if (baseline === undefined) throw new Error("the story begins with a baseline");
  fc.assert(
    fc.property(fc.shuffledSubarray(rest, { minLength: rest.length }), (shuffled) => {
      const records = latest(tell(newLedger(), [baseline, ...shuffled]));
      assert.deepEqual(
        records.map(({ revision: _, ...record }) => record),
        expected,
      );
    }),
  );
});

test("evidence that comes twice says nothing new", () => {
  const once = tell(newLedger(), STORY);
  const twice = tell(newLedger(), [...STORY, ...STORY]);
  assert.deepEqual(latest(twice), latest(once));
});

test("the books balance, and what was counted before anybody watched is history", () => {
  const ledger = newLedger();
  tell(ledger, STORY);
  const { kernel, recorded, unaccounted, unattributed } = ledger.summary();
  assert.deepEqual([kernel, recorded, unaccounted, unattributed], [1, 1, 0, 0]);
});

test("a group kill's second entry of its first victim is no kill, and the books still balance", () => {
  const group = { incident: "100", group: true } as const;
  const ledger = newLedger();
  const records = tell(ledger, [
    count("node", [null, 1], 0, { baseline: true }),
    kill("kernel-log", 10, 201, { sequence: "100", incident: "100" }),
    {
      kind: "group",
      source: "kernel-log",
      sequence: "101",
      at: at(10),
      incident: "100",
      cgroup: "/g",
    },
    kill("kernel-log", 10, 201, { sequence: "102", repeat: true, ...group }),
    kill("kernel-log", 10, 202, { sequence: "103", ...group }),
    kill("kernel-log", 10, 203, { sequence: "104", ...group }),
    count("node", [1, 10.1], 4),
  ]);
  const kills = latest(records);
  assert.deepEqual(
    kills.map((record) => record.victim.tid),
    [201, 202, 203],
  );
  assert.equal(new Set(kills.map((record) => record.incident.id)).size, 1);
  assert.ok(kills.every((record) => record.incident.group));
  const { kernel, recorded, unaccounted } = ledger.summary();
  assert.deepEqual([kernel, recorded, unaccounted], [3, 3, 0]);
});

test("a kill that only the node's counter saw becomes a record with an unknown victim, two seconds later", () => {
  const ledger = newLedger();
  const early = tell(
    ledger,
    [count("node", [null, 1], 0, { baseline: true }), count("node", [9, 10], 1)],
    11,
  );
  assert.equal(early.length, 0);
  const [record, ...more] = tell(ledger, []);
  assert.equal(more.length, 0);
  assert.equal(record?.victim.pid, null);
  assert.equal(record?.attribution, "none");
  assert.equal(ledger.summary().unaccounted, 0);
});

test("late evidence of such a kill amends its record and opens no second one", () => {
  const ledger = newLedger();
  const before = tell(
    ledger,
    [count("node", [null, 1], 0, { baseline: true }), count("node", [9, 10], 1)],
    20,
  );
  const after = tell(ledger, [kill("kernel-log", 9.5, 777, { cgroup: stamp("/a") })]);
  assert.equal(after[0]?.id, before[0]?.id);
  assert.equal(after[0]?.victim.pid, 777);
  assert.equal(ledger.summary().unaccounted, 0);
});

test("a cgroup's counter names the cgroup of a kill that nobody stamped, if no other book could", () => {
  const records = tell(newLedger(), [
    count("node", [null, 1], 0, { baseline: true }),
    kill("kernel-log", 10, 300),
    count("node", [9, 10.1], 1),
    count({ path: "/a", id: 7 }, [9, 10.1], 1),
  ]);
  const [record] = latest(records);
  assert.equal(record?.cgroup.path, "/a");
  assert.equal(record?.attribution, "inferred");
  assert.equal(record?.basis, "counter");
});

test("a counter's word alone is no exact cgroup, though no other cgroup can have the kill", () => {
  const told = tell(newLedger(), [
    count("node", [null, 1], 0, { baseline: true }),
    count({ path: "/a", id: 7 }, [null, 1], 0, { baseline: true }),
    count("node", [9, 10], 1),
    count({ path: "/a", id: 7 }, [9, 10], 1),
  ]);
  const [record] = latest(told);
  assert.equal(record?.cgroup.path, "/a");
  assert.deepEqual([record?.attribution, record?.basis], ["inferred", "counter"]);
});

test("the record says which source named the cgroup, the best where several did", () => {
  const basisOf = (...told: readonly Observation[]) => latest(tell(newLedger(), told))[0]?.basis;
  const log = kill("kernel-log", 10, 300, { cgroup: stamp("/a", "kernel-log") });
  const proc = kill("tracefs", 10, 300, { cgroup: stamp("/a", "proc") });
  const lineage = kill("tracefs", 10, 300, { cgroup: stamp("/a", "lineage") });
  assert.equal(basisOf(log), "kernel-log");
  assert.equal(basisOf(proc), "proc");
  assert.equal(basisOf(proc, log), "kernel-log");
  assert.equal(basisOf(log, proc), "kernel-log");
  assert.equal(basisOf(lineage), "neighbour");
  assert.equal(basisOf(kill("kernel-log", 10, 300)), null);
});

test("two cgroups that could both have had the kill: each gets one of the two that were counted, by inference", () => {
  const records = tell(newLedger(), [
    count("node", [null, 1], 0, { baseline: true }),
    kill("kernel-log", 10, 300),
    count("node", [9, 10.1], 2),
    count({ path: "/a", id: 7 }, [9, 10.1], 1),
    count({ path: "/b", id: 8 }, [9, 10.1], 1),
  ]);
  const last = latest(records);
  assert.deepEqual(last.map(({ cgroup }) => cgroup.path).sort(), ["/a", "/b"]);
  assert.ok(
    last.every(({ attribution, basis }) => attribution === "inferred" && basis === "counter"),
  );
});

test("the second entry of a long group kill is its first victim's, however late it comes", () => {
  const ledger = newLedger();
  const first = kill("tracefs", 10, 55, { cgroup: stamp("/a") });
  const { sequence: incident } = first;
  const repeat = { sequence: "again", incident, group: true, repeat: true };
  const probed = kill("probe", 10, 55, { cgroup: stamp("/a", "kernel-log") });
  const records = tell(ledger, [
    count("node", [null, 5], 0, { baseline: true }),
    first,
    probed,
    kill("tracefs", 11.7, 55, repeat),
    // This source's own first word was lost.
    kill("kernel-log", 10.9, 55, { ...repeat, incident: "lost" }),
    count("node", [5, 12], 2),
  ]);
  assert.equal(latest(records).length, 1);
  assert.equal(ledger.summary().unaccounted, 0);
});

test("the same pid killed again later is another kill", () => {
  const records = tell(newLedger(), [
    kill("tracefs", 10, 55, { cgroup: stamp("/a") }),
    kill("tracefs", 30, 55, { cgroup: stamp("/b") }),
  ]);
  assert.deepEqual(
    latest(records).map((record) => record.cgroup.path),
    ["/a", "/b"],
  );
});

test("a successor that reads the same evidence again opens nothing, and says what it missed as recovered", () => {
  const first = newLedger();
  tell(first, STORY, 20);
  const state: LedgerState = JSON.parse(JSON.stringify(first.state()));
  const second = newLedger(30, state);
  const records = tell(second, [
    ...STORY,
    kill("kernel-log", 25, 4300, { cgroup: stamp("/docker/b") }),
    count("node", [10, 31], 42),
  ]);
  const opened = records.filter((record) => record.revision === 0);
  assert.deepEqual(
    opened.map((record) => [record.victim.pid, record.recovered]),
    [[4300, true]],
  );
  assert.equal(second.summary().unaccounted, 0);
});

test("what the first reading after an absence has and nobody saw is recovered", () => {
  const first = newLedger();
  tell(first, [count("node", [null, 5], 7, { baseline: true })], 20);
  const state: LedgerState = JSON.parse(JSON.stringify(first.state()));
  const opened = tell(newLedger(30, state), [
    count("node", [null, 31], 8, { baseline: true }),
    count("node", [31, 33], 9),
  ]).filter((record) => record.revision === 0);
  assert.deepEqual(
    opened.map(({ recovered }) => recovered),
    [true, false],
  );
});

test("kills only a counter saw have the same ids, settled one by one or all at once", () => {
  const counts = [
    count("node", [null, 1], 7, { baseline: true }),
    count("node", [1, 10], 8),
    count("node", [10, 11.5], 10),
  ];
  const ids = (seconds: readonly number[]) => {
    const ledger = newLedger();
    for (const observation of counts) ledger.observe(observation);
    return seconds.flatMap((at) => {
      ledger.advance(at * SECOND);
      return ledger.take().map(({ id }) => id);
    });
  };
  const once = ids([60]);
  assert.equal(once.length, 3);
  assert.deepEqual(ids([13.2, 60]), once);
});

test("a kill in a storm gets the limit that the log printed for its neighbours", () => {
  const printed = { constraint: "memcg", cgroup: "/x", bytes: 15_728_640 } as const;
  const silent = { constraint: "memcg", cgroup: null, bytes: null } as const;
  const records = tell(newLedger(), [
    kill("kernel-log", 10, 1, { cgroup: stamp("/x", "kernel-log"), limit: printed }),
    {
      kind: "limits",
      source: "cgroup",
      sequence: "x",
      at: at(10),
      path: "/x",
      chain: [{ path: "/x", limitBytes: 15_728_640 }],
    },
    kill("tracefs", 10.1, 2, { cgroup: stamp("/x") }),
    kill("kernel-log", 10.1, 2, { limit: silent }),
  ]);
  const second = latest(records).find((record) => record.victim.tid === 2);
  assert.deepEqual(second?.limit, { scope: null, ...printed });
});

test("a kill that a journal amends does not hide younger ones from the next checkpoint", () => {
  const before = newLedger();
  tell(before, [kill("tracefs", 10, 1), kill("tracefs", 20, 2)], 21);
  const ledger = newLedger(21, before.state());
  const [older] = before.state().kills;
  assert.ok(older !== undefined);
  ledger.restore({ ...older, revision: 1 });
  ledger.advance(22 * SECOND);
  const tids = (seconds: number) =>
    ledger.state(seconds * SECOND).kills.map(({ victim }) => victim?.tid);
  assert.deepEqual(tids(5), [2]);
  assert.deepEqual(tids(20), [1, 2]);
});
