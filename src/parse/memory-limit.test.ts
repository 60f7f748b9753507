import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMemoryLimit } from "./memory-limit.ts";

test("a limit in bytes; unlimited and unreadable are null", () => {
  const rows: [string, number | null][] = [
    ["20971520\n", 20_971_520],
    ["0\n", 0],
    ["max\n", null],
    ["9223372036854771712\n", null],
    ["9223372036854710272\n", null],
    ["", null],
    ["-1\n", null],
    ["12 kB\n", null],
  ];
  for (const [text, bytes] of rows) assert.equal(parseMemoryLimit(text), bytes, text);
});
