import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonLine } from "./json-line.ts";
import { createJsonLines } from "./json-lines.ts";
import { killRecord, killStream, mixedRecord } from "./testing/records.ts";

/** An output that takes `room` writes before it asks for a pause. */
function output(room: number) {
  const lines: string[] = [];
  let left = room;
  let drained: () => void = () => undefined;
  return {
    lines,
    write: (text: string) => {
      lines.push(...text.split("\n").slice(0, -1));
      left -= 1;
      return left > 0;
    },
    onDrain: (call: () => void) => {
      drained = call;
    },
    drain: () => {
      left = room;
      drained();
    },
  };
}

test("one record one line, in order", () => {
  const out = output(Number.POSITIVE_INFINITY);
  const sink = createJsonLines(out);
  sink.accept([1, 2, 5, 7].map((sequence) => ({ sequence, record: mixedRecord(sequence) })));
  assert.deepEqual(
    out.lines.map((line) => JSON.parse(line)),
    [1, 2, 5, 7].map(mixedRecord),
  );
  assert.equal(sink.dropped(), 0);
});

test("law: whatever a process is called, its line is one line, printable, and says the same", () => {
  const names = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "\u2028",
      "\u2029",
      "\u0085",
      "\u009b31m",
      "\u202e",
      "\ud800",
      "\n{}\n",
      "\u0000",
      "\ufeff",
    ),
  );
  fc.assert(
    fc.property(names, (comm) => {
      const record = killRecord(1, { trigger: { pid: 1, comm } });
      const line = jsonLine(record);
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\ufeff]/);
      assert.ok(line.isWellFormed());
      assert.deepEqual(JSON.parse(line), record);
    }),
  );
});

test("a slow reader makes records wait, then drops and counts; what comes after the pause is in order", () => {
  const out = output(1);
  const sink = createJsonLines(out, 300);
  sink.accept(killStream(1, 1));
  sink.accept(killStream(2, 1_000));
  assert.equal(out.lines.length, 1);
  assert.equal(sink.dropped(), 699);
  out.drain();
  out.drain();
  assert.equal(out.lines.length, 301);
  sink.accept(killStream(1_001, 1_001));
  out.drain();
  assert.deepEqual(
    out.lines.map((line) => Number(JSON.parse(line).id.slice(1))),
    [...Array.from({ length: 301 }, (_, index) => index + 1), 1_001],
  );
});

test("closing hands over what waits", async () => {
  const out = output(1);
  const sink = createJsonLines(out);
  sink.accept(killStream(1, 500));
  assert.equal(out.lines.length, 200);
  await sink.close();
  assert.equal(out.lines.length, 500);
});
