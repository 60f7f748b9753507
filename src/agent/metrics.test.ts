import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { SeriesCount } from "../sinks/sink.ts";
import { killRecord } from "../sinks/testing/records.ts";
import { COUNT_AFTER_SECONDS, VISIBLE_AFTER_SECONDS } from "./metrics-open.ts";
import {
  exitOf,
  facts,
  ID,
  killIn,
  NOBODYS,
  NOW,
  pod,
  restarted,
  started,
  sum,
  value,
} from "./testing/metrics.ts";

test("a kill whose owner and scope are known is counted at once, in every family", () => {
  const metrics = started();
  metrics.kill(killIn(1, facts(ID, { pod: pod("cart-0") })));
  const view = metrics.view();
  const labels = { namespace: "shop", pod: "cart-0", container: "api" };
  assert.equal(value(view.kills, { ...labels, scope: "container" }), 1);
  assert.equal(value(view.lastKillSeconds, labels), 1_795_216_205.001);
  assert.equal(value(view.ooms, { docker_container_id: ID }), 1);
  assert.equal(value(view.podKills, { pod_uid: "uid-cart-0", container_name: "api" }), 1);
  assert.equal(value(view.oomEvents, { container: "api" }), 1);
});

test("a kill that no counter has is not counted before that is certain, and never when it is unconfirmed", () => {
  const metrics = started();
  const told = { witnesses: ["tracefs"] } as const;
  metrics.kill(killIn(1, facts(ID), told));
  metrics.kill(killIn(2, facts(ID), told));
  metrics.advance(NOW + 1);
  assert.equal(sum(metrics.kills), 0);
  metrics.kill(killIn(1, facts(ID), { ...told, revision: 1, outcome: "unconfirmed" }));
  metrics.advance(NOW + 2 * COUNT_AFTER_SECONDS);
  assert.equal(sum(metrics.kills), 1);
});

test("a kill whose container becomes known by an amendment is counted once, under its name", () => {
  const metrics = started();
  metrics.kill(killRecord(1, NOBODYS));
  metrics.advance(NOW + 1);
  assert.equal(sum(metrics.kills), 0);
  metrics.kill(killIn(1, facts(ID), { revision: 1 }));
  metrics.kill(killIn(1, facts(ID, { name: "renamed" }), { revision: 2 }));
  metrics.advance(NOW + 2 * COUNT_AFTER_SECONDS);
  assert.deepEqual(
    metrics.kills.filter((one) => one.value > 0),
    [
      {
        labels: { namespace: "", pod: "", container: "cart", scope: "container" },
        value: 1,
      },
    ],
  );
  assert.equal(sum(metrics.view().ooms), 1);
});

test("a kill of which no more is learned is counted after a short while under what is known", () => {
  const metrics = started();
  metrics.kill(killRecord(1, NOBODYS));
  metrics.advance(NOW + COUNT_AFTER_SECONDS - 0.1);
  assert.equal(sum(metrics.kills), 0);
  metrics.advance(NOW + COUNT_AFTER_SECONDS);
  assert.equal(value(metrics.kills, { container: "", scope: "" }), 1);
  metrics.kill(killIn(1, facts(ID), { revision: 1 }));
  metrics.advance(NOW + 100);
  assert.equal(sum(metrics.kills), 1, "a counter cannot take back");
});

test("a group that is known only from its last kill is one incident", () => {
  const metrics = started();
  const container = facts(ID);
  for (const number of [1, 2, 3]) metrics.kill(killIn(number, container));
  const incident = { id: "i1", group: true };
  for (const number of [2, 3]) metrics.kill(killIn(number, container, { revision: 1, incident }));
  metrics.advance(NOW + COUNT_AFTER_SECONDS);
  assert.equal(value(metrics.incidents, { container: "cart" }), 1);
  assert.equal(value(metrics.kills, { container: "cart" }), 3);
  metrics.kill(killIn(4, container, { incident }));
  const next = restarted(metrics);
  next.advance(NOW + 100);
  assert.equal(value(next.incidents, { container: "cart" }), 1, "also across a restart");
});

test("a kill is invisible when that is settled, however late, and once", () => {
  const metrics = started();
  const container = facts(ID);
  metrics.kill(killIn(1, container, { visibility: "pending" }));
  metrics.kill(killIn(2, container, { visibility: "pending" }));
  metrics.advance(NOW + 60);
  const next = restarted(metrics);
  next.advance(NOW + 61);
  next.kill(killIn(1, container, { visibility: "invisible", revision: 1 }));
  next.kill(killIn(1, container, { visibility: "invisible", revision: 2 }));
  next.kill(killIn(2, container, { visibility: "visible", revision: 1 }));
  next.advance(NOW + 2 * VISIBLE_AFTER_SECONDS);
  assert.equal(value(next.view().invisibleKills, { container: "cart" }), 1);
  assert.equal(sum(next.kills), 2);
});

