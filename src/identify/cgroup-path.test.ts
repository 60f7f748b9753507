import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseCgroupPath } from "./cgroup-path.ts";

const ID = "17db96a24ae1e9dd57143e62b1cb0d2d35e693c65c774c7470e87b0572e07c1a";
const OUTER = "63425c4a8b4291744a79dd9011fddc7a1f8ffda61f65d72196aa01d00cae2e2d";
const UID = "6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e";
const STATIC_UID = "9729a196c4723b60ab401eaff722982d";

/** `runtime id pod-uid qos unit`, `-` for null: what a path tells, on one line. */
function tell(path: string): string {
  const { container, pod, unit } = parseCgroupPath(path);
  const words = [container?.runtime, container?.id, pod?.uid, pod?.qosClass, unit?.name];
  return words.map((word) => word ?? "-").join(" ");
}

const QOS = [
  { name: "Guaranteed", part: "" },
  { name: "Burstable", part: "burstable" },
  { name: "BestEffort", part: "besteffort" },
];
const RUNTIMES = [
  { name: "containerd", prefix: "cri-containerd" },
  { name: "cri-o", prefix: "crio" },
  { name: "docker", prefix: "docker" },
  { name: "podman", prefix: "libpod" },
  { name: "containerd", prefix: "nerdctl" },
];
const NESTINGS = ["", `/docker/${OUTER}`, `/system.slice/docker-${OUTER}.scope`, "/../.."];
const BELOW = ["", "/container", "/init.scope", " (deleted)"];

interface PodPath {
  readonly path: string;
  readonly slice: string;
}

function cgroupfsPod(root: string, part: string, uid: string): PodPath {
  const path = `${root}/kubepods${part === "" ? "" : `/${part}`}/pod${uid}`;
  return { path, slice: "" };
}

function systemdPod(root: string, part: string, uid: string): PodPath {
  const head = root === "" ? "kubepods" : `${root}-kubepods`;
  const qos = part === "" ? head : `${head}-${part}`;
  const slice = `${qos}-pod${uid.replaceAll("-", "_")}.slice`;
  const above = root === "" ? [] : [`${root}.slice`];
  const slices = [...above, `${head}.slice`, ...(part === "" ? [] : [`${qos}.slice`]), slice];
  return { path: `/${slices.join("/")}`, slice };
}

test("the grid: QoS class × driver × runtime × nesting × what is below × kind of pod", () => {
  let cells = 0;
  for (const { name: qos, part } of QOS)
    for (const uid of [UID, STATIC_UID])
      for (const { name: runtime, prefix } of RUNTIMES)
        for (const nesting of NESTINGS)
          for (const below of BELOW) {
            const plain = cgroupfsPod(nesting, part, uid);
            const slices = ["", "kubelet"].map((root) => systemdPod(root, part, uid));
            const expected = `${runtime} ${ID} ${uid} ${qos} -`;
            const paths = [
              `${plain.path}/${prefix}-${ID}${below}`,
              ...slices.map(({ path }) => `${nesting}${path}/${prefix}-${ID}.scope${below}`),
              ...slices.map(
                ({ slice }) =>
                  `${nesting}/system.slice/containerd.service/${slice}:${prefix}:${ID}${below}`,
              ),
            ];
            for (const path of paths) assert.equal(tell(path), expected, path);
            const bare = `${plain.path}/${ID}${below}`;
            assert.equal(tell(bare), `containerd ${ID} ${uid} ${qos} -`, bare);
            cells += paths.length + 1;
          }
  assert.equal(cells, 3 * 2 * 5 * 4 * 4 * 6);
});

test("the pod's and the container's own cgroup are told apart from what is below", () => {
  const { path } = systemdPod("", "burstable", UID);
  const parsed = parseCgroupPath(`${path}/crio-${ID}.scope/container/job`);
  assert.equal(parsed.container?.path, `${path}/crio-${ID}.scope`);
  assert.equal(parsed.pod?.path, path);
  const inPod = parseCgroupPath(path);
  assert.deepEqual([inPod.container, inPod.pod?.path], [null, path]);
});

