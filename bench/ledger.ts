/** Observations a second that the ledger takes in, with Node's own flags and with the agent's. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { median, say } from "./support/figures.ts";

const BOOKS = [10, 2000];
const ROUNDS = 3;

/** The flags that bin/oomwitness gives to the agent. */
function agentFlags(): string[] {
  const launcher = readFileSync(resolve(import.meta.dirname, "../bin/oomwitness"), "utf8");
  return (/flags="(--[^"]+)"/.exec(launcher)?.[1] ?? "").split(" ").filter(Boolean);
}

function perSecond(flags: readonly string[], books: number): number {
  const program = resolve(import.meta.dirname, "support/ledger-run.ts");
  const output = execFileSync(process.execPath, [...flags, program, String(books)], {
    encoding: "utf8",
  });
  const result = JSON.parse(output) as { perSecond: number };
  return result.perSecond;
}

for (const books of BOOKS) {
  for (const [name, flags] of Object.entries({ default_flags: [], agent_flags: agentFlags() })) {
    const runs = Array.from({ length: ROUNDS }, () => perSecond(flags, books));
    say(`ledger_${books}_books_${name}`, median(runs), "observations/s");
  }
}
