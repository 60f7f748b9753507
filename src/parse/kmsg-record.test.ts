import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { KmsgDecoder, MAX_LINE_CHARACTERS, parseKmsgLine } from "./kmsg-record.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

it("reads a record", () => {
  assert.deepEqual(parseKmsgLine("3,448,2931512,-;Memory cgroup out; of memory"), {
    priority: 3,
    facility: 0,
    level: 3,
    sequence: 448,
    timestampMicroseconds: 2_931_512,
    flags: "-",
    caller: null,
    text: "Memory cgroup out; of memory",
  });
});

it("reads the facility, the flag of a piece and the caller", () => {
  const record = parseKmsgLine("12,7,8,c,caller=T66;x");
  assert.deepEqual(
    [record?.facility, record?.level, record?.flags, record?.caller],
    [1, 4, "c", "T66"],
  );
  assert.equal(parseKmsgLine("4,9,9,c;")?.text, "");
});

it("unescapes to text: newlines, backslashes, UTF-8; what is not UTF-8 becomes U+FFFD", () => {
  const text = (escaped: string) => parseKmsgLine(`6,1,1,-;${escaped}`)?.text;
  assert.equal(text("a\\x0ab"), "a\nb");
  assert.equal(text("\\x5cx0a"), "\\x0a", "an escaped backslash begins no other escape");
  assert.equal(text("caf\\xc3\\xa9 \\xe2\\x82\\xac"), "café €");
  assert.equal(text("\\xff\\xfe"), "\ufffd\ufffd");
  assert.equal(text("\\xef\\xbb\\xbfx"), "\ufeffx");
  assert.equal(text("\\xZZ \\x1"), "\\xZZ \\x1");
});

it("lines that are no records are counted, dictionaries and empty lines are not", () => {
  const decoder = new KmsgDecoder();
  const log =
    "6,1,1,-;a\n SUBSYSTEM=acpi\n DEVICE=+x;y\n\nrubbish\n6,x,1,-;b\n6,2,-;c\n6,3,3,-;d\n";
  const texts = decoder.push(bytes(log)).map((record) => record.text);
  assert.deepEqual(texts, ["a", "d"]);
  assert.equal(decoder.dropped, 3);
});

it("a line without end takes no memory and hides nothing behind it", () => {
  const decoder = new KmsgDecoder();
  for (let chunk = 0; chunk < 100; chunk++) decoder.push(bytes("x".repeat(4096)));
  assert.equal(decoder.dropped, 1);
  assert.deepEqual(decoder.push(bytes("tail\n6,1,1,-;a\n")).length, 1);
  const long = `6,2,2,-;${"y".repeat(MAX_LINE_CHARACTERS)}\n6,3,3,-;b\n`;
  assert.deepEqual(
    decoder.push(bytes(long)).map((record) => record.sequence),
    [3],
  );
  assert.equal(decoder.dropped, 2);
});

it("records do not depend on where the chunks are cut", () => {
  const log = bytes("6,1,1,-;é\\xc3\\xa9\n KEY=v\n4,2,2,c;\n6,3,3,-;x\n");
  const whole = new KmsgDecoder().push(log);
  assert.equal(whole.length, 3);
  const law = fc.property(fc.nat(log.length), fc.nat(log.length), (a, b) => {
    const [first, second] = [Math.min(a, b), Math.max(a, b)];
    const decoder = new KmsgDecoder();
    const parts = [log.subarray(0, first), log.subarray(first, second), log.subarray(second)];
    assert.deepEqual(
      parts.flatMap((part) => decoder.push(part)),
      whole,
    );
  });
  fc.assert(law, { seed: 20261120 });
});
