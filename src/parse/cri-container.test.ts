import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfCri, identityOfCri, mainPidOfCri } from "./cri-container.ts";

const SANDBOX = {
  id: "d4f0",
  metadata: { name: "cart-0", namespace: "shop", uid: "8712f785-1a3e-41ec-a00b-e2dcc77431cb" },
};

test("a container takes its pod from its sandbox, its restarts from its attempt", () => {
  const digest = `sha256:${"9b".repeat(32)}`;
  const image = { image: digest, userSpecifiedImage: "box:2" };
  const listed = { id: "9719", metadata: { name: "api", attempt: 2 }, image, imageRef: digest };
  assert.deepEqual(identityOfCri(listed, SANDBOX), {
    name: "api",
    image: "box:2",
    imageId: digest,
    restarts: 2,
    pod: { ...SANDBOX.metadata, container: "api", qosClass: null, owner: null },
    sandbox: false,
  });
  const bare = identityOfCri({ id: "9719", imageRef: "" }, null);
  assert.deepEqual([bare.name, bare.image, bare.imageId, bare.pod], [null, null, null, null]);
});

test("hostile names are cut and made well-formed", () => {
  const listed = { id: "9719", metadata: { name: `\ud800${"x".repeat(5000)}`, attempt: 0 } };
  const { name } = identityOfCri({ ...listed, imageRef: "" }, null);
  assert.equal(name?.length, 512);
  assert.ok(name?.isWellFormed());
});

const ENDS = [
  [137, "OOMKilled", { exitCode: 137, oomReported: true }],
  [0, "OOMKilled", { exitCode: 0, oomReported: true }],
  [137, "Error", { exitCode: 137, oomReported: false }],
  [0, "Completed", { exitCode: 0, oomReported: false }],
  [128, "StartError", { exitCode: 128, oomReported: false }],
  [255, "Unknown", { exitCode: null, oomReported: null }],
  [0, "", { exitCode: null, oomReported: null }],
  [-1, "Error", { exitCode: null, oomReported: false }],
] as const;

for (const [code, reason, expected] of ENDS) {
  test(`exit ${code} with reason "${reason}"`, () => {
    assert.deepEqual(endOfCri(code, reason), expected);
  });
}

test("the main process, where the runtime tells it", () => {
  assert.equal(mainPidOfCri({ info: '{"sandboxID":"d4f0","pid":4219}' }), 4219);
  for (const info of ["", "{", "[]", '{"pid":0}', '{"pid":"1"}', '{"pid":-3}']) {
    assert.equal(mainPidOfCri({ info }), null);
  }
  assert.equal(mainPidOfCri({}), null);
});
