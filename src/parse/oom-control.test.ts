import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOomControl } from "./oom-control.ts";

test("memory.oom_control of 6.18", () => {
  const text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
  assert.deepEqual(parseOomControl(text), { oomKill: 3, oomKillDisabled: false, underOom: false });
});

test("before 4.13 there is no count: unknown, not 0", () => {
  const text = "oom_kill_disable 1\nunder_oom 1\n";
  assert.deepEqual(parseOomControl(text), { oomKill: null, oomKillDisabled: true, underOom: true });
});

test("another file gives null", () => {
  assert.equal(parseOomControl(""), null);
  assert.equal(parseOomControl("low 0\noom_kill 4\n"), null);
});
