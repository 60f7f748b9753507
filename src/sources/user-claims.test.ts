import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerFacts, RuntimeObservation } from "../model/container.ts";
import { UserClaims } from "./user-claims.ts";

const ID = "ab".repeat(32);
const OWN = `/user.slice/user-1000.slice/user@1000.service/docker/${ID}`;
const at = { monotonicMicroseconds: 1, wallMicroseconds: 1, uncertaintyMicroseconds: 0 };

function container(facts: Partial<ContainerFacts>): RuntimeObservation {
  const unknown = {
    name: "n",
    image: null,
    imageId: null,
    restarts: null,
    pod: null,
    sandbox: false,
  };
  const nothing = { cgroupPath: null, mainPid: null, startedAt: null };
  const whole = { runtime: "docker", id: ID, ...unknown, ...nothing, ...facts };
  return { kind: "container", source: "docker", at, container: whole };
}

const GONE: RuntimeObservation = { kind: "gone", source: "docker", at, containerId: ID };

function claims() {
  const losses: string[] = [];
  return { claims: new UserClaims(1000, (_count, what) => losses.push(what)), losses };
}

test("a container in a cgroup of its own below the user's slice is believed, with all that follows", () => {
  const { claims: of, losses } = claims();
  assert.deepEqual(of.believed([GONE]), [], "nothing before it was shown");
  const told = of.believed([container({ cgroupPath: OWN, mainPid: 7 }), container({}), GONE, GONE]);
  assert.deepEqual(
    told.map(({ kind, owner }) => [kind, owner]),
    [
      ["container", 1000],
      ["container", 1000],
      ["gone", 1000],
    ],
  );
  assert.deepEqual(losses, []);
});

test("a process elsewhere makes no container the user's; it is said once", () => {
  const { claims: of, losses } = claims();
  for (const cgroupPath of [
    `/docker/${ID}`,
    "/user.slice/user-1000.slice/session-1.scope",
    OWN.replaceAll("1000", "10001"),
  ]) {
    assert.deepEqual(of.believed([container({ cgroupPath, mainPid: 7 })]), []);
  }
  assert.equal(losses.length, 1);
  assert.match(
    losses[0] ?? "",
    /^user 1000 claims container abababababab, whose process is in \/docker/,
  );
});

test("a main process is believed only with the cgroup it is in", () => {
  const { claims: of } = claims();
  of.believed([container({ cgroupPath: OWN, mainPid: 7 })]);
  const [told] = of.believed([container({ mainPid: 1 })]);
  assert.equal(told?.kind === "container" && told.container.mainPid, null);
});

test("containers beyond 256 are not told of", () => {
  const { claims: of } = claims();
  for (let number = 0; number < 300; number++) {
    const id = number.toString(16).padStart(64, "0");
    of.believed([container({ id, cgroupPath: OWN.replace(ID, id), mainPid: 7 })]);
  }
  assert.equal(of.ids.length, 256);
});
