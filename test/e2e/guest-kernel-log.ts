/**
 * Runs inside the guest (cgroup v2): group kills, and a storm under a flood of 20,000 lines of user space, while the
 * kernel-log source watches. Writes /job/out/result.json; `kernel-log.test.ts` judges it.
 */
import { writeFileSync } from "node:fs";
import { CgroupTree, flood, groupKill, storm, type Truth } from "../../lab/lab.ts";
import { createKernelLogSource } from "../../src/sources/kernel-log.ts";
import { DEFAULT_SOURCE_OPTIONS } from "../../src/sources/source.ts";
import { eventually, startSource } from "../source-harness.ts";

const LIMIT_BYTES = 12 << 20;

const tree = new CgroupTree("owh-klog");
const running = startSource(createKernelLogSource(DEFAULT_SOURCE_OPTIONS));
await running.upOrEnd;
const kills = () =>
  running.observations.flatMap((observation) => (observation.kind === "kill" ? [observation] : []));
const seen = (truths: readonly Truth[]) => {
  const tids = new Set(kills().map((kill) => kill.victim.tid));
  return truths.filter(({ tid }) => tids.has(tid)).length;
};

const groupCgroup = tree.create("group", LIMIT_BYTES);
const group = await groupKill(groupCgroup, 20);
await eventually("the group", () => seen(group) === group.length);
const afterGroup = running.observations.length;

const stormCgroup = tree.create("storm", LIMIT_BYTES);
const flooding = flood({ lines: 20_000, forge: true });
const killed = await storm(stormCgroup, { kills: 30 });
await flooding;
const last = await storm(stormCgroup, { kills: 1 });
await eventually("the kill after the flood", () => seen(last) === 1, 20_000);
const lost = running.losses.reduce((sum, { count }) => sum + count, 0);
await running.stop();

writeFileSync(
  "/job/out/result.json",
  JSON.stringify({
    group: {
      truths: group,
      cgroup: groupCgroup.path,
      observations: running.observations.slice(0, afterGroup),
    },
    storm: {
      truths: killed,
      cgroup: stormCgroup.path,
      observations: running.observations.slice(afterGroup),
    },
    lost,
    cursor: running.cursors.at(-1),
  }),
);
