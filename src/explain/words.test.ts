import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bytesText,
  clean,
  cleanMiddle,
  countText,
  durationText,
  ordinalText,
  percentText,
  processText,
  quantityText,
  roundedUp,
  sentence,
} from "./words.ts";

const MIB = 1024 * 1024;

test("what could steer a terminal is shown, not done", () => {
  assert.equal(clean("a\x1b[31m\nb"), "a\\x1b[31m\\x0ab");
  assert.equal(clean("\u202eevil\u200b"), "\\u{202e}evil\\u{200b}");
  assert.equal(clean("日本"), "\\u{65e5}\\u{672c}");
  assert.equal(clean("Straße naïve"), "Straße naïve");
});

test("law: whatever goes in, plain characters within the bound come out", () => {
  const parameters = { seed: 20261121, numRuns: 500 };
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.integer({ min: 2, max: 90 }),
      (text, limit) => {
        for (const out of [clean(text, limit), cleanMiddle(text, limit)]) {
          assert.ok(out.length <= limit, `${out.length} > ${limit}`);
          assert.doesNotMatch(
            out,
            /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/,
          );
        }
      },
    ),
    parameters,
  );
});

test("a long path keeps both its ends", () => {
  assert.equal(
    cleanMiddle("/kubepods.slice/a/b/cri-containerd-6af3.scope", 24),
    "/kubepo…inerd-6af3.scope",
  );
});

test("a sentence ends somewhere", () => {
  assert.equal(sentence("x".repeat(300)).length, 200);
  assert.equal(sentence("short."), "short.");
});

test("sizes, shares, times, counts", () => {
  assert.deepEqual([0, 512, 1536, 20 * MIB, 1000 * MIB, 3.5 * 1024 * MIB].map(bytesText), [
    "0 B",
    "512 B",
    "1.5 KiB",
    "20 MiB",
    "1000 MiB",
    "3.5 GiB",
  ]);
  assert.deepEqual(
    [percentText(0, 9), percentText(1, 900), percentText(5, 9), percentText(1, 0)],
    ["0 %", "<1 %", "56 %", "0 %"],
  );
  assert.deepEqual([0.2, 45, 700, 9000, 200_000].map(durationText), [
    "less than 1 s",
    "45 s",
    "12 min",
    "2.5 h",
    "2 days",
  ]);
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinalText), [
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "12th",
    "13th",
    "21st",
    "102nd",
    "111th",
  ]);
  assert.deepEqual(
    [countText(1, "kill"), countText(2, "process", "processes")],
    ["1 kill", "2 processes"],
  );
  assert.deepEqual(
    [processText("a b", 7), processText(null, 7), processText(null, null)],
    ["a b[7]", "process[7]", "a process"],
  );
});

test("a size to write down is never smaller than what was asked for", () => {
  assert.deepEqual(
    [1, 20, 150, 4500].map((mib) => quantityText(roundedUp(mib * MIB))),
    ["16Mi", "32Mi", "160Mi", "5Gi"],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (bytes) => {
      const rounded = roundedUp(bytes);
      assert.ok(rounded >= bytes && rounded <= Math.max(16 * MIB, bytes * 1.34));
    }),
    { seed: 20261121 },
  );
});
