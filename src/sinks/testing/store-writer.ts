import { createStore } from "../store.ts";
import { killStream, realClock } from "./records.ts";

/** A program for the tests: writes kills to the store given as its argument until it is killed. */
const [path = ""] = process.argv.slice(2);
const store = createStore({ path, clock: realClock, report: (line) => console.error(line) });
let next = 1;

function tell(): void {
  store.accept(killStream(next, next + 99));
  next += 100;
  if (next === 1_101) process.stdout.write("begun\n");
  if (next < 300_000) setTimeout(tell, 2);
}

tell();
