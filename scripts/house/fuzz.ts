import { parseArgs } from "node:util";
import { fuzzProblems, fuzzText } from "../../test/report-fuzz.ts";
import { say } from "./print.ts";

const USAGE = `Reads hostile texts, made from a seed, and says which one it reads wrongly.

  npm run fuzz                     for a minute, from a random seed
  npm run fuzz -- --minutes 10
  npm run fuzz -- --seed N         one text, shown
`;

const OPTIONS = {
  minutes: { type: "string", default: "1" },
  seed: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

function fuzzOne(seed: number): number {
  const text = fuzzText(seed);
  say(text.length > 20_000 ? `${text.slice(0, 20_000)}…` : text);
  const problems = fuzzProblems(text, seed);
  for (const problem of problems) say(`WRONG: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

function fuzzFor(minutes: number): number {
  const first = Math.floor(Math.random() * 2 ** 40);
  const started = performance.now();
  let [seed, characters, wrong, worstSeconds] = [first, 0, 0, 0];
  say(`from seed ${first}`);
  for (; performance.now() - started < minutes * 60_000 && wrong < 10; seed++) {
    const text = fuzzText(seed);
    const began = performance.now();
    const problems = fuzzProblems(text, seed);
    worstSeconds = Math.max(worstSeconds, (performance.now() - began) / 1000);
    characters += text.length;
    for (const problem of problems) say(`WRONG: ${problem}: npm run fuzz -- --seed ${seed}`);
    wrong += problems.length;
  }
  const seconds = (performance.now() - started) / 1000;
  const megabytes = (characters / 1e6).toFixed(1);
  say(
    `${seed - first} texts, ${megabytes} MB, in ${seconds.toFixed(0)} s; longest ${worstSeconds.toFixed(2)} s; ${wrong} wrong`,
  );
  return wrong === 0 ? 0 : 1;
}

const { values } = parseArgs({ options: OPTIONS });
const minutes = Number(values.minutes);
if (values.help || !(minutes > 0)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  process.exitCode = values.seed === undefined ? fuzzFor(minutes) : fuzzOne(Number(values.seed));
}