test("a known container has its series at 0, a sandbox has none", () => {
  const metrics = started();
  metrics.container(facts(ID, { pod: pod("cart-0") }), true);
  metrics.container(facts("pause", { sandbox: true }), true);
  const view = metrics.view();
  const labels = { namespace: "shop", pod: "cart-0", container: "api" };
  assert.equal(value(view.kills, { ...labels, scope: "container" }), 0);
  assert.equal(value(view.exits, { ...labels, verdict: "oom-killed" }), 0);
  for (const family of [view.incidents, view.invisibleKills, view.lastKillSeconds]) {
    assert.equal(value(family, labels), 0);
  }
  for (const family of [view.restarts, view.ooms, view.lastExitCodes]) {
    assert.deepEqual(
      family.map((one) => one.value),
      [0],
    );
  }
});

test("names survive new containers; they go an hour after the last one", () => {
  const metrics = started();
  metrics.container(facts("a", { pod: pod("cart-0") }), true);
  metrics.kill(killIn(1, facts("a", { pod: pod("cart-0") })));
  metrics.gone("a");
  metrics.container(facts("b", { pod: pod("cart-0") }), true);
  metrics.advance(NOW + 7_000);
  assert.equal(value(metrics.kills, { pod: "cart-0" }), 1, "another container has the name");
  metrics.gone("b");
  metrics.advance(NOW + 10_000);
  assert.equal(value(metrics.kills, { pod: "cart-0" }), 1);
  metrics.advance(NOW + 10_700);
  assert.equal(value(metrics.kills, { pod: "cart-0" }), null);
  assert.deepEqual(metrics.view().ooms, []);
});

test("after a restart counters go on, and what no runtime tells of any more goes", () => {
  const metrics = started();
  for (const id of ["a", "b"]) metrics.container(facts(id, { name: id }), true);
  metrics.kill(killIn(1, facts("a", { name: "a" })));
  metrics.exit(exitOf(facts("a", { name: "a" })));
  metrics.kill(killRecord(2, NOBODYS));
  const next = restarted(metrics);
  next.advance(NOW + 10);
  assert.equal(
    sum(next.kills),
    1,
    "whose the other is may become known once the counters are read",
  );
  next.advance(NOW + 15);
  assert.equal(sum(next.kills), 2);
  assert.equal(sum(next.incidents), 2);
  assert.equal(value(next.view().exits, { container: "a", verdict: "oom-killed" }), 1);
  assert.equal(value(next.view().ooms, { name: "b" }), 0);
  next.container(facts("a", { name: "a" }), true);
  next.advance(NOW + 4_000);
  assert.equal(value(next.view().ooms, { name: "a" }), 1);
  assert.equal(value(next.view().ooms, { name: "b" }), null);
  assert.equal(value(next.kills, { container: "", scope: "" }), 1, "the node's own stays");
});

test("what a journal tells before the time is known stays as long as anything", () => {
  const before = started();
  before.container(facts("a", { name: "a" }), true);
  const metrics = restarted(before);
  metrics.kill(killIn(1, facts("a", { name: "a" })));
  metrics.exit(exitOf(facts("b", { name: "b" })));
  for (const seconds of [10, 30, 60]) metrics.advance(NOW + seconds);
  assert.equal(value(metrics.kills, { container: "a" }), 1);
  assert.equal(value(metrics.view().exits, { container: "b", verdict: "oom-killed" }), 1);
  assert.equal(metrics.view().ooms.length, 2);
  metrics.advance(NOW + 4_000);
  assert.equal(metrics.view().ooms.length, 0);
});

test("what an earlier process told, and what is long past, is no new step", () => {
  const metrics = started();
  metrics.container(facts("a", { name: "a" }), true);
  metrics.kill(killIn(1, facts("a", { name: "a" })));
  const next = restarted(metrics);
  const at = (seconds: number) => new Date((NOW + seconds) * 1_000).toISOString();
  const kill = (number: number, name: string, change: { at: string; recovered: boolean }) =>
    next.kill(killIn(number, facts(name, { name }), change));
  next.advance(NOW + 600);
  kill(2, "replayed", { at: at(590), recovered: false });
  kill(3, "downtime", { at: at(590), recovered: true });
  kill(4, "history", { at: at(-9_000), recovered: true });
  kill(5, "now", { at: at(601), recovered: false });
  next.advance(NOW + 700);
  const { kills, ooms, incidents } = next.view();
  const names = (series: readonly SeriesCount[], label: string) =>
    series.filter((one) => one.value > 0 && one.continued !== true).map((one) => one.labels[label]);
  assert.deepEqual(names(kills, "container"), ["downtime", "now"]);
  assert.deepEqual(names(incidents, "container"), ["downtime", "now"]);
  assert.deepEqual(names(ooms, "name"), ["downtime", "now"]);
});

