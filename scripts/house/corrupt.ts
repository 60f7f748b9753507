import { parseArgs } from "node:util";
import { Corruption, TARGETS } from "../../test/corruption.ts";

const USAGE = `Damages the journal, the checkpoint and the database of a killed agent at random, and starts the next one on it.

  npm run corrupt -- --runs 500           so often each, from a random seed
  npm run corrupt -- --seed N             one run of each, told in full
`;

const OPTIONS = { runs: { type: "string" }, seed: { type: "string" } } as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  const runs = Number(values.runs ?? (values.seed === undefined ? 500 : 1));
  if (!Number.isSafeInteger(seed) || !(runs >= 1)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const corruption = new Corruption();
  let wrong = 0;
  for (const target of TARGETS) {
    const count = { starts: 0, clean: 0, losing: 0, lost: 0, wrong: 0 };
    for (let run = 0; run < runs; run += 1) {
      const result = await corruption.run(target, seed + run);
      count.starts += 1;
      if (result.said.length === 0) count.clean += 1;
      if (result.lost > 0) count.losing += 1;
      count.lost += result.lost;
      if (result.wrong.length > 0) count.wrong += 1;
      if (result.wrong.length > 0 || runs === 1) {
        print(
          `seed ${seed + run}  ${result.damage}`,
          ...result.wrong.map((one) => `  WRONG ${one}`),
        );
        print(...result.said.map((one) => `  said: ${one}`), `  lost: ${result.lost}`);
      }
    }
    wrong += count.wrong;
    print(
      `${target}: ${count.starts} starts of ${runs}, ${count.wrong} wrong; ${count.clean} without any harm, ` +
        `${count.losing} lost ${count.lost} kills or records in all, each loss named`,
    );
  }
  corruption.remove();
  print(`npm run corrupt -- --runs ${runs} --seed ${seed}`);
  return wrong === 0 ? 0 : 1;
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
