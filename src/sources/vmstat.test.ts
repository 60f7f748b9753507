import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { countersOf, eventually, startSource } from "../../test/source-harness.ts";
import { V1Cgroup, whyNoV1Kills } from "../../test/v1-cgroups.ts";
import { DEFAULT_SOURCE_OPTIONS } from "./source.ts";
import { createVmstatSource } from "./vmstat.ts";

function procWith(t: TestContext, vmstat: string): { procRoot: string; write(text: string): void } {
  const procRoot = mkdtempSync(join(tmpdir(), "oomwitness-vmstat-"));
  t.after(() => rmSync(procRoot, { recursive: true }));
  const write = (text: string) => writeFileSync(join(procRoot, "vmstat"), text);
  write(vmstat);
  return { procRoot, write };
}

function start(t: TestContext, procRoot: string) {
  const running = startSource(createVmstatSource({ ...DEFAULT_SOURCE_OPTIONS, procRoot }));
  t.after(() => running.stop().catch(() => {}));
  return running;
}

test("the first reading is a baseline, also when it is 0", async (t) => {
  const { procRoot } = procWith(t, "a 1\noom_kill 0\nb 2\n");
  const { observations, upOrEnd } = start(t, procRoot);
  await upOrEnd;
  const [first, ...more] = countersOf(observations, "node");
  assert.deepEqual(more, []);
  assert.deepEqual(
    [first?.oomKill, first?.baseline, first?.since, first?.oomGroupKill, first?.final],
    [0, true, null, null, false],
  );
});

test("a poke reads before it returns; the next ones within 5 ms are one reading", async (t) => {
  const { procRoot, write } = procWith(t, "oom_kill 1\n");
  const { source, observations, upOrEnd } = start(t, procRoot);
  await upOrEnd;
  write("oom_kill 3\n");
  source.poke?.([]);
  const told = () => countersOf(observations, "node").map(({ oomKill }) => oomKill);
  assert.deepEqual(told(), [1, 3]);
  for (let count = 4; count <= 6; count++) {
    write(`oom_kill ${count}\n`);
    source.poke?.([]);
  }
  assert.deepEqual(told(), [1, 3]);
  await eventually("the trailing reading", () => told().length === 3);
  assert.deepEqual(told(), [1, 3, 6]);
  const [, second, third] = countersOf(observations, "node");
  assert.ok(second !== undefined && third?.since !== null && third !== undefined);
  assert.ok(third.since.monotonicMicroseconds <= second.at.monotonicMicroseconds);
  assert.ok(third.since.monotonicMicroseconds < third.at.monotonicMicroseconds);
});

test("without a poke the tick reads", async (t) => {
  const { procRoot, write } = procWith(t, "oom_kill 1\n");
  const { observations, upOrEnd } = start(t, procRoot);
  await upOrEnd;
  write("oom_kill 2\n");
  await eventually("the tick", () => countersOf(observations, "node").length === 2);
});

test("unavailable before 4.13 and without /proc, and says why", async (t) => {
  const { procRoot } = procWith(t, "pgfault 1\n");
  assert.deepEqual(await start(t, procRoot).end, {
    kind: "unavailable",
    reason: `${procRoot}/vmstat has no oom_kill line (Linux before 4.13)`,
    remedy: "",
  });
  const end = await start(t, "/nowhere").end;
  assert.ok(end.kind === "unavailable" && end.reason === "/nowhere/vmstat cannot be read");
});

test("a file that breaks while it is watched rejects, for the caller to retry", async (t) => {
  const { procRoot, write } = procWith(t, "oom_kill 1\n");
  const { source, upOrEnd, end } = start(t, procRoot);
  await upOrEnd;
  write("");
  source.poke?.([]);
  await assert.rejects(end, /can no longer be read/);
  source.poke?.([]);
});

test("a real kill moves the real book", { skip: whyNoV1Kills() ?? false }, async (t) => {
  const cgroup = new V1Cgroup();
  t.after(() => cgroup.remove());
  const { source, observations, upOrEnd } = start(t, "/proc");
  await upOrEnd;
  const before = countersOf(observations, "node")[0]?.oomKill ?? Number.NaN;
  cgroup.kill();
  source.poke?.([]);
  // Others may kill on this machine meanwhile.
  assert.ok((countersOf(observations, "node").at(-1)?.oomKill ?? 0) > before);
});
