import assert from "node:assert/strict";
import { test } from "node:test";
import { Corruption, TARGETS } from "./corruption.ts";

const RUNS = 40;

for (const target of TARGETS) {
  test(`${RUNS} random corruptions of ${target}: every start, nothing invented or changed, every loss named`, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    t.diagnostic(`npm run corrupt -- --runs ${RUNS} --seed ${seed}`);
    const corruption = new Corruption();
    t.after(() => corruption.remove());
    for (let run = 0; run < RUNS; run += 1) {
      const { damage, wrong, said } = await corruption.run(target, seed + run);
      assert.deepEqual(wrong, [], `seed ${seed + run}, ${damage}; said ${said.join("; ")}`);
    }
  });
}
