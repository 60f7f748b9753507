import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWallTime } from "./report-stamp.ts";

test("months are read in other languages too", () => {
  const clock = { zoneMinutes: 0, latestMicroseconds: Date.UTC(2026, 0, 1) * 1000 };
  const times = [
    ["Dec  6 14:58:14", "2025-12-06T14:58:14Z"],
    ["дек 06 14:58:14", "2025-12-06T14:58:14Z"],
    ["Dez  6 14:58:14", "2025-12-06T14:58:14Z"],
    ["déc. 06 14:58:14", "2025-12-06T14:58:14Z"],
    ["juil. 06 14:58:14", "2025-07-06T14:58:14Z"],
    ["jun 20 14:58:14", "2025-06-20T14:58:14Z"],
    ["11月 20 14:58:14", "2025-11-20T14:58:14Z"],
    ["四 3月 18 18:47:12 2021] ", "2021-03-18T18:47:12Z"],
    ["Чт мар 18 18:47:12 2021] ", "2021-03-18T18:47:12Z"],
    ["mar. mars 18 18:47:12 2021] ", "2021-03-18T18:47:12Z"],
  ] as const;
  for (const [text, wanted] of times) {
    assert.equal(parseWallTime(text, clock), Date.parse(wanted) * 1000, text);
  }
  for (const text of [
    "13月 20 14:58:14",
    "foo 20 14:58:14",
    "jui 20 14:58:14",
    "Tue Sep 16 03:14:22] ",
  ]) {
    assert.equal(parseWallTime(text, clock), null, text);
  }
});
