import assert from "node:assert/strict";
import { test } from "node:test";
import { Containers } from "../src/identify/containers.ts";
import { Random } from "../src/std/random.ts";
import { CONTAINERS_BUG_NAMES, NO_BUG, plantContainersBug } from "./containers-bugs.ts";
import { checkContainers } from "./containers-check.ts";
import { type ContainersOutcome, runContainers } from "./containers-run.ts";
import type { Told } from "./containers-tell.ts";
import { BEGIN, END } from "./containers-world.ts";

/** Seeds that once found a mistake. */
const REGRESSIONS = [
  5, 7, 16, 23, 83, 97, 107, 138, 290, 314, 377, 502, 617, 624, 644, 703, 1024, 1325, 1381, 1411,
  1420, 1596, 2063, 2413, 2715, 3353, 3783, 4135, 5681, 6718, 10157, 11331, 13243, 929, 2004, 535,
  1813, 82, 99, 607, 33, 44, 905, 10386, 7000494, 7000904, 7000952, 7001435, 7001675, 7002462,
  7002557, 7002791, 7003008, 7003535, 7003753,
];
/** The same each time: all must pass. */
const SCHEDULES = 500;
/** New ones each time. */
const NEW_SCHEDULES = 250;
/**
 * Of the new schedules so many may fail: one in 680 does (22 of 15,000), most of them where two daemons stamp seconds late and
 * one of them is away. At that rate more than 3 of 250 fail in about one run of 2,000; a new mistake fails far more.
 */
const RARE_FAILURES = 3;
/** A planted bug must show within so many schedules. */
const BUG_SCHEDULES = 150;

interface Failure {
  readonly seed: number;
  readonly problems: readonly string[];
}

function runMany(
  first: number,
  many: number,
  bug = "none",
): { failures: Failure[]; kills: number; exits: number } {
  const failures: Failure[] = [];
  let [kills, exits] = [0, 0];
  for (let seed = first; seed < first + many; seed++) {
    const outcome = runContainers(seed, plantContainersBug(bug) ?? NO_BUG);
    kills += outcome.world.kills.length;
    exits += outcome.lines.filter(({ kind }) => kind === "exit").length;
    const problems = checkContainers(outcome);
    if (problems.length > 0) failures.push({ seed, problems });
    if (bug !== "none" && failures.length > 0) break;
  }
  return { failures, kills, exits };
}

function tell(failures: readonly Failure[]): string {
  return failures
    .map(({ seed, problems }) => {
      return `npm run simulate -- --containers --seed ${seed}  # ${problems.join("; ")}`;
    })
    .join("\n");
}

test("seeds that once found a mistake find none", () => {
  const failures = REGRESSIONS.flatMap((seed) => runMany(seed, 1).failures);
  assert.equal(failures.length, 0, tell(failures));
});

for (const [what, first, many, allowed] of [
  ["known", 1, SCHEDULES, 0],
  ["new", Math.floor(Math.random() * 2 ** 40), NEW_SCHEDULES, RARE_FAILURES],
] as const) {
  test(`${many} ${what} schedules of runtimes: whose, main, visible and why are right`, (t) => {
    const { failures, kills, exits } = runMany(first, many);
    t.diagnostic(`${many} schedules from seed ${first}, ${kills} kills, ${exits} exits`);
    for (const failure of failures) t.diagnostic(tell([failure]));
    assert.ok(failures.length <= allowed, tell(failures));
  });
}

for (const bug of CONTAINERS_BUG_NAMES) {
  test(`planted bug ${bug} is caught`, (t) => {
    const { failures } = runMany(1, BUG_SCHEDULES, bug);
    t.diagnostic(`${bug}: ${failures[0]?.problems[0] ?? "never"}`);
    assert.equal(failures.length, 1, `the simulator no longer catches ${bug}`);
  });
}

/** What is said in the end when everything is known, as text. */
function finalWords(outcome: ContainersOutcome, told: readonly Told[]): string {
  const containers = new Containers(null);
  containers.advance(BEGIN);
  for (const { what } of told) {
    if (what.kind === "observation") containers.observe(what.observation);
  }
  containers.advance(END + 60_000_000);
  const last = new Map(outcome.evidence.map((one) => [one.kill.id, one]));
  const kills = [...last.values()];
  const identities = kills.map(({ record, at }) => containers.identify(record, at));
  for (const { record, at } of kills) containers.killTold(record, at);
  return JSON.stringify({ identities, exits: containers.takeExits() }, null, 1);
}

test("law: the order in which runtimes speak is irrelevant, and so is that they repeat themselves", () => {
  const bad: number[] = [];
  for (let seed = 1; seed <= 200; seed++) {
    const outcome = runContainers(seed);
    // Which of two conversions of a stamp came first shows in the microseconds.
    if (outcome.plan.jitter > 0) continue;
    const expected = finalWords(outcome, outcome.told);
    const random = new Random(seed);
    const doubled = [...outcome.told, ...outcome.told];
    const words = finalWords(outcome, random.shuffle(doubled));
    if (words !== expected) bad.push(seed);
  }
  assert.deepEqual(bad, [], "seeds");
});