const REAL: readonly (readonly [string, string])[] = [
  [`/docker/${OUTER}`, `docker ${OUTER} - - -`],
  [`/system.slice/docker-${OUTER}.scope`, `docker ${OUTER} - - -`],
  [`/actions_job/${OUTER}`, `- ${OUTER} - - -`],
  [`/k8s.io/${ID}`, `containerd ${ID} - - -`],
  [`/default/${ID}`, `containerd ${ID} - - -`],
  [`/system.slice/nerdctl-${ID}.scope`, `containerd ${ID} - - -`],
  [
    `/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-${ID}.scope`,
    `containerd ${ID} - - -`,
  ],
  [`/machine.slice/libpod-${ID}.scope/container`, `podman ${ID} - - -`],
  [`/machine.slice/machine-libpod_pod_${OUTER}.slice/libpod-${ID}.scope`, `podman ${ID} - - -`],
  [
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`,
    `podman ${ID} - - -`,
  ],
  [`/libpod_parent/libpod-${ID}`, `podman ${ID} - - -`],
  [`/system.slice/nginx.service/libpod-payload-${ID}`, `podman ${ID} - - nginx.service`],
  ["/system.slice/nginx.service/runtime", "- - - - nginx.service"],
  [`/machine.slice/libpod-conmon-${ID}.scope`, `- - - - libpod-conmon-${ID}.scope`],
  [
    "/system.slice/containerd.service/kubepods-burstable-pod4ed02c0b_0df8_4d14_a30e_fd589ee4143a.slice:cri-containerd:" +
      ID,
    `containerd ${ID} 4ed02c0b-0df8-4d14-a30e-fd589ee4143a Burstable -`,
  ],
  [`/kubepods/pod${UID}/crio-conmon-${ID}`, `- - ${UID} Guaranteed -`],
  [`/../../pod${UID}/${ID}`, `containerd ${ID} ${UID} - -`],
  [`/../burstable/pod${UID}/${ID}`, `containerd ${ID} ${UID} Burstable -`],
  [`/../${ID}`, `- ${ID} - - -`],
  [
    `/ecs/0123/${STATIC_UID}-3057940393/kubepods/besteffort/pod${UID}/${ID}`,
    `containerd ${ID} ${UID} BestEffort -`,
  ],
  [`/ecs/test-ecs-classic/5a0d5ceddf6c44c1928d367a815d890f/${ID}`, `docker ${ID} - - -`],
  [`/ecs/${UID}/${ID}`, `docker ${ID} - - -`],
  [`/ecs/${STATIC_UID}/${STATIC_UID}-1234567890`, `- ${STATIC_UID}-1234567890 - - -`],
  [`/ecstasks.slice/ecstasks-${STATIC_UID}.slice/docker-${ID}.scope`, `docker ${ID} - - -`],
  [`/nomad.slice/share.slice/${UID}.redis.scope`, `nomad ${UID}.redis - - -`],
  [`/nomad/reserve/${UID}.web-1`, `nomad ${UID}.web-1 - - -`],
  ["/lxc/mysql-primary-db", "lxc mysql-primary-db - - -"],
  ["/lxc.payload.first", "lxc first - - -"],
  ["/lxc.payload.shop_db/system.slice/mysql.service", "lxc shop_db - - mysql.service"],
  ["/lxc/101/ns/init.scope", "lxc 101 - - -"],
  [`/lxc/101/ns/docker/${ID}`, `docker ${ID} - - -`],
  ["/lxc.monitor.first", "- - - - -"],
  [`/garden/${UID}`, `garden ${UID} - - -`],
  [`/kubepods/kata_${ID}`, `kata ${ID} - - -`],
  [`/kata_overhead/${ID}`, `kata ${ID} - - -`],
  [`/docker/${OUTER}/system.slice/kubelet.service`, `docker ${OUTER} - - kubelet.service`],
  [`/docker/${OUTER}/kubelet/kubepods/burstable/pod${UID}`, `- - ${UID} Burstable -`],
  ["/system.slice/postgresql.service", "- - - - postgresql.service"],
  [
    "/system.slice/system-postgresql.slice/postgresql@9.4-main.service",
    "- - - - postgresql@9.4-main.service",
  ],
  [
    "/system.slice/system-getty\\x2dx.slice/getty\\x2dx@tty1.service",
    "- - - - getty\\x2dx@tty1.service",
  ],
  ["/system.slice/_memory.max.service", "- - - - memory.max.service"],
  [`/system.slice/${ID}.service`, `- - - - ${ID}.service`],
  ["/user.slice/user-1000.slice/session-3.scope", "- - - - session-3.scope"],
  [
    "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.service",
    "- - - - app-firefox.service",
  ],
  ["/init.scope", "- - - - init.scope"],
  ["/podruntime/kubelet", "- - - - -"],
  ["/system/dashboard", "- - - - -"],
  ["/kubepods.slice/kubepods-burstable.slice", "- - - - -"],
  ["/", "- - - - -"],
  ["", "- - - - -"],
];

for (const [path, expected] of REAL) {
  test(`path ${path === "" ? "(empty)" : path}`, () => assert.equal(tell(path), expected));
}

test("each of them × nesting × what is below: the same container, the same pod", () => {
  let cells = 0;
  for (const [path] of REAL) {
    const { container, pod } = parseCgroupPath(path);
    if (container === null) continue;
    for (const nesting of NESTINGS) {
      for (const below of BELOW) {
        const seen = parseCgroupPath(`${nesting}${path}${below}`);
        assert.equal(seen.container?.id, container.id, `${nesting}${path}${below}`);
        assert.equal(seen.container?.runtime, container.runtime, `${nesting}${path}${below}`);
        assert.equal(seen.container?.path, `${nesting}${container.path}`);
        assert.equal(seen.pod?.uid, pod?.uid);
        cells++;
      }
    }
  }
  assert.ok(cells >= 16 * 30, `${cells} cells`);
});

test("what looks like an id and is none names no container", () => {
  const hostile = [
    `/docker/${ID}0`,
    `/docker/${ID.slice(1)}`,
    `/docker/${ID.toUpperCase()}`,
    `/x${ID}`,
    "/podium/x",
    "/pod/kubepods",
    "/kubepods/pod",
    `/${"a/".repeat(5_000)}${ID}`,
    "/lxc.payload.",
    "/kubepods-pod.slice",
  ];
  for (const path of hostile) assert.equal(tell(path), "- - - - -", path.slice(0, 100));
});

test("law: no text throws or takes long, and what is found is part of it", () => {
  const word = fc.constantFrom("kubepods", "pod", "-", ".slice", ":", "..", ID, ".scope", "lxc");
  const text = fc.array(fc.oneof(word, fc.string()), { maxLength: 12 }).map((all) => all.join("/"));
  const glued = fc.array(fc.oneof(word, fc.string()), { maxLength: 12 }).map((all) => all.join(""));
  fc.assert(
    fc.property(fc.oneof(text, glued), (path) => {
      const { container, unit } = parseCgroupPath(path);
      if (container !== null) assert.ok(path.includes(container.id));
      if (unit !== null) assert.ok(path.includes(unit.name));
    }),
    { numRuns: 2_000 },
  );
});
