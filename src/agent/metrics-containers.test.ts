import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metrics } from "./metrics.ts";
import { REMOVED_PER_NAME } from "./metrics-containers.ts";
import { COUNT_AFTER_SECONDS } from "./metrics-open.ts";
import {
  exitOf,
  facts,
  ID,
  killIn,
  NOW,
  pod,
  restarted,
  started,
  value,
} from "./testing/metrics.ts";

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
  const [before] = metrics.view().ooms;
  metrics.container(facts(ID), true);
  const [series] = metrics.view().ooms;
  assert.deepEqual([series?.labels["name"], series?.value], ["cart", 1]);
  assert.deepEqual(series?.earlier, [before?.labels]);
  assert.deepEqual(metrics.view().restarts[0]?.earlier, []);
  metrics.container(facts(ID, { cgroupPath: "/docker/a" }), true);
  assert.equal(metrics.view().ooms[0], series, "what is in no label changes no series");
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

test("restarts that nothing but ends tell of", () => {
  const metrics = started();
  const restarts = (of: Metrics) => of.view().restarts[0]?.value;
  metrics.container(facts(ID), true);
  metrics.exit(exitOf(facts(ID)));
  assert.equal(restarts(metrics), 0, "it may stay down");
  metrics.exit(exitOf(facts(ID)));
  assert.equal(restarts(metrics), 1);
  const next = restarted(metrics);
  next.exit(exitOf(facts(ID)));
  assert.equal(restarts(next), 2);
  next.container(facts(ID, { restarts: 9 }), true);
  assert.equal(restarts(next), 2);
});

test("who is known by its cgroup alone takes no runtime away", () => {
  const metrics = started();
  metrics.container(facts(ID), true);
  metrics.kill(killIn(1, facts(ID, { runtime: "unknown", name: null })));
  assert.equal(metrics.view().ooms[0]?.labels["container_id"], `docker://${ID}`);
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
