import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerFacts, ContainerObservation } from "../model/container.ts";
import type { PodRecord } from "../model/record.ts";
import { Containers } from "./containers.ts";
import { idOf, instant, killRecord } from "./testing/story.ts";

const [ID, OTHER] = [idOf(1), idOf(2)];
const UID = "2942c55e-c9cb-428a-93f4-eaf89c1f3ce0";
const POD: PodRecord = {
  namespace: "bank",
  name: "payments-0",
  uid: UID,
  container: "ledger",
  qosClass: null,
  owner: null,
};
const KUBEPODS = `/kubepods.slice/kubepods-pod${UID.replaceAll("-", "_")}.slice`;

function told(facts: Partial<ContainerFacts>, owner?: number): ContainerObservation {
  const unknown = { image: null, imageId: null, restarts: null, pod: null, sandbox: false };
  const nothing = { cgroupPath: null, mainPid: null, startedAt: null };
  const container = { runtime: "docker", id: ID, name: "mine", ...unknown, ...nothing, ...facts };
  const source = "docker";
  const at = instant(0);
  return { kind: "container", source, at, container, ...(owner !== undefined && { owner }) };
}

function identified(path: string | null, said: readonly ContainerObservation[], pid = 7) {
  const containers = new Containers(null);
  containers.advance(instant(0).monotonicMicroseconds);
  for (const one of said) containers.observe(one);
  const cgroup = { path, id: null, version: 1 } as const;
  const { container, pod } = containers.identify(killRecord(10, pid, { cgroup }), instant(10));
  return { id: container?.id ?? null, name: container?.name ?? null, pod, containers };
}

const userPath = (uid: number, id: string) =>
  `/user.slice/user-${uid}.slice/user@${uid}.service/docker/${id}`;

test("a user's word counts for kills below that user's slice, and for no others", () => {
  const said = told({ cgroupPath: userPath(1000, ID), mainPid: 7 }, 1000);
  assert.equal(identified(userPath(1000, ID), [said]).name, "mine");
  assert.equal(identified(`/docker/${ID}`, [said]).name, null);
  assert.equal(identified(userPath(1001, ID), [said]).name, null);
  assert.equal(identified(null, [said]).id, null, "by its pid alone");
});

test("the machine's daemons come before any user's, whoever spoke first", () => {
  const user = told({ name: "lie", cgroupPath: userPath(1000, ID) }, 1000);
  const machine = told({ name: "truth", cgroupPath: `/docker/${ID}` });
  for (const said of [
    [user, machine],
    [machine, user],
    [user, machine, user],
  ]) {
    assert.equal(identified(`/docker/${ID}`, said).name, "truth");
  }
});

test("a container whose process is in another's cgroup has no part in what happens there", () => {
  const lie = told({ cgroupPath: `/docker/${OTHER}`, mainPid: 7, pod: POD });
  const { id, name, pod, containers } = identified(`/docker/${OTHER}`, [lie]);
  assert.deepEqual([id, name, pod], [OTHER, null, null]);
  assert.equal(containers.contradictions, 1);
});

test("a pod that the path does not name is not the container's", () => {
  const cgroupPath = `${KUBEPODS}/docker-${ID}.scope`;
  const other = { ...POD, uid: "11111111-2222-4333-8444-555555555555" };
  const lie = identified(cgroupPath, [told({ cgroupPath, pod: other })]);
  assert.deepEqual([lie.pod?.uid, lie.pod?.name, lie.containers.contradictions], [UID, null, 1]);
  const late = identified(cgroupPath, [told({ pod: other })]);
  assert.deepEqual(
    [late.pod?.uid, late.pod?.name],
    [UID, null],
    "told before its process was seen",
  );
  assert.equal(identified(cgroupPath, [told({ cgroupPath, pod: POD })]).pod?.name, "payments-0");
});

test("a user's container names no pod, and completes none of the machine's", () => {
  const own = told({ cgroupPath: userPath(1000, ID), pod: POD }, 1000);
  assert.equal(identified(userPath(1000, ID), [own]).pod, null);
  const inside = `/user.slice/user-1000.slice${KUBEPODS}/docker-${ID}.scope`;
  const shown = told({ cgroupPath: inside, pod: POD }, 1000);
  assert.equal(identified(`${KUBEPODS}/docker-${OTHER}.scope`, [shown]).pod?.name, null);
});
