import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDockerEvent } from "./docker-event.ts";
import { parsePodmanEvent } from "./podman-event.ts";

const ID = "f4ec".repeat(16);
// Docker 20.10.24 and Podman 4.3.1, here.
const DIE = `{"status":"die","id":"${ID}","from":"hog:1","Type":"container","Action":"die","Actor":{"ID":"${ID}","Attributes":{"exitCode":"137","image":"hog:1","name":"a1"}},"scope":"local","time":1795243962,"timeNano":1795243962168556311}`;
const DIED = `{"status":"died","id":"${ID}","from":"localhost/bomb:1","Type":"container","Action":"died","Actor":{"ID":"${ID}","Attributes":{"containerExitCode":"137","exitCode":"3","image":"localhost/bomb:1","name":"m1","podId":""}},"scope":"local","time":1795245869,"timeNano":1795245869623720606}`;

test("a die of Docker", () => {
  assert.deepEqual(parseDockerEvent(DIE), {
    action: "die",
    id: ID,
    wallMicroseconds: 1_795_243_962_168_556,
    name: "a1",
    image: "hog:1",
    pod: null,
    sandbox: false,
    exitCode: 137,
  });
});

test("a died of Podman: its own exit code, whatever a label says", () => {
  const died = parsePodmanEvent(DIED);
  assert.equal(died?.action, "die");
  assert.equal(died?.exitCode, 137);
  assert.equal(died?.name, "m1");
  const create = DIED.replaceAll("died", "create").replace('"137"', '"0"');
  assert.equal(parsePodmanEvent(create)?.exitCode, null, "before it ran it has none");
});

test("the pod that a kubelet wrote on it", () => {
  const labels =
    '"io.kubernetes.pod.name":"cart-0","io.kubernetes.pod.namespace":"shop","io.kubernetes.container.name":"api",';
  const pod = parseDockerEvent(DIE.replace('"image"', `${labels}"image"`))?.pod;
  assert.equal(pod?.name, "cart-0");
  assert.equal(pod?.namespace, "shop");
  assert.equal(pod?.container, "api");
});

test("what is no event of a container's life is none", () => {
  const others = [
    DIE.replace('"Action":"die"', '"Action":"exec_die"'),
    DIE.replace('"Type":"container"', '"Type":"network"'),
    DIE.replaceAll(ID, "F4".repeat(32)),
    DIE.replace(/"timeNano":\d+/, '"timeNano":"now"'),
    DIE.slice(0, -1),
    "",
  ];
  for (const line of others) assert.equal(parseDockerEvent(line), null, line);
});

test("an exit code that is none is unknown", () => {
  for (const code of ["", "-1", "256", "1e2", "0x1", "١"]) {
    assert.equal(parseDockerEvent(DIE.replace('"137"', `"${code}"`))?.exitCode, null, code);
  }
});

test("no text makes them throw", () => {
  const damaged = fc
    .tuple(fc.constantFrom(DIE, DIED), fc.nat(600), fc.nat(40), fc.string({ maxLength: 20 }))
    .map(([text, at, length, other]) => text.slice(0, at) + other + text.slice(at + length));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.json(), fc.string()), (line) => {
      for (const event of [parseDockerEvent(line), parsePodmanEvent(line)]) {
        if (event === null) continue;
        assert.match(event.id, /^[0-9a-f]{64}$/);
        assert.ok(Number.isSafeInteger(event.wallMicroseconds));
        assert.ok(event.exitCode === null || (event.exitCode >= 0 && event.exitCode <= 255));
      }
    }),
  );
});
