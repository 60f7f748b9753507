import { parseArgs } from "node:util";
import { headLine, json, line } from "./print.ts";
import { complaintsOf, type Result, type Row } from "./row.ts";
import { loadRows, runRow } from "./run.ts";

const USAGE = `Usage: npm run torture -- [--row NAME]… [--once] [--json] [--list]

Makes each fault on this machine, with real kills in small cgroups, and holds the agent's records against what the parents
of the killed processes saw. Every row must have 0 records twice, 0 made up, 0 lost.

  --row NAME   only this row; may be given several times
  --once       few rounds, as in npm test
  --json       one JSON object a row, with everything
  --list       what the rows do`;

const { values } = parseArgs({
  options: {
    row: { type: "string", multiple: true, default: [] },
    once: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function chosen(rows: readonly Row[]): readonly Row[] {
  const unknown = values.row.find((name) => rows.every((row) => row.name !== name));
  if (unknown !== undefined) throw new Error(`no row is named ${unknown}: see --list`);
  return values.row.length === 0 ? rows : rows.filter(({ name }) => values.row.includes(name));
}

function show(result: Result): void {
  if (values.json) {
    say(json(result));
    return;
  }
  say(line(result, process.stdout.columns ?? 80));
  for (const complaint of complaintsOf(result)) say(`    ${complaint}`);
}

async function main(): Promise<void> {
  if (values.help) {
    say(USAGE);
    return;
  }
  const rows = chosen(await loadRows());
  if (values.list) {
    for (const { name, fault } of rows) say(`${name.padEnd(22)}${fault}`);
    return;
  }
  if (!values.json) say(headLine());
  const results: Result[] = [];
  for (const row of rows) {
    const result = await runRow(row, !values.once);
    show(result);
    results.push(result);
  }
  const wrong = results.filter((result) => complaintsOf(result).length > 0).length;
  const skipped = results.filter(({ kind }) => kind === "skipped").length;
  const right = results.length - wrong - skipped;
  if (!values.json) say(`\n${right} rows right, ${wrong} wrong, ${skipped} skipped`);
  if (wrong > 0) process.exitCode = 1;
}

await main();
