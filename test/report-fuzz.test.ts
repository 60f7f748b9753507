import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzProblems, fuzzText } from "./report-fuzz.ts";

/** `npm run fuzz` goes on for as long as it is told to. */
const SECONDS = 4;

test("hostile texts: nothing is thrown, invented or slow; in pieces the same is told as line by line", (t) => {
  const first = Math.floor(Math.random() * 2 ** 40);
  const until = performance.now() + SECONDS * 1000;
  let seed = first;
  for (; performance.now() < until; seed++) {
    const problems = fuzzProblems(fuzzText(seed), seed);
    assert.deepEqual(problems, [], `npm run fuzz -- --seed ${seed}`);
  }
  t.diagnostic(`${seed - first} texts from seed ${first}`);
});
