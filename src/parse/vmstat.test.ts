import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseVmstatOomKill } from "./vmstat.ts";

test("the oom_kill line of /proc/vmstat", () => {
  assert.equal(parseVmstatOomKill("drop_slab 0\noom_kill 4219\nnuma_pte_updates 0\n"), 4219);
  assert.equal(parseVmstatOomKill("oom_kill 0"), 0);
});

test("kernels before 4.13 have none; look-alikes do not count", () => {
  assert.equal(parseVmstatOomKill("drop_slab 0\nallocstall 3\n"), null);
  assert.equal(parseVmstatOomKill("memcg_oom_kill 3\noom_kill_x 4\n"), null);
});

test("law: any count comes back from between any other lines", () => {
  const line = fc
    .tuple(fc.stringMatching(/^[a-z_]{1,20}$/), fc.nat())
    .filter(([k]) => k !== "oom_kill");
  const lines = fc.array(line.map(([key, value]) => `${key} ${value}`));
  fc.assert(
    fc.property(lines, lines, fc.maxSafeNat(), (before, after, count) => {
      const text = [...before, `oom_kill ${count}`, ...after].join("\n");
      assert.equal(parseVmstatOomKill(text), count);
    }),
  );
});

test("law: no text makes it throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseVmstatOomKill(`\noom_kill ${text}`)));
});
