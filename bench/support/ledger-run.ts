/** `ledger-run.ts BOOKS`: prints how many observations a second the ledger takes in, alone in its process. */
import { Ledger } from "../../src/ledger/ledger.ts";
import { cgroupBook, evidenceOf, KILL_INTERVAL_MICROSECONDS, nodeBook } from "./evidence.ts";

const OBSERVATIONS = 100_000;
const BEGAN_AT = 100_000_000;
const EACH = evidenceOf(0, BEGAN_AT).length;

function openLedger(books: number): Ledger {
  const options = { bootId: "7f3a91c2-5b7e-4a52-9d9b-0c5f4f2d1e11", node: "worker-3" };
  const ledger = new Ledger({ ...options, startedAt: BEGAN_AT - 1_000_000 }, null);
  ledger.observe(nodeBook(BEGAN_AT - 500_000, 0));
  for (let index = 0; index < books; index++) {
    ledger.observe(cgroupBook(index, BEGAN_AT - 500_000, 0));
  }
  return ledger;
}

/** As the agent does: the trace is told at once, then what the counters and the log add. */
function takeIn(ledger: Ledger, kills: readonly ReturnType<typeof evidenceOf>[]): number {
  let told = 0;
  kills.forEach(([trace, ...rest], index) => {
    ledger.advance(BEGAN_AT + index * KILL_INTERVAL_MICROSECONDS + 300);
    if (trace !== undefined) ledger.observe(trace);
    told += ledger.take().length;
    for (const observation of rest) ledger.observe(observation);
    told += ledger.take().length;
  });
  ledger.advance(BEGAN_AT + kills.length * KILL_INTERVAL_MICROSECONDS + 10_000_000);
  return told + ledger.take().length;
}

const books = Number(process.argv[2] ?? 10);
const kills = Array.from({ length: OBSERVATIONS / EACH }, (_, index) =>
  evidenceOf(index, BEGAN_AT),
);
const ledger = openLedger(books);
const began = performance.now();
const told = takeIn(ledger, kills);
const seconds = (performance.now() - began) / 1000;
const { recorded, unaccounted } = ledger.summary();
const right = recorded === kills.length && unaccounted === 0;
process.stdout.write(
  `${JSON.stringify({ perSecond: OBSERVATIONS / seconds, told, recorded, unaccounted, right })}\n`,
);
process.exitCode = right ? 0 : 1;
