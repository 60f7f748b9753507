import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createClock } from "./clock.ts";

/** A machine whose clocks a test moves by hand; wall time in µs. */
function createMachine(startWallMicroseconds: number) {
  const machine = { monotonic: 5_000_000, wall: startWallMicroseconds };
  const clock = createClock({
    monotonicMicroseconds: () => machine.monotonic,
    wallMilliseconds: () => Math.floor(machine.wall / 1000),
    wallGuessMicroseconds: () => startWallMicroseconds,
  });
  const advance = (microseconds: number) => {
    machine.monotonic += microseconds;
    machine.wall += microseconds;
  };
  return { machine, clock, advance };
}

test("the wall clock tells microseconds exactly while nothing steps it", () => {
  const { machine, clock, advance } = createMachine(1_800_000_000_123_456);
  for (const step of [0, 1, 17, 999, 1_000, 1_500_001, 86_400_000_000]) {
    advance(step);
    assert.equal(clock.wallMicroseconds(), machine.wall);
  }
});

test("a step of the wall clock is followed at once, to the millisecond", () => {
  for (const step of [-3_600_000_000, -1_500, 1_500, 3_600_000_000, 86_400_000_000 * 365]) {
    const { machine, clock, advance } = createMachine(1_800_000_000_123_456);
    clock.wallMicroseconds();
    machine.wall += step;
    advance(10);
    assert.ok(Math.abs(clock.wallMicroseconds() - machine.wall) < 1000, `step of ${step} µs`);
  }
});

test("a wall clock that is slewed stays within a millisecond", () => {
  const { machine, clock, advance } = createMachine(1_800_000_000_000_000);
  for (let second = 0; second < 100; second++) {
    advance(1_000_000);
    machine.wall += 500; // NTP slews by at most 500 ppm
    assert.ok(Math.abs(clock.wallMicroseconds() - machine.wall) < 1000);
  }
});

test("the real wall clock stays beside Date.now() and has a fraction", async () => {
  const clock = createClock();
  const fractions = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const before = Date.now();
    const wall = clock.wallMicroseconds();
    const after = Date.now();
    assert.ok(wall >= before * 1000 - 1 && wall < (after + 2) * 1000, `${before} ${wall} ${after}`);
    assert.ok(Number.isSafeInteger(wall));
    fractions.add(wall % 1000);
    if (round % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(fractions.size > 20, `${fractions.size} different fractions of a millisecond`);
});

test("monotonic time is the kernel's: /proc/uptime without suspend", () => {
  const clock = createClock();
  const uptimeSeconds = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
  const monotonicSeconds = clock.monotonicMicroseconds() / 1e6;
  // uptime counts suspended time too, so it may be ahead; it has centiseconds.
  assert.ok(monotonicSeconds <= uptimeSeconds + 1);
  const earlier = clock.monotonicMicroseconds();
  assert.ok(earlier <= clock.monotonicMicroseconds());
});

test("after calls back once, and not when cancelled", async () => {
  const clock = createClock();
  const calls: string[] = [];
  const cancel = clock.after(5, () => calls.push("cancelled"));
  clock.after(-1, () => calls.push("negative"));
  clock.after(1, () => calls.push("one"));
  const cancelFar = clock.after(1e12, () => calls.push("far"));
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 30));
  cancelFar();
  assert.deepEqual(calls.sort(), ["negative", "one"]);
});
