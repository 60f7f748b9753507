import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { matchGolden } from "../../test/golden.ts";
import { runProgram } from "./program.ts";
import { fakeConsole, fakeContext } from "./testing/console.ts";

const COMMANDS = ["watch", "agent", "list", "show", "explain", "doctor", "selftest"];

async function run(words: readonly string[]) {
  const console = fakeConsole();
  const status = await runProgram(words, fakeContext(console));
  return { status, out: console.out.join(""), errors: console.errors };
}

test("help of every command, in 80 columns, with an example", async () => {
  const pages: string[] = [];
  for (const words of [["--help"], ...COMMANDS.map((name) => [name, "--help"])]) {
    const { status, out } = await run(words);
    assert.equal(status, 0);
    assert.match(out, /Examples?:\n {2}(sudo )?oomwitness/);
    for (const line of out.split("\n")) assert.ok(line.length <= 80, line);
    pages.push(`$ oomwitness ${words.join(" ")}\n${out}`);
  }
  matchGolden(path.join(import.meta.dirname, "help.golden.txt"), pages.join("\n"));
});

test("every flag has an environment variable", async () => {
  for (const name of COMMANDS) {
    const { out } = await run([name, "--help"]);
    // One description runs to the next option; its end names the variable.
    const options = out.split(/\n {2}(?=-)/).slice(1);
    assert.ok(options.length > 1, name);
    for (const option of options) {
      if (!option.startsWith("-h, ")) assert.match(option.replace(/\s+/g, " "), /env: OOMWITNESS_/);
    }
  }
});

test("wrong usage is one line with a stable code, a hint, and status 2", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ["wach"],
      /^oomwitness: E_USAGE: unknown command 'wach'\. Did you mean watch\? See 'oomwitness --help'\.$/,
    ],
    [["watch", "--jsno"], /^oomwitness: E_USAGE: unknown option '--jsno'\. Did you mean --json\? /],
    [
      ["agent", "--listen", "nine"],
      /E_USAGE: .*Give ADDRESS:PORT, .* See 'oomwitness agent --help'\.$/,
    ],
    [["show"], /E_USAGE: missing required argument 'id'\./],
    [["list", "--limit", "0"], /E_USAGE: .*Give a whole number from 1 up\./],
    [["list", "stray"], /E_USAGE: too many arguments/],
  ];
  for (const [words, line] of cases) {
    const { status, out, errors } = await run(words);
    assert.equal(status, 2, words.join(" "));
    assert.equal(out, "");
    assert.equal(errors.length, 1, errors.join("\n"));
    assert.match(errors[0] ?? "", line);
  }
});

test("without a command the help goes to standard error, with status 2", async () => {
  const { status, out, errors } = await run([]);
  assert.equal(status, 2);
  assert.equal(out, "");
  assert.match(errors.join("\n"), /^Usage: oomwitness/);
});

test("the version is printed", async () => {
  assert.deepEqual(await run(["--version"]), { status: 0, out: "0.1.0\n", errors: [] });
});
