import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Complaint,
  importComplaints,
  importsOf,
  lengthComplaints,
  MATRIX,
  machinePathComplaints,
  PURE_FOLDERS,
  wordComplaints,
} from "./rules.ts";

const messages = (complaints: readonly Complaint[]) =>
  complaints.map(({ line, message }) => `${line}: ${message}`);

const complainAbout = (path: string, text: string) => [
  ...importComplaints({ path, text }),
  ...wordComplaints({ path, text }),
];

test("every form of import is found, and nothing in a comment or a string", () => {
  const text = [
    'import a from "./a.ts";',
    "import {",
    "  b,",
    '} from "./b.ts";',
    'import type { C } from "./c.ts";',
    'export * from "./d.ts";',
    'import "./e.ts";',
    'const f = await import("./f.ts");',
    '// import x from "./x.ts";',
    "const g = 'import x from \"./x.ts\"';",
  ].join("\n");
  assert.deepEqual(
    importsOf(text).map(({ specifier, line, typeOnly }) => `${specifier} ${line} ${typeOnly}`),
    [
      "./a.ts 1 false",
      "./b.ts 4 false",
      "./c.ts 5 true",
      "./d.ts 6 false",
      "./e.ts 7 false",
      "./f.ts 8 false",
    ],
  );
});

test("planted: imports against the matrix are caught", () => {
  const rows: [string, string, RegExp][] = [
    ["src/parse/a.ts", "../ledger/b.ts", /parse may not import ledger/],
    ["src/model/a.ts", "../parse/b.ts", /model may not import parse/],
    ["src/sources/deep/a.ts", "../../sinks/b.ts", /sources may not import sinks/],
    ["src/sinks/a.ts", "../agent/b.ts", /sinks may not import agent/],
    ["src/explain/a.ts", "../forecast/b.ts", /explain may not import forecast/],
    ["src/agent/a.ts", "../../lab/b.ts", /src does not import lab/],
    ["src/agent/a.ts", "../index.ts", /nobody inside imports/],
    ["src/parse/a.ts", "./testing.ts", /is for tests/],
    ["src/cli/a.ts", "../sources/b.ts", /cli may not import sources/],
    ["src/sinks/a.ts", "../../package.json", /src does not import package.json/],
    ["src/novel/a.ts", "../model/b.ts", /not in the matrix/],
    ["src/parse/a.ts", "node:util", /parse is pure/],
    ["src/sources/a.ts", "node:fs/promises", /only src\/host may use node:fs/],
    ["src/sinks/a.ts", "http", /only src\/host may use http/],
    ["src/parse/a.ts", "zod", /may not use the package zod/],
    ["src/agent/a.ts", "@some/where/deep", /may not use the package @some\/where:/],
  ];
  for (const [path, specifier, expected] of rows) {
    const found = complainAbout(path, `\nimport { x } from "${specifier}";\n`);
    assert.equal(found.length, 1, `${path} ${specifier}`);
    assert.match(messages(found)[0] ?? "", expected);
    assert.equal(found[0]?.line, 2);
  }
});

test("imports within the matrix are let through", () => {
  const rows: [string, string][] = [
    ["src/parse/a.ts", 'import { b } from "./b.ts";'],
    ["src/parse/a.ts", 'import { b } from "../model/b.ts";'],
    ["src/explain/a.ts", 'import type { B } from "../forecast/b.ts";'],
    ["src/host/a.ts", 'import fs from "node:fs";'],
    ["src/sinks/a.ts", 'import { styleText } from "node:util";'],
    ["src/cli/a.ts", 'import { Command } from "commander";'],
    ["src/parse/a.test.ts", 'import fs from "node:fs";'],
    ["src/cli/a.ts", 'import type { B } from "../sources/b.ts";'],
    ["src/cli/a.ts", 'import version from "../../package.json";'],
    ["src/parse/testing.ts", 'import fs from "node:fs";'],
    ["src/index.ts", 'export * from "./agent/a.ts";'],
    ["scripts/a.ts", 'import fs from "node:fs";'],
  ];
  for (const [path, text] of rows) assert.deepEqual(complainAbout(path, text), [], text);
});

test("planted: a pure folder that waits, fails or knows the time is caught", () => {
  const rows = [
    "const a = process.env;",
    "const a = Date.now();",
    "const a = new Date(5);",
    "const a = performance.now();",
    "const a = Math.random();",
    "setTimeout(f, 1);",
    "queueMicrotask(f);",
    "const a = fetch(b);",
    "async function a() {}",
    "const a = async () => {};",
    "const a = async b => b;",
    "function a(): Promise<void> {}",
    "console.log(1);",
    "const a = Buffer.from([]);",
  ];
  for (const folder of PURE_FOLDERS) {
    for (const row of rows) {
      const found = complainAbout(`src/${folder}/a.ts`, row);
      assert.ok(found.length >= 1, `${folder}: ${row}`);
      assert.match(found[0]?.message ?? "", /is pure and may not mention/);
    }
  }
});

test("the same words are let through where they are names, comments or strings", () => {
  const text = [
    "// Date.now() and setTimeout are not for us",
    'const text = "process.env";',
    "interface A { process: number; readonly fetch: string; async: boolean }",
    "const b = record.process.pid + record.performance;",
    "const c = `await Date`;",
    "const isDateLike = 5;",
  ].join("\n");
  assert.deepEqual(messages(complainAbout("src/parse/a.ts", text)), []);
});

test("planted: only the host knows the time", () => {
  const rows = ["Date.now()", "new Date()", "setInterval(f, 1)", "performance.now()", "fetch(u)"];
  for (const row of rows) {
    assert.equal(complainAbout("src/sinks/a.ts", `const a = ${row};`).length, 1, row);
    assert.deepEqual(complainAbout("src/host/a.ts", `const a = ${row};`), []);
  }
  assert.deepEqual(complainAbout("src/sinks/a.ts", "new Date(atMilliseconds).toISOString()"), []);
});

test("planted: a file that grows, and one that shrank and was not praised", () => {
  const file = (lines: number) => ({ path: "src/a.ts", text: "x\n".repeat(lines) });
  assert.equal(lengthComplaints(file(400), {}).length, 0);
  assert.match(lengthComplaints(file(401), {})[0]?.message ?? "", /401 lines, at most 400/);
  assert.equal(lengthComplaints(file(450), { "src/a.ts": 450 }).length, 0);
  assert.match(lengthComplaints(file(451), { "src/a.ts": 450 })[0]?.message ?? "", /at most 450/);
  assert.match(lengthComplaints(file(410), { "src/a.ts": 450 })[0]?.message ?? "", /shrank to 410/);
});

test("planted: a path of somebody's machine", () => {
  const planted = ["/home", "ann", "project"].join("/");
  assert.equal(machinePathComplaints({ path: "README.md", text: `see ${planted}/x` }).length, 1);
  const fine = "/home/ alone, /sys/fs/cgroup, docs/work/x, https://example.org/work/x";
  assert.deepEqual(machinePathComplaints({ path: "README.md", text: fine }), []);
});

test("the matrix has no circle: what is imported may not import back", () => {
  const reach = (from: string, seen: Set<string>): Set<string> => {
    for (const to of MATRIX[from]?.from ?? []) if (!seen.has(to)) reach(to, seen.add(to));
    return seen;
  };
  for (const folder of Object.keys(MATRIX)) {
    assert.ok(!reach(folder, new Set()).has(folder), `${folder} reaches itself`);
  }
});
