import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { importsOf } from "../test/tidy/rules.ts";
import { explainText, renderKills, renderMarkdown } from "./browser.ts";

const ENTRY = join(import.meta.dirname, "browser.ts");
const LOG = join(import.meta.dirname, "../test/fixtures/stories/leaking-child.txt");

/** Every file that the entry needs at run time, by its path, and what it imports. */
function graph(entry: string): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const open = [entry];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    const imports = importsOf(readFileSync(path, "utf8")).filter(({ typeOnly }) => !typeOnly);
    const specifiers = imports.map(({ specifier }) => specifier);
    found.set(path, specifiers);
    const here = dirname(path);
    open.push(...specifiers.filter((one) => one.startsWith(".")).map((one) => join(here, one)));
  }
  return found;
}

test("the browser entry needs no module of Node and no package", () => {
  const files = graph(ENTRY);
  assert.ok(files.size > 60, `${files.size} files`);
  for (const [path, specifiers] of files) {
    const outside = specifiers.filter((one) => !one.startsWith("."));
    assert.deepEqual(outside, [], relative(process.cwd(), path));
  }
});

/** Runs the entry in a context that has the language, TextDecoder, and nothing else: no process, no Buffer, no timers. */
const BARE = `
  const { SourceTextModule, createContext } = require("node:vm");
  const { readFileSync } = require("node:fs");
  const { stripTypeScriptTypes } = require("node:module");
  const path = require("node:path");
  const [entry, log] = process.argv.slice(1);
  const context = createContext({ TextDecoder });
  const modules = new Map();
  const load = (file) => {
    if (!modules.has(file)) {
      const code = stripTypeScriptTypes(readFileSync(file, "utf8"));
      modules.set(file, new SourceTextModule(code, { context, identifier: file }));
    }
    return modules.get(file);
  };
  (async () => {
    const main = load(entry);
    await main.link((specifier, from) => load(path.join(path.dirname(from.identifier), specifier)));
    await main.evaluate();
    const { explainText, renderKills } = main.namespace;
    const { kills } = explainText(readFileSync(log, "utf8"));
    process.stdout.write(JSON.stringify({ kills, text: renderKills(kills) }));
  })();
`;

test("in a bare context of the language it says the same as here", () => {
  const output = execFileSync(
    process.execPath,
    ["--experimental-vm-modules", "--no-warnings", "-e", BARE, ENTRY, LOG],
    { encoding: "utf8", timeout: 60_000 },
  );
  const { kills } = explainText(readFileSync(LOG, "utf8"));
  assert.equal(kills.length, 4);
  assert.deepEqual(JSON.parse(output), { kills, text: renderKills(kills) });
});

test("a text gives kills, kills by userspace, and what could not be read; Markdown is made of the same", () => {
  const text = `${readFileSync(LOG, "utf8")}Nov 21 03:12:44 host earlyoom[77]: sending SIGTERM to process 4242 uid 1000 "chrome": badness 900, VmRSS 800 MiB\r\n`;
  const { kills, userspaceKills, problems } = explainText(text);
  assert.deepEqual(
    kills.map(({ victim }) => victim.comm),
    ["ruby", "ruby", "ruby", "ruby"],
  );
  assert.deepEqual(
    userspaceKills.map(({ tool, pid }) => [tool, pid]),
    [["earlyoom", 4242]],
  );
  assert.deepEqual(problems, []);
  assert.match(renderMarkdown(kills), /^\*\*4 OOM kills\*\* in 4 runs/);
  assert.deepEqual(explainText(""), { kills: [], userspaceKills: [], problems: [] });
});
