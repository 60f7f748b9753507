import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { type Batch, runBatch, runOnCores } from "./batch.ts";
import { BUG_NAMES } from "./bugs.ts";

/** Seeds that once found a mistake, in the order they were found. */
const REGRESSIONS = [
  1, 29, 38, 50, 54, 67, 75, 87, 141, 238, 388, 472, 510, 536, 542, 578, 685, 700, 711, 752, 843,
  896, 903, 943, 1197, 1225, 1262, 1271, 1275, 1344, 1547, 1693, 1887, 2025, 2062, 2194, 2206, 2608,
  2697, 3331, 3513, 4655, 5703, 6546, 1800029816, 835266761061, 835266758668, 1007437, 835266791920,
  1000162, 1001130, 1001629, 1008360, 1009178, 1009303, 1009891, 1013767, 7000422, 7003757, 7006243,
  7008257, 7011850, 7012583, 7016981, 7020024, 7026113, 7028557, 8009560, 8010113, 8018513, 8031358,
  9017535, 9022273, 9022301, 10015741, 10058335, 10090121, 10131859, 10135337, 22019055,
];

/** The same each time: all must pass. */
const SCHEDULES = 15_000;
/** New ones each time, 20,000 with the others. */
const NEW_SCHEDULES = 5_000;
/**
 * This many of 1,000 kills may have a wrong cgroup, when it is said to be inferred. Measured: 4.6 in the known schedules, of
 * which 3 in 10 stop the agent, stall a reader or let the log's clock lie; 2 before there were such. Nearly all are kills
 * right after a group kill whose report was rate-limited away, which the log alone cannot tell from its members.
 */
const WRONG_GUESSES_PER_THOUSAND = 6;
/**
 * Of the new schedules so many may fail. One of 47,150 schedules with stalls did when this was written, and has been mended;
 * 3 in 10 have stalls, and the others were never seen to fail: about one in 150,000. A single one may come up in any run,
 * printed with the command that repeats it; two in one run are a new mistake.
 */
const RARE_FAILURES = 1;
/** A planted bug must show within so many schedules. */
const BUG_SCHEDULES = 1_000;

function silent(): void {}

function batch(more: Partial<Batch> & Pick<Batch, "first">): Batch {
  return { step: 1, schedules: 1, bug: null, failures: 5, ...more };
}

function repeat(
  failures: readonly { readonly seed: number; readonly problems: readonly string[] }[],
) {
  return failures
    .map(({ seed, problems }) => `npm run simulate -- --seed ${seed}  # ${problems.join("; ")}`)
    .join("\n");
}

test("seeds that once found a mistake find none", async () => {
  const results = await Promise.all(REGRESSIONS.map((first) => runBatch(batch({ first }), silent)));
  const failures = results.flatMap((result) => result.failures);
  assert.equal(failures.length, 0, repeat(failures));
});

for (const [what, first, schedules, allowed] of [
  ["known", 1_000_000, SCHEDULES, 0],
  ["new", Math.floor(Math.random() * 2 ** 40), NEW_SCHEDULES, RARE_FAILURES],
] as const) {
  test(`${schedules} ${what} schedules: each kill once, the books balance, no cgroup is wrong`, async (t) => {
    const all = batch({ first, schedules });
    const { ran, kills, wrongGuesses, failures } = await runOnCores(
      all,
      availableParallelism(),
      silent,
    );
    t.diagnostic(
      `${ran} schedules from seed ${first}, ${kills} kills, ${wrongGuesses} wrong guesses`,
    );
    for (const failure of failures) t.diagnostic(repeat([failure]));
    assert.ok(failures.length <= allowed, repeat(failures));
    assert.ok(
      wrongGuesses <= (kills * WRONG_GUESSES_PER_THOUSAND) / 1000,
      `${wrongGuesses} guesses`,
    );
  });
}

for (const bug of BUG_NAMES) {
  test(`planted bug ${bug} is caught`, async (t) => {
    const all = batch({ first: 1, schedules: BUG_SCHEDULES, bug, failures: 1 });
    const { ran, failures } = await runBatch(all, silent);
    t.diagnostic(`${bug}: caught after ${ran} schedules: ${failures[0]?.problems[0] ?? "never"}`);
    assert.equal(failures.length, 1, `the simulator no longer catches ${bug}`);
  });
}
