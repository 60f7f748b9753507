import { globSync } from "node:fs";
import { run } from "./command.ts";
import { say } from "./print.ts";

/** `scripts/bench [WORD…]`: runs the files in bench/ whose name contains a word, one after another: they share the cores. */
const words = process.argv.slice(2);
const files = globSync("bench/*.ts")
  .filter((file) => !file.endsWith(".test.ts"))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted();
if (files.length === 0) say(`No bench matches ${words.join(" ")}.`);
let failed = files.length === 0;
for (const file of files) {
  say(`\n${file}`);
  const result = await run([process.execPath, file], { show: true });
  say(`  (${result.seconds.toFixed(1)} s)`);
  if (result.code !== 0) say(`  FAIL: exit code ${result.code}`);
  failed ||= result.code !== 0;
}
process.exitCode = failed ? 1 : 0;
