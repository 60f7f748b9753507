import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMemoryEvents } from "./memory-events.ts";

test("memory.events of 6.12: kills and group kills", () => {
  const text = "low 0\nhigh 0\nmax 129\noom 2\noom_kill 5\noom_group_kill 1\n";
  assert.deepEqual(parseMemoryEvents(text), { oomKill: 5, oomGroupKill: 1 });
});

test("memory.events of 5.10 has no group kills: unknown, not 0", () => {
  const text = "low 0\nhigh 0\nmax 1\noom 7\noom_kill 3\n";
  assert.deepEqual(parseMemoryEvents(text), { oomKill: 3, oomGroupKill: null });
});

test("keys of later kernels are tolerated, in any order", () => {
  const text = "sock_throttled 9\noom_group_kill 0\nnew_key 4\noom_kill 2\noom 1";
  assert.deepEqual(parseMemoryEvents(text), { oomKill: 2, oomGroupKill: 0 });
});

test("what is no book gives null", () => {
  for (const text of [
    "",
    "oom 3\n",
    "oom_kill x\n",
    "oom_kill \n",
    "xoom_kill 3\n",
    "oom_kill 3x\n",
  ])
    assert.equal(parseMemoryEvents(text), null, JSON.stringify(text));
  assert.equal(parseMemoryEvents("oom_kill 99999999999999999999\n"), null);
});
