import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTraceFormat } from "./trace-format.ts";
import type { TraceEvent } from "./trace-line.ts";
import { Lineage } from "./trace-lineage.ts";
import { ATTACH_FORMAT, NEWTASK_FORMAT } from "./trace-samples.ts";

const newtask = parseTraceFormat(NEWTASK_FORMAT);
const attach = parseTraceFormat(ATTACH_FORMAT);
assert.ok(newtask !== null && attach !== null);

const event = (at: number, pid: number, name: string, body: string): TraceEvent => ({
  cpu: 0,
  microseconds: at,
  task: { pid, comm: "x" },
  flags: ".....",
  name,
  body,
});
const born = (at: number, parent: number, pid: number, flags = "1200000") =>
  event(at, parent, "task_newtask", `pid=${pid} comm=x clone_flags=${flags} oom_score_adj=0`);
const moved = (at: number, pid: number, path: string, root = 4, comm = "x") =>
  event(
    at,
    1,
    "cgroup_attach_task",
    `dst_root=${root} dst_id=73 dst_level=1 dst_path=${path} pid=${pid} comm=${comm}`,
  );

function ask(events: readonly TraceEvent[], pid: number, at = 1000, completeSince = 0) {
  assert.ok(newtask !== null && attach !== null);
  const lineage = new Lineage({ newtask, attach }, 4);
  for (const one of events) assert.ok(lineage.take(one));
  lineage.forgetBefore(completeSince);
  return lineage.cgroupAt(pid, at);
}

const UNKNOWN = { kind: "unknown" };

test("a move into a memory cgroup is an answer, the last one before the moment", () => {
  const events = [moved(10, 5, "/a"), moved(20, 5, "/b"), moved(2000, 5, "/c")];
  assert.deepEqual(ask(events, 5), { kind: "cgroup", path: "/b", id: 73 });
});

test("moves in other hierarchies do not count", () => {
  assert.deepEqual(ask([moved(10, 5, "/a", 1)], 5), UNKNOWN);
});

test("a child is where its parent was when it was born", () => {
  const events = [moved(10, 4, "/a"), born(20, 4, 5), moved(30, 4, "/b")];
  assert.deepEqual(ask(events, 5), { kind: "cgroup", path: "/a", id: 73 });
});

test("a parent older than the ring must be asked, if it was not moved since", () => {
  assert.deepEqual(ask([born(20, 4, 5)], 5), { kind: "same-as", pid: 4, microseconds: 20 });
  assert.deepEqual(ask([born(20, 4, 5), moved(30, 4, "/b")], 5), UNKNOWN);
  assert.deepEqual(ask([born(20, 4, 5), born(3000, 1, 4)], 5), UNKNOWN);
});

test("a pid used again has the life that was last before the moment", () => {
  const events = [moved(5, 5, "/old"), moved(10, 4, "/a"), born(20, 4, 5)];
  assert.deepEqual(ask(events, 5), { kind: "cgroup", path: "/a", id: 73 });
});

test("a thread moves with its maker", () => {
  const events = [born(10, 4, 5, "3d0f00"), moved(20, 4, "/b")];
  assert.deepEqual(ask(events, 5), { kind: "cgroup", path: "/b", id: 73 });
});

test("a child cloned into a cgroup says nothing of it", () => {
  assert.deepEqual(ask([moved(5, 4, "/a"), born(10, 4, 5, "200000000")], 5), UNKNOWN);
});

test("what was recorded before a ring lost events proves nothing", () => {
  const events = [moved(5, 4, "/a"), born(10, 4, 5)];
  assert.deepEqual(ask(events, 5, 1000, 11), UNKNOWN);
});

test("a directory or process that imitates the line makes it worthless, for all it could mean", () => {
  const events = [moved(5, 5, "/a"), moved(6, 7, "/a"), moved(10, 5, "/b", 4, " pid=7 comm=x")];
  assert.deepEqual(ask(events, 5), UNKNOWN);
  assert.deepEqual(ask(events, 7), UNKNOWN);
});

test("long lines of descent end", () => {
  const events = Array.from({ length: 20 }, (_, i) => born(i, i + 1, i + 2));
  assert.deepEqual(ask(events, 21), UNKNOWN);
});
