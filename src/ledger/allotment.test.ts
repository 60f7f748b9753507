import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observation } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import { BOOT_ID, count, kill, newLedger, stamp } from "./testing.ts";

/** The node and three cgroups, counted at 5 s with nothing in them, and again at 30 s. */
function readings(counts: Readonly<Record<string, number>>, node: number): Observation[] {
  const cgroups = Object.entries(counts).map(([path, value]) =>
    count({ path }, [5, 30], value, { sequence: `${path}-${value}` }),
  );
  return [count("node", [5, 30], node), ...cgroups];
}

/** What an agent knows that watched from 1 s on, saw one `hog` die in `/a`, and ended. */
function before(): LedgerState {
  const ledger = newLedger(1);
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  ledger.observe(kill("tracefs", 3, 99, { cgroup: stamp("/a") }));
  ledger.observe(count({ path: "/a" }, [2, 3.001], 1));
  ledger.observe(count("node", [1, 3.001], 1));
  ledger.advance(8 * SECOND);
  ledger.take();
  return JSON.parse(JSON.stringify(ledger.state()));
}

/** The last record of each kill that its successor, begun at 30 s, told by 45 s. */
function after(ledger: Ledger, observations: readonly Observation[]): KillRecord[] {
  const last = new Map<string, KillRecord>();
  for (const observation of observations) ledger.observe(observation);
  for (let time = 30; time <= 45; time += 0.25) {
    ledger.advance(time * SECOND);
    for (const record of ledger.take()) last.set(record.id, record);
  }
  return [...last.values()];
}

function tally(records: readonly KillRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { cgroup, attribution } of records) {
    const place = `${cgroup.path} ${attribution}`;
    counts[place] = (counts[place] ?? 0) + 1;
  }
  return counts;
}

/** Kills while nobody watched: the trace that stayed behind has pids and times. */
function hogs(tids: readonly number[], comm = "hog") {
  return tids.map((tid) => {
    const one = kill("tracefs", 10 + tid / 1000, tid);
    return { ...one, victim: { ...one.victim, comm } };
  });
}

test("kills while the agent was away: each living cgroup gets as many as its counter has", () => {
  const ledger = newLedger(30, before());
  const records = after(ledger, [
    ...hogs([1, 2, 3, 4, 5, 6]),
    ...readings({ "/a": 3, "/b": 3, "/c": 1 }, 7),
  ]);
  assert.deepEqual(tally(records), { "/a inferred": 2, "/b inferred": 3, "/c inferred": 1 });
  assert.ok(records.every(({ recovered }) => recovered));
  assert.deepEqual(ledger.summary().unattributed, 0);
});

test("kills of cgroups that are gone with their counters stay open, beside those of the living", () => {
  const records = after(newLedger(30, before()), [
    ...hogs([1, 2, 3, 4, 5, 6]),
    ...readings({ "/a": 2, "/b": 2 }, 7),
  ]);
  assert.deepEqual(tally(records), { "/a inferred": 1, "/b inferred": 2, "null none": 3 });
});

test("kills that no source but the node's counter saw are shared out, too", () => {
  const records = after(newLedger(30, before()), [
    ...hogs([1]),
    ...readings({ "/a": 3, "/b": 2 }, 5),
  ]);
  assert.deepEqual(tally(records), { "/a inferred": 2, "/b inferred": 2 });
});

test("a program goes to the cgroup where it was killed before", () => {
  const records = after(newLedger(30, before()), [
    ...hogs([1, 2], "java"),
    ...hogs([3, 4]),
    ...readings({ "/a": 3, "/b": 2 }, 5),
  ]);
  const inA = records.filter(({ cgroup }) => cgroup.path === "/a");
  assert.deepEqual(
    inA.map(({ victim }) => victim.comm),
    ["hog", "hog"],
  );
});

test("one that fits two cgroups makes room for one that fits a single one", () => {
  const records = after(newLedger(30, before()), [
    ...hogs([1, 2]),
    kill("tracefs", 20, 3),
    count("node", [5, 30], 4),
    count({ path: "/b" }, [5, 15], 1),
    count({ path: "/c" }, [5, 30], 2),
  ]);
  assert.deepEqual(tally(records), { "/b inferred": 1, "/c inferred": 2 });
  assert.equal(records.find(({ victim }) => victim.tid === 3)?.cgroup.path, "/c");
});

test("what a counter above holds beyond those below it is somewhere below", () => {
  const above = { path: "/pod", version: 2, extent: "subtree" } as const;
  const below = { path: "/pod/b", version: 2, extent: "subtree" } as const;
  const records = after(newLedger(30, before()), [
    ...hogs([1, 2, 3]),
    count("node", [5, 30], 4),
    count(above, [5, 30], 3),
    count(below, [5, 30], 1),
  ]);
  assert.deepEqual(tally(records), { "/pod/b inferred": 1, "/pod inferred": 2 });
});

test("the main process of a container is given to no other container", () => {
  const container = { runtime: "docker", id: "bbbb", name: "b", image: null, imageId: null };
  const options = { bootId: BOOT_ID, node: "worker-3", startedAt: 30 * SECOND };
  const ledger = new Ledger(
    {
      ...options,
      identify: ({ victim }) => ({
        container: victim.tid === 1 ? { ...container, restarts: null, inner: null } : null,
        pod: null,
        unit: null,
        main: null,
        visibility: "unknown",
        scope: null,
        witnesses: [],
      }),
    },
    before(),
  );
  const records = after(ledger, [
    ...hogs([1, 2, 3]),
    ...readings({ "/a": 3, "/docker/bbbb": 1 }, 4),
  ]);
  assert.deepEqual(tally(records), { "/a inferred": 2, "/docker/bbbb inferred": 1 });
  assert.equal(records.find(({ victim }) => victim.tid === 1)?.cgroup.path, "/docker/bbbb");
});
