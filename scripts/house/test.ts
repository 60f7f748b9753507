import { globSync } from "node:fs";
import { check } from "./check.ts";
import { installPackages } from "./packages.ts";
import { printFailures, printSkips, printTotal, say } from "./print.ts";
import { runTests } from "./run-tests.ts";
import { sum, type Tally } from "./tally.ts";

/** A storm repeated 20 times in a guest without KVM takes minutes. */
const FILE_LIMIT_SECONDS = 15 * 60;

/** Kills on real kernels: one file after another, as each needs the machine's counters for itself. */
async function endToEnd(): Promise<Tally> {
  const files = globSync("test/e2e/**/*.test.ts").toSorted();
  const tallies: Tally[] = [];
  for (const file of files) {
    say(`\n${file}`);
    tallies.push(
      await runTests({
        files: [file],
        sequential: true,
        limitSeconds: FILE_LIMIT_SECONDS,
        live: true,
      }),
    );
  }
  const total = sum(tallies);
  printFailures(total);
  return total;
}

await installPackages();
if (process.getuid?.() !== 0) {
  say("Not root: the tests that make real kills or read kernel interfaces as root will skip.\n");
}
say("Checks");
const checked = await check();
say("\nEnd to end, on real kernels");
const total = sum([checked, await endToEnd()]);
printSkips(total);
printTotal(total);
process.exitCode = total.failures.length === 0 ? 0 : 1;
