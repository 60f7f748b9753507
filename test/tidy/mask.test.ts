import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { mask } from "./mask.ts";

const both = { comments: true, strings: true };

test("comments, strings, templates and patterns are blanked, code is not", () => {
  const rows: [string, string][] = [
    ["a // Date\nb", "a        \nb"],
    ["a /* Date\n */ b", "a        \n    b"],
    ['f("Date", x)', 'f("    ", x)'],
    ["f('it\\'s Date')", "f('          ')"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template is the point
    ["`Date ${Date} Date` Date", "`     ${Date}     ` Date"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template is the point
    ["`a${ { b: `c${d}` } }e` f", "` ${ { b: ` ${d}` } } ` f"],
    ['x = /Date "/; y', "x = /      /; y"],
    ['x = /[/"]/g; Date', "x = /    /g; Date"],
    ["a / b / Date", "a / b / Date"],
    ['"// no comment"; Date', '"             "; Date'],
  ];
  for (const [source, masked] of rows) assert.equal(mask(source, both), masked, source);
});

test("blanking nothing changes nothing, on every source of this repository", () => {
  const files = globSync("{src,test,scripts}/**/*.ts");
  assert.ok(files.length > 10);
  for (const file of files) {
    const source = readFileSync(file, "utf8");
    assert.equal(mask(source, { comments: false, strings: false }), source, file);
    assert.equal(mask(source, both).length, source.length, file);
  }
});
