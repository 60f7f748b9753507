import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JsonElements } from "./json-elements.ts";

function elementsOf(text: string, cut: number, limit = 1_000_000) {
  const bytes = new TextEncoder().encode(text);
  const list = new JsonElements(limit);
  const found: unknown[] = [];
  for (let at = 0; at < bytes.length; at += cut) {
    for (const element of list.read(bytes.subarray(at, at + cut))) {
      found.push(JSON.parse(new TextDecoder().decode(element)));
    }
  }
  return { found, isWhole: list.isWhole, dropped: list.dropped };
}

test("law: a list of anything, cut anywhere, comes out as its elements", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 40 }), (list, cut) => {
      const expected: unknown = JSON.parse(JSON.stringify(list));
      const { found, isWhole } = elementsOf(JSON.stringify(list, null, cut % 3), cut);
      assert.deepEqual(found, expected);
      assert.ok(isWhole);
    }),
  );
});

test("an element beyond the bound is left out and counted, the others are not", () => {
  const list = JSON.stringify([1, "x".repeat(100), { a: "]," }]);
  for (const cut of [1, 7, 1000]) {
    assert.deepEqual(elementsOf(list, cut, 20), {
      found: [1, { a: "]," }],
      isWhole: true,
      dropped: 1,
    });
  }
});

test("what is no list, or has no end, is not whole", () => {
  for (const text of ['{"message":"no"}', "", "null", "[1, 2", '["]']) {
    assert.equal(elementsOf(text, 3).isWhole, false);
  }
});
