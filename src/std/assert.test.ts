import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { AssertionFailure, assert, unreachable } from "./assert.ts";

test("assert lets the truth pass and names what failed", () => {
  assert(true, "never shown");
  throws(() => assert(false, "books balance"), {
    name: "AssertionFailure",
    message: "assertion failed: books balance",
  });
});

test("assert narrows the type", () => {
  const value: string | null = JSON.parse('"text"');
  assert(value !== null, "value is there");
  equal(value.length, 4);
});

test("a switch over a forged value fails, with the value shortened", () => {
  const name = (kind: "a" | "b"): string => {
    switch (kind) {
      case "a":
        return "first";
      case "b":
        return "second";
      default:
        return unreachable(kind);
    }
  };
  equal(name("b"), "second");
  throws(() => name(JSON.parse('"c"')), /unreachable value c$/);
  throws(
    () => name(JSON.parse(`"${"c".repeat(1000)}"`)),
    (error) => {
      return error instanceof AssertionFailure && error.message.length < 300;
    },
  );
});
