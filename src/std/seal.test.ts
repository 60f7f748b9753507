import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seal, unseal } from "./seal.ts";

test("law: a sealed text gives its body back and is JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const body = JSON.stringify(value);
      const text = seal(body);
      assert.equal(unseal(text), body);
      assert.deepEqual(JSON.parse(text), { ...JSON.parse(text), v: 2, body: JSON.parse(body) });
      assert.doesNotMatch(text, /[\r\n]/);
    }),
  );
});

test("law: one changed bit anywhere, or a missing end, is found", () => {
  const bytes = Buffer.from(seal('{"comm":"häg","n":1}'));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(unseal(changed.toString("utf8")), null, `bit ${bit}`);
  }
  for (let end = 0; end < bytes.length; end += 1) {
    assert.equal(unseal(bytes.subarray(0, end).toString("utf8")), null);
  }
});
