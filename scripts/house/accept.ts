import { globSync, readFileSync } from "node:fs";
import { run } from "./command.ts";
import { printFailures, printStep, say } from "./print.ts";
import { runTests } from "./run-tests.ts";

/** Writes what the program prints now into the golden files, and shows which files that changed. */
const files = globSync("{src,test,lab,bench}/**/*.test.ts", { exclude: ["test/e2e/**"] })
  .filter((file) => /golden\.ts"|OOMWITNESS_ACCEPT/.test(readFileSync(file, "utf8")))
  .toSorted();
const started = performance.now();
const tally = await runTests({
  files,
  sequential: false,
  limitSeconds: 120,
  live: false,
  environment: { OOMWITNESS_ACCEPT: "1" },
});
printStep("goldens rewritten", tally, (performance.now() - started) / 1000);
printFailures(tally);
const { output } = await run(["git", "status", "--short", "--", "*golden*"]);
say(output.trim() === "" ? "No golden changed." : `Read these before you commit them:\n${output}`);
process.exitCode = tally.failures.length === 0 ? 0 : 1;
