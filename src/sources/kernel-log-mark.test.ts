import assert from "node:assert/strict";
import { it } from "node:test";
import { LogBench, sequencesOf } from "./testing/log-bench.ts";

/** A line of the log: written by user space when facility is 1. */
const line = (sequence: number, microseconds: number, text: string, facility = 0) =>
  `${facility * 8 + 6},${sequence},${microseconds},-;${text}`;
const killed = (sequence: number, microseconds: number, pid: number) =>
  line(sequence, microseconds, `Out of memory: Killed process ${pid} (hog) total-vm:1kB`);

it("holds the backlog back until its own mark tells how far the two clocks are apart", () => {
  const bench = new LogBench();
  bench.writable = true;
  bench.monotonic = 100_000_000;
  bench.start();
  // The kernel's clock is 3 s behind ours, and the storm is read 5 s late.
  bench.pass(5000);
  bench.say([killed(1, 96_500_000, 41)]);
  assert.deepEqual(sequencesOf(bench), []);
  assert.equal(bench.savedCursor, null, "what is held back is not behind the cursor");
  bench.say([line(2, 97_000_020, bench.mark ?? "", 1), killed(3, 97_500_000, 42)]);
  const [before, after] = bench.kills.map(({ at }) => at);
  assert.deepEqual(sequencesOf(bench), [1, 3]);
  assert.equal(before?.monotonicMicroseconds, 99_500_000);
  assert.equal(after?.monotonicMicroseconds, 100_500_000);
  for (const at of [before, after]) assert.equal(at?.uncertaintyMicroseconds, 20_000);
  assert.equal(bench.savedCursor, "kmsg 3 97500000 3000000");
  bench.stop();
});

it("a reader that was stopped for seconds does not move a clock that was measured", () => {
  const bench = new LogBench();
  bench.writable = true;
  bench.monotonic = 100_000_000;
  bench.start();
  bench.say([line(1, 99_999_020, bench.mark ?? "", 1)]);
  bench.pass(6000);
  bench.say([killed(2, 101_000_000, 41)]);
  const [kill] = bench.kills;
  assert.equal(kill?.at.monotonicMicroseconds, 101_001_000);
  assert.equal(kill?.at.uncertaintyMicroseconds, 20_000);
  bench.stop();
});

it("a copy of the mark that somebody else writes later measures nothing", () => {
  const bench = new LogBench();
  bench.writable = true;
  bench.monotonic = 100_000_000;
  bench.start();
  bench.say([line(1, 99_999_020, bench.mark ?? "", 1)]);
  bench.say([line(2, 50_000_000, bench.mark ?? "", 1), killed(3, 100_000_000, 41)]);
  assert.equal(bench.kills[0]?.at.monotonicMicroseconds, 100_000_040);
  bench.stop();
});

it("a mark that never comes holds the backlog back for a second, also in a log that is never silent", () => {
  const bench = new LogBench();
  bench.writable = true;
  bench.start();
  for (let sequence = 1; sequence <= 40; sequence++) {
    bench.say([killed(sequence, 1_000_000 + sequence, sequence)]);
    bench.pass(30);
  }
  assert.equal(bench.kills.length, 40);
  bench.stop();
});

it("without history its own mark, not silence, tells where the news begins", () => {
  const bench = new LogBench();
  bench.writable = true;
  bench.start(false);
  bench.say([killed(1, 19_999_000, 41)]);
  bench.pass(500);
  bench.say([killed(2, 19_999_500, 42), line(3, 20_000_000, bench.mark ?? "", 1)]);
  assert.deepEqual(sequencesOf(bench), []);
  bench.say([killed(4, 20_400_000, 43)]);
  assert.deepEqual(sequencesOf(bench), [4]);
  bench.stop();
});

it("two records that keep their distance in time were not late: the clock is good to 0.25 s again", () => {
  const bench = new LogBench();
  bench.monotonic = 5_000_000;
  bench.start();
  bench.pass(51);
  bench.say([killed(1, 1_000_000, 41)]);
  bench.pass(51);
  bench.say([line(2, 3_100_000, "eth0: link is up")]);
  bench.pass(1000);
  bench.say([killed(3, 4_100_000, 42)]);
  assert.equal(bench.kills[1]?.at.uncertaintyMicroseconds, 250_000);
  bench.stop();
});
