import { globSync } from "node:fs";
import { type CommandResult, run } from "./command.ts";
import { printFailures, printStep, printTotal, say } from "./print.ts";
import { runTests } from "./run-tests.ts";
import { sum, type Tally } from "./tally.ts";

interface Step {
  readonly name: string;
  run(): Promise<Tally>;
}

/** The whole check aims at a minute or two; a step that takes ten hangs. */
const STEP_LIMIT_SECONDS = 600;

const STEPS: readonly Step[] = [
  command("format and lint (biome)", [
    "node_modules/.bin/biome",
    "check",
    "--error-on-warnings",
    "--max-diagnostics=20",
    ".",
  ]),
  command("types (tsc)", ["node_modules/.bin/tsc", "-p", "."]),
  command("unused files and packages (knip)", [
    process.execPath,
    "node_modules/knip/bin/knip.js",
    "--no-progress",
  ]),
  tests("unit tests", () => globSync("src/**/*.test.ts")),
  tests("simulation", () => globSync("simulate/**/*.test.ts")),
  tests("house rules, contracts, goldens", () =>
    globSync("{test,scripts,lab,bench}/**/*.test.ts", { exclude: ["test/e2e/**"] }),
  ),
];

/** Everything that needs no kernel of its own and no privilege, in parallel. */
export async function check(): Promise<Tally> {
  const tallies = await Promise.all(STEPS.map(runStep));
  const total = sum(tallies);
  printFailures(total);
  return total;
}

async function runStep(step: Step): Promise<Tally> {
  const started = performance.now();
  const tally = await step.run();
  printStep(step.name, tally, (performance.now() - started) / 1000);
  return tally;
}

/** A step that passes or fails as a whole. */
function command(name: string, words: readonly string[]): Step {
  return { name, run: async () => toTally(name, words, await run(words)) };
}

function toTally(name: string, words: readonly string[], result: CommandResult): Tally {
  if (result.code === 0) return { passed: 1, failures: [], skips: [] };
  const detail = `${words.join(" ")}: exit code ${result.code}\n${result.output}`;
  return { passed: 0, failures: [{ name, file: "", detail }], skips: [] };
}

function tests(name: string, files: () => readonly string[]): Step {
  return {
    name,
    run: () =>
      runTests({
        files: files().toSorted(),
        sequential: false,
        limitSeconds: STEP_LIMIT_SECONDS,
        live: false,
      }),
  };
}

if (import.meta.main) {
  const started = performance.now();
  const total = await check();
  say(`\n${((performance.now() - started) / 1000).toFixed(1)} s`);
  printTotal(total);
  process.exitCode = total.failures.length === 0 ? 0 : 1;
}
