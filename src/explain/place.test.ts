import assert from "node:assert/strict";
import { test } from "node:test";
import { isBelow, placeOf } from "./place.ts";
import { CONTAINER_PATH, ID, POD_PATH } from "./testing.ts";

const UID = "3f6a1c52-8d04-4b7e-9a31-5c2e7d90b1f4";

test("the last part of a path says what it is", () => {
  const places: readonly (readonly [string, string, string])[] = [
    [CONTAINER_PATH, "container", "container 5f1d3c9a4b7e"],
    [`${CONTAINER_PATH}/container`, "container", "container 5f1d3c9a4b7e"],
    ["/a/crio-nightly.scope", "container", "container nightly"],
    [`/docker/${ID}`, "container", "container 5f1d3c9a4b7e"],
    [`/docker/${ID}/init.scope`, "container", "container 5f1d3c9a4b7e"],
    [`/system.slice/docker-${ID}.scope`, "container", "container 5f1d3c9a4b7e"],
    [`/kubepods/besteffort/pod${UID}/${ID}`, "container", "container 5f1d3c9a4b7e"],
    [POD_PATH, "pod", `pod ${UID}`],
    [`/kubepods/pod${UID}`, "pod", `pod ${UID}`],
    ["/kubepods.slice/kubepods-burstable.slice", "qos", "all burstable pods of the node together"],
    ["/kubepods.slice", "kubepods", "all pods of the node together"],
    ["/lxc.payload.web", "container", "container lxc.payload.web"],
    ["/system.slice/db.service", "unit", "service db.service"],
    ["/user.slice/user-1000.slice/session-3.scope", "unit", "scope session-3.scope"],
    ["/batch.slice", "slice", "slice batch.slice"],
    ["/jobs/a", "cgroup", "cgroup /jobs/a"],
    ["/", "root", "the root cgroup"],
  ];
  for (const [path, kind, words] of places) {
    const place = placeOf(path);
    assert.deepEqual([place.kind, place.words], [kind, words], path);
    assert.equal(place.kubernetes, path.includes("kubepods"));
  }
});

test("below is not beside, and not itself", () => {
  assert.equal(isBelow("/a/b", "/a"), true);
  assert.equal(isBelow("/ab", "/a"), false);
  assert.equal(isBelow("/a", "/a"), false);
  assert.equal(isBelow("/a", "/"), true);
});
