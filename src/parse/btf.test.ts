import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { parseBtf } from "./btf.ts";

/** Words of 32 bits, little endian; a string is put into the table of strings and stands for its offset. */
function build(...types: readonly (number | string)[][]): Uint8Array {
  let strings = "\0";
  const offsetOf = (text: string) => {
    const offset = strings.length;
    strings += `${text}\0`;
    return offset;
  };
  const words = types.flat().map((word) => (typeof word === "number" ? word : offsetOf(word)));
  const bytes = new Uint8Array(24 + words.length * 4 + strings.length);
  const view = new DataView(bytes.buffer);
  const header = [0x0001eb9f, 24, 0, words.length * 4, words.length * 4, strings.length];
  [...header, ...words].forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  bytes.set(new TextEncoder().encode(strings), 24 + words.length * 4);
  return bytes;
}

const INT = (name: string) => [name, 0x01000000, 4, 32];
const STRUCT = (
  name: string | number,
  size: number,
  ...members: readonly (number | string)[][]
) => [name, 0x04000000 | members.length, size, ...members.flat()];

const SMALL = build(
  INT("int"),
  STRUCT(0, 8, ["inner", 1, 32]),
  ["name_of_2", 0x0a000000, 2],
  STRUCT("outer", 32, ["first", 1, 0], [0, 3, 64], ["bits", 1, 129]),
  ["colour", 0x06000002, 4, "red", 7, "green", 8],
);

test("members are found, also inside nameless structs behind a const", () => {
  const btf = parseBtf(SMALL);
  assert.equal(btf?.memberOffset("outer", "first"), 0);
  assert.equal(btf?.memberOffset("outer", "inner"), 12);
  assert.equal(btf?.enumValue("colour", "green"), 8);
});

test("what is not there, or lies between bytes, is null", () => {
  const btf = parseBtf(SMALL);
  assert.equal(btf?.memberOffset("outer", "bits"), null);
  assert.equal(btf?.memberOffset("outer", "firs"), null);
  assert.equal(btf?.memberOffset("oute", "first"), null);
  assert.equal(btf?.enumValue("colour", "blue"), null);
});

test("cut or damaged bytes never throw", () => {
  assert.equal(parseBtf(new Uint8Array(0)), null);
  for (let length = 0; length < SMALL.length; length++) {
    assert.equal(parseBtf(SMALL.slice(0, length)), null);
  }
  fc.assert(
    fc.property(fc.nat(SMALL.length - 1), fc.nat(255), (place, value) => {
      const bytes = SMALL.slice();
      bytes[place] = value;
      parseBtf(bytes)?.memberOffset("outer", "inner");
      parseBtf(bytes)?.enumValue("colour", "green");
    }),
    { seed: 5 },
  );
});

test("the running kernel's own types", (t) => {
  if (!existsSync("/sys/kernel/btf/vmlinux")) {
    t.skip("no /sys/kernel/btf/vmlinux: the kernel was built without CONFIG_DEBUG_INFO_BTF");
    return;
  }
  const btf = parseBtf(readFileSync("/sys/kernel/btf/vmlinux"));
  const pid = btf?.memberOffset("task_struct", "pid");
  assert.ok(pid !== null && pid !== undefined && pid > 0);
  assert.equal(btf?.memberOffset("task_struct", "tgid"), pid + 4);
  assert.equal(btf?.memberOffset("list_head", "prev"), 8);
  assert.ok((btf?.enumValue("cgroup_subsys_id", "memory_cgrp_id") ?? -1) > 0);
});
