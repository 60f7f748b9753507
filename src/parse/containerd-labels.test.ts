import assert from "node:assert/strict";
import { test } from "node:test";
import { identityOfContainerd } from "./containerd-labels.ts";

const ID = "f4ec".repeat(16);
const POD = {
  "io.kubernetes.pod.name": "cart-0",
  "io.kubernetes.pod.namespace": "shop",
  "io.kubernetes.pod.uid": "8712f785-1a3e-41ec-a00b-e2dcc77431cb",
};

test("a container of a pod, by the labels that CRI gives it", () => {
  const labels = {
    ...POD,
    "io.cri-containerd.kind": "container",
    "io.kubernetes.container.name": "api",
  };
  const found = identityOfContainerd("k8s.io", {
    id: ID,
    image: "docker.io/library/box:2",
    labels,
  });
  assert.deepEqual(found, {
    runtime: "containerd",
    name: "api",
    image: "docker.io/library/box:2",
    imageId: null,
    restarts: null,
    pod: {
      namespace: "shop",
      name: "cart-0",
      uid: "8712f785-1a3e-41ec-a00b-e2dcc77431cb",
      container: "api",
      qosClass: null,
      owner: null,
    },
    sandbox: false,
  });
});

test("the sandbox of a pod is said to be one, and names no container", () => {
  const labels = { ...POD, "io.cri-containerd.kind": "sandbox" };
  const found = identityOfContainerd("k8s.io", { id: ID, image: "", labels });
  assert.equal(found.sandbox, true);
  assert.equal(found.pod?.container, null);
  assert.equal(found.image, null);
});

test("Docker's containers are Docker's; nerdctl and ctr name theirs", () => {
  const image = `sha256:${"ab".repeat(32)}`;
  const docker = identityOfContainerd("moby", { id: ID, image, labels: {} });
  assert.deepEqual([docker.runtime, docker.name, docker.imageId], ["docker", null, image]);
  const labels = { "nerdctl/name": "web", "containerd.io/restart.count": "3" };
  const nerdctl = identityOfContainerd("default", { id: ID, image: "box:1", labels });
  assert.deepEqual([nerdctl.name, nerdctl.restarts], ["web", 3]);
  const ctr = identityOfContainerd("default", { id: "mine", image: "box:1", labels: {} });
  assert.deepEqual([ctr.runtime, ctr.name, ctr.pod], ["containerd", "mine", null]);
});

test("hostile labels are cut and kept as text", () => {
  const labels = {
    "io.kubernetes.pod.name": `a"\n${"x".repeat(5000)}`,
    "containerd.io/restart.count": "9".repeat(400),
    __proto__: "y",
    constructor: "z",
  };
  const found = identityOfContainerd("k8s.io", { id: ID, image: "i".repeat(5000), labels });
  assert.equal(found.pod?.name?.length, 512);
  assert.equal(found.image?.length, 512);
  assert.equal(found.restarts, null);
});
