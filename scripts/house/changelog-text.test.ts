import assert from "node:assert/strict";
import { test } from "node:test";
import { render } from "./changelog-text.ts";

test("commit lines become sections by version and prefix, newest first", () => {
  const commits = [
    { date: "2026-12-02", tag: null, subject: "FIX: a forged log line is no kill" },
    { date: "2026-12-01", tag: "v0.1.0", subject: "METRIC: oomwitness_kills_total" },
    { date: "2026-11-30", tag: null, subject: "FEATURE: kills are seen" },
    { date: "2026-11-29", tag: null, subject: "TEST: not for operators" },
    { date: "2026-11-29", tag: null, subject: "no prefix" },
    { date: "2026-11-28", tag: null, subject: "FEATURE: kills are seen" },
  ];
  const expected = `# Changelog

## 0.2.0 (not released)

### Fixes
- a forged log line is no kill

## 0.1.0 (2026-12-01)

### Features
- kills are seen

### Metrics
- oomwitness_kills_total
`;
  assert.equal(render(commits, "0.2.0"), expected);
});

test("a release right now leaves no empty section", () => {
  const text = render([{ date: "2026-12-01", tag: "v0.1.0", subject: "FIX: x" }], "0.1.0");
  assert.equal(text, "# Changelog\n\n## 0.1.0 (2026-12-01)\n\n### Fixes\n- x\n");
});
