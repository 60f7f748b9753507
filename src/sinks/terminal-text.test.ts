import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  padEnd,
  padStart,
  safeText,
  shortenEnd,
  shortenMiddle,
  textColumns,
  wrapText,
} from "./terminal-text.ts";

const UTF8 = { unicode: true };
const ASCII = { unicode: false };

/** Outside text: any code units at all, and what attackers write. */
const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(
      "\x1b",
      "[31m",
      "\n",
      "\r",
      "\u202e",
      "\u0300",
      "日",
      "👩‍👩‍👧",
      "\ud800",
      "a",
      " ",
    ),
    maxLength: 30,
  }),
);
/** Nothing that moves the cursor, reorders text or hides. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Cn}\p{Co}]/u;

test("what cannot be printed is shown escaped", () => {
  assert.equal(safeText("x\x1b[31m)\n", UTF8), "x\\x1b[31m)\\x0a");
  assert.equal(safeText("a\u202eb", UTF8), "a\\u202eb");
  assert.equal(safeText("\ud800", UTF8), "\\ud800");
  assert.equal(safeText("é日", ASCII), "\\xe9\\u65e5");
  assert.equal(safeText("\u{1f600}", ASCII), "\\u{1f600}");
});

test("columns are counted as terminals do", () => {
  assert.equal(textColumns("hog", UTF8), 3);
  assert.equal(textColumns("日本", UTF8), 4);
  assert.equal(textColumns("e\u0301", UTF8), 1);
  assert.equal(textColumns("😀", UTF8), 2);
  assert.equal(textColumns("✓ · – ┌", UTF8), 7);
});

test("marks beyond two on one letter are escaped: they would climb over other lines", () => {
  assert.equal(safeText(`a${"\u0301".repeat(3)}`, UTF8), "a\u0301\u0301\\u0301");
  assert.equal(safeText("\u0301a", UTF8), "\\u0301a");
});

test("shortening keeps the telling part", () => {
  assert.equal(shortenMiddle("/kubepods.slice/podx/abc.scope", 17, UTF8), "/kube…x/abc.scope");
  assert.equal(shortenEnd("Web Content", 8, UTF8), "Web Con…");
  assert.equal(shortenEnd("Web Content", 8, ASCII), "Web Co..");
  assert.equal(shortenMiddle("short", 17, UTF8), "short");
});

test("wrapped text hangs below its first line and cuts what has no spaces", () => {
  assert.deepEqual(wrapText("one two three", 8, 2, UTF8), ["one two", "  three"]);
  assert.deepEqual(wrapText("abcdefghijkl", 8, 0, UTF8), ["abcdefgh", "ijkl"]);
  assert.deepEqual(wrapText("", 8, 2, UTF8), [""]);
});

test("law: whatever comes, nothing unprintable leaves and no width is exceeded", () => {
  const law = fc.property(
    hostile,
    fc.integer({ min: 0, max: 40 }),
    fc.boolean(),
    (text, limit, unicode) => {
      const options = { unicode };
      for (const shorten of [shortenEnd, shortenMiddle]) {
        const short = shorten(text, limit, options);
        assert.ok(textColumns(short, UTF8) <= limit, `${JSON.stringify(short)} in ${limit}`);
        assert.doesNotMatch(short, FORBIDDEN);
        if (!unicode) assert.match(short, /^[ -~]*$/);
      }
      for (const line of wrapText(text, limit + 8, 2, options)) {
        assert.ok(textColumns(line, UTF8) <= limit + 10);
        assert.doesNotMatch(line, FORBIDDEN);
      }
    },
  );
  fc.assert(law, { numRuns: 1_000 });
});

test("law: safe text is its own safe text, and padding fills exactly", () => {
  const law = fc.property(hostile, (text) => {
    const safe = safeText(text, UTF8);
    assert.equal(safeText(safe, UTF8), safe);
    assert.equal(textColumns(safe, UTF8), textColumns(text, UTF8));
    const width = textColumns(safe, UTF8) + 3;
    assert.equal(textColumns(padEnd(safe, width, UTF8), UTF8), width);
    assert.equal(textColumns(padStart(safe, width, UTF8), UTF8), width);
  });
  fc.assert(law, { numRuns: 1_000 });
});