test("counters of a version before containers are read", () => {
  const labels = { namespace: "", pod: "", container: "cart" };
  const old = {
    kills: [{ labels: { ...labels, scope: "container" }, value: 4 }],
    incidents: [{ labels, value: 3 }],
    lastKillSeconds: [{ labels, value: 17 }],
    unattributed: 1,
    recovered: 2,
  };
  const metrics = started(old);
  metrics.kill(killIn(1, facts(ID)));
  metrics.advance(NOW + 10);
  assert.equal(value(metrics.kills, { container: "cart" }), 5);
  assert.equal(value(metrics.incidents, { container: "cart" }), 4);
  assert.equal(metrics.view().recoveredKills, 2);
});

test("1,000 crash-looping names, 20 rounds: series are bounded, no kill goes uncounted", (t) => {
  const metrics = started(null, { ownerLimit: 600, containerLimit: 1_200 });
  const lasting = facts("lasting", { name: "lasting" });
  metrics.container(lasting, true);
  let kills = 0;
  for (let round = 0; round < 20; round += 1) {
    for (let name = 0; name < 1_000; name += 1) {
      const one = facts(`${round}-${name}`, { name: `loop-${name}` });
      metrics.container(one, true);
      metrics.kill(killIn(++kills, one));
      metrics.exit(exitOf(one));
      metrics.gone(one.id);
    }
    metrics.advance(NOW + round * 20);
  }
  metrics.advance(NOW + 1_000);
  const view = metrics.view();
  assert.equal(sum(view.kills), kills);
  assert.equal(sum(view.incidents), kills);
  assert.equal(sum(view.exits), kills);
  assert.ok((value(view.kills, { container: "other" }) ?? 0) > 0);
  assert.ok(metrics.folded > 0);
  assert.equal(value(view.kills, { container: "lasting" }), 0);
  assert.ok(view.incidents.length <= 601, String(view.incidents.length));
  assert.ok(view.ooms.length <= 1_201, String(view.ooms.length));
  t.diagnostic(
    `20,000 kills of 1,000 names: ${view.incidents.length} names, ${view.ooms.length} containers, ` +
      `checkpoint ${JSON.stringify(metrics.state()).length} characters`,
  );
  // The loops end: what comes later has room again.
  metrics.advance(NOW + 2_000);
  metrics.container(facts("new", { name: "new" }), true);
  assert.equal(value(metrics.view().ooms, { name: "new" }), 0);
});

test("hostile names are bounded before they are kept", () => {
  const metrics = started();
  for (const name of ["x".repeat(4_096), `${"x".repeat(4_095)}y`, 'quo"te\n\x1b[31m', "\ud800"]) {
    metrics.container(facts(name, { name, pod: { ...pod(name), container: null } }), true);
  }
  const view = metrics.view();
  assert.equal(new Set(view.kills.map(({ labels }) => labels["pod"])).size, 4);
  for (const { labels } of [...view.kills, ...view.ooms]) {
    assert.ok((labels["pod"]?.length ?? 0) <= 256);
  }
});

/** What may happen, in any order. */
const step = fc.oneof(
  fc.record({
    what: fc.constant("kill"),
    number: fc.nat(9),
    known: fc.boolean(),
    revision: fc.nat(2),
  }),
  fc.record({ what: fc.constant("wait"), seconds: fc.nat(9) }),
  fc.record({ what: fc.constant("restart") }),
  fc.record({ what: fc.constant("gone") }),
);

test("law: every opened kill is counted exactly once, and no counter goes back", () => {
  const law = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    let metrics = started();
    let now = NOW;
    let before = 0;
    const opened = new Set<number>();
    for (const one of steps) {
      if (one.what === "kill" && "number" in one) {
        const revision = opened.has(one.number) ? one.revision + 1 : 0;
        opened.add(one.number);
        const change = { revision, ...(one.known ? {} : NOBODYS) };
        metrics.kill(killIn(one.number, facts(ID), change));
      }
      if (one.what === "wait" && "seconds" in one) {
        now += one.seconds;
        metrics.advance(now);
      }
      if (one.what === "gone") metrics.gone(ID);
      if (one.what === "restart") {
        metrics = restarted(metrics);
        metrics.advance(now);
      }
      const kills = sum(metrics.kills);
      assert.ok(kills >= before && kills <= opened.size);
      before = kills;
    }
    metrics.advance(now + COUNT_AFTER_SECONDS);
    assert.equal(sum(metrics.kills), opened.size);
    assert.equal(sum(metrics.incidents), opened.size);
  });
  fc.assert(law, { numRuns: 1_000 });
});
