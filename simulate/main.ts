import { check } from "./checkers.ts";
import { sayTime, sayTruth } from "./narrate.ts";
import { runSchedule } from "./schedule.ts";

const first = Number(process.argv[2]);
const n = Number(process.argv[3] ?? 1);
const verbose = process.argv[4] === "-v";
const lines: [number, string][] = [];
const t0 = performance.now();
let bad = 0;
const kinds = new Map<string, number[]>();
for (let seed = first; seed < first + n; seed++) {
  const outcome = runSchedule(seed, null, verbose ? (at, what) => lines.push([at, what]) : null);
  const problems = check(outcome);
  if (verbose) {
    console.log(sayTruth(outcome.truth).join("\n"));
    for (const [at, what] of lines) console.log(sayTime(at, outcome.truth), what);
    console.log(outcome.plan, outcome.lost, JSON.stringify(outcome.summary));
  }
  if (problems.length > 0) {
    bad++;
    const k = (problems[0] ?? "")
      .replace(/[0-9a-f]{8}-\S+/g, "ID")
      .replace(/\/\S+/g, "P")
      .replace(/\d+/g, "N")
      .slice(0, 70);
    kinds.set(k, [...(kinds.get(k) ?? []), seed]);
    if (n === 1) console.log(problems.join("\n"));
  }
}
for (const [k, s] of [...kinds].sort((a, b) => b[1].length - a[1].length))
  console.log(s.length, k, s.slice(0, 5).join(" "));
console.log(`${bad}/${n} bad, ${((performance.now() - t0) / n).toFixed(2)} ms each`);
