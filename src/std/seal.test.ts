import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findSealed, seal, unseal } from "./seal.ts";

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

test("whole texts are found between noise, broken ones are not", () => {
  const [first, second, third] = ['{"a":1}', '{"b":"ü"}', "[3]"].map((body) => seal(body));
  const broken = `${second}`.replace('"b"', '"c"');
  const noise = Buffer.from([0, 255, 1, 254]);
  const file = Buffer.concat([
    noise,
    Buffer.from(`${first}${broken}`),
    noise,
    Buffer.from(`{"v":2,"crc":"${third}${second}`),
  ]);
  assert.deepEqual(findSealed(file), ['{"a":1}', "[3]", '{"b":"ü"}']);
  assert.deepEqual(findSealed(new Uint8Array()), []);
});
