import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ContainerFacts } from "../model/container.ts";
import type { ExitRecord, KillRecord, PodRecord } from "../model/record.ts";
import type { SeriesCount } from "../sinks/sink.ts";
import { killRecord } from "../sinks/testing/records.ts";
import { Metrics, type MetricsState } from "./metrics.ts";
import { REMOVED_PER_NAME } from "./metrics-containers.ts";
import { COUNT_AFTER_SECONDS, VISIBLE_AFTER_SECONDS } from "./metrics-open.ts";

const NOW = 1_795_216_200;
const ID = "0123456789abcdef".repeat(4);

function pod(name: string, uid = `uid-${name}`): PodRecord {
  return { namespace: "shop", name, uid, container: "api", qosClass: null, owner: null };
}

function facts(id: string, change: Partial<ContainerFacts> = {}): ContainerFacts {
  return {
    runtime: "docker",
    id,
    name: "cart",
    image: "cart:2",
    imageId: null,
    restarts: null,
    pod: null,
    sandbox: false,
    cgroupPath: null,
    mainPid: null,
    startedAt: null,
    ...change,
  };
}

/** A kill in a container that its record names. */
function killIn(
  number: number,
  { runtime, id, name, image, imageId, restarts, pod: itsPod }: ContainerFacts,
  change: Partial<KillRecord> = {},
): KillRecord {
  return killRecord(number, {
    container: { runtime, id, name, image, imageId, restarts },
    pod: itsPod,
    limit: { scope: "container", constraint: "memcg", cgroup: null, bytes: null },
    ...change,
  });
}

const NOBODYS: Partial<KillRecord> = {
  container: null,
  pod: null,
  limit: { scope: null, constraint: null, cgroup: null, bytes: null },
};

function exitOf(one: ContainerFacts, change: Partial<ExitRecord> = {}): ExitRecord {
  const { runtime, id, name, image, imageId, restarts, pod: itsPod } = one;
  return {
    type: "exit",
    at: "2026-11-20T23:10:05.000000Z",
    container: { runtime, id, name, image, imageId, restarts },
    pod: itsPod,
    exitCode: 137,
    signal: 9,
    verdict: "oom-killed",
    kills: [],
    ...change,
  };
}

function started(state: MetricsState | null = null, options = {}): Metrics {
  const metrics = new Metrics(state, options);
  metrics.advance(NOW);
  return metrics;
}

/** What a checkpoint makes of it. */
function restarted(metrics: Metrics): Metrics {
  const state: MetricsState = JSON.parse(JSON.stringify(metrics.state()));
  return new Metrics(state);
}

/** `value` of the one series with these labels; `null` when there is none. */
function value(series: readonly SeriesCount[], labels: Record<string, string>): number | null {
  const found = series.filter((one) =>
    Object.entries(labels).every(([name, text]) => one.labels[name] === text),
  );
  assert.ok(found.length <= 1, JSON.stringify(found));
  return found[0]?.value ?? null;
}

function sum(series: readonly SeriesCount[]): number {
  return series.reduce((total, one) => total + one.value, 0);
}

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

test("drop-in labels are those of missing-container-metrics", () => {
  const metrics = started();
  metrics.container(facts(ID), true);
  const id = "f".repeat(64);
  const inPod = facts(id, { runtime: "containerd", name: null, pod: pod("cart-0") });
  metrics.container(inPod, true);
  assert.deepEqual(
    metrics.view().ooms.map(({ labels }) => labels),
    [
      {
        docker_container_id: ID,
        container_short_id: "0123456789ab",
        container_id: `docker://${ID}`,
        name: "cart",
        image_id: "docker-pullable://cart:2",
        pod: "",
        namespace: "",
      },
      {
        docker_container_id: "not-a-docker-container",
        container_short_id: "ffffffffffff",
        container_id: `containerd://${id}`,
        name: "api",
        image_id: "cart:2",
        pod: "cart-0",
        namespace: "shop",
      },
    ],
  );
});

test("a container whose name is learned after its kill was counted goes on under it", () => {
  const metrics = started();
  const unnamed = facts(ID, { name: null, image: null });
  metrics.kill(killIn(1, unnamed));
  metrics.advance(NOW + COUNT_AFTER_SECONDS);
  metrics.container(facts(ID), true);
  const [series] = metrics.view().ooms;
  assert.deepEqual([series?.labels["name"], series?.value, series?.continued], ["cart", 1, true]);
  const [restarts] = metrics.view().restarts;
  assert.equal(restarts?.continued, false);
});

test("klog_pod_oomkill is at 0 as soon as the pod's uid is known", () => {
  const metrics = started();
  metrics.container(facts(ID, { pod: pod("cart-0") }), true);
  assert.equal(value(metrics.view().podKills, { pod_uid: "uid-cart-0" }), 0);
});

test("restarts: a new main process, the runtime's own count, or a successor in the pod", () => {
  const metrics = started();
  const restarts = (id: string) =>
    value(metrics.view().restarts, { container_short_id: id.slice(0, 12) });
  metrics.container(facts("policy", { mainPid: 10, restarts: 7 }), true);
  assert.equal(restarts("policy"), 0, "what was before we looked is not counted");
  metrics.container(facts("policy", { restarts: 8 }), false);
  metrics.container(facts("policy", { mainPid: 11, restarts: 8 }), true);
  assert.equal(restarts("policy"), 1, "told by both, counted once");
  metrics.container(facts("policy", { mainPid: 12, restarts: 0 }), true);
  assert.equal(restarts("policy"), 2, "by hand: Docker begins to count anew");

  const cri = (id: string, attempt: number) =>
    facts(id, { runtime: "containerd", pod: pod("cart-0"), restarts: attempt });
  metrics.container(cri("first", 0), true);
  metrics.exit(exitOf(cri("first", 0)));
  metrics.kill(killIn(1, cri("second", 1)));
  metrics.container(cri("second", 1), true);
  metrics.container(cri("second", 1), true);
  assert.equal(restarts("first"), 1);
  assert.equal(restarts("second"), 0);
  assert.equal(value(metrics.view().lastExitCodes, { container_short_id: "first" }), 137);
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

test("one name that is made anew again and again keeps the series of a few containers", () => {
  const metrics = started();
  for (let round = 0; round < 100; round += 1) {
    metrics.container(facts(`c${round}`), true);
    metrics.gone(`c${round}`);
    metrics.advance(NOW + round);
  }
  metrics.container(facts("living"), true);
  assert.equal(metrics.view().ooms.length, REMOVED_PER_NAME + 1);
  assert.equal(metrics.kills.length, 1);
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
