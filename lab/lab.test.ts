import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  CgroupTree,
  killsPossible,
  leaderExitKill,
  members,
  nodeOomKills,
  parseTruth,
  runProgram,
  sharedMemoryKill,
  storm,
} from "./lab.ts";
import { HOSTILE_NAMES, nameBytes } from "./names.ts";

const possible = killsPossible();
const skip = possible.ok ? false : possible.reason;
const LIMIT_BYTES = 10 << 20;
let tree: CgroupTree;

before(() => {
  if (!skip) tree = new CgroupTree();
});

after(async () => {
  if (!skip) await tree.remove();
});

test("a storm makes exactly the kills it says, as the kernel counts them", { skip }, async () => {
  for (const options of [{ parallel: 3 }, { parentInside: true }]) {
    const cgroup = tree.create(`storm-${Object.keys(options)[0]}`, LIMIT_BYTES);
    const node = nodeOomKills() ?? 0;
    const truth = await storm(cgroup, { kills: 12, ...options });
    assert.equal(truth.length, 12);
    assert.equal(new Set(truth.map(({ pid }) => pid)).size, 12);
    assert.ok(truth.every((death) => death.cgroup === cgroup.path && death.tid === death.pid));
    assert.equal(tree.oomKills(cgroup), 12);
    assert.ok((nodeOomKills() ?? 0) - node >= 12);
    assert.deepEqual(members(cgroup), []);
  }
});

test("two processes with one memory die, one is counted", { skip }, async () => {
  const owner = tree.create("owner", LIMIT_BYTES);
  const other = tree.create("other", null);
  const truth = await sharedMemoryKill(owner, other);
  const places = truth.map(({ role, cgroup }) => `${role} ${cgroup}`).sort();
  assert.deepEqual(places, [`owner ${owner.path}`, `sharer ${other.path}`]);
  assert.equal((tree.oomKills(owner) ?? 0) + (tree.oomKills(other) ?? 0), 1);
});

test("a thread is killed after its leader ended", { skip }, async () => {
  const [death] = await leaderExitKill(tree.create("leader", LIMIT_BYTES));
  assert.ok(death !== undefined && death.tid > death.pid);
});

test("without a kill there is no truth, but an error", { skip }, async () => {
  const roomy = tree.create("roomy", 15 << 20);
  const args = ["--cgroup", roomy.directory, "--mib", "1"];
  await assert.rejects(runProgram("storm", args), /not killed after 1 MiB/);
  assert.equal(tree.oomKills(roomy), 0);
});

test("a cgroup is removed with all below it", { skip }, async () => {
  const pod = tree.create("pod", null);
  const container = tree.create("pod/container", LIMIT_BYTES);
  await storm(container, { kills: 1 });
  await tree.remove(pod);
  assert.equal(tree.oomKills(pod), null);
  assert.ok(!tree.all().some(({ path }) => path.startsWith(pod.path)));
});

test("lines without a death are no truth", () => {
  const lines = '{"total":3}\nnoise\n{"pid":4,"cgroup":"/a","signal":9,"reapedMicroseconds":5}\n';
  assert.deepEqual(parseTruth(lines), [
    { role: "", tid: 4, pid: 4, cgroup: "/a", signal: 9, reapedMicroseconds: 5 },
  ]);
});

test("a hostile name fits the kernel's 15 bytes", () => {
  for (const { name } of HOSTILE_NAMES) assert.ok(nameBytes(name).length <= 15, name);
});
