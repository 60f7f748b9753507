import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { JournalDecoder } from "./kernel-log-journal.ts";

const entry = (fields: Record<string, unknown>) =>
  `${JSON.stringify({
    _TRANSPORT: "kernel",
    SYSLOG_FACILITY: "0",
    PRIORITY: "3",
    _SOURCE_MONOTONIC_TIMESTAMP: "500",
    ...fields,
  })}\n`;
const decode = (...lines: string[]) => {
  const decoder = new JournalDecoder();
  const records = decoder.push(new TextEncoder().encode(lines.join("")));
  return { records, dropped: decoder.dropped };
};

it("numbers lines by the kernel's time and a counter", () => {
  const { records } = decode(
    entry({ MESSAGE: "a" }),
    entry({ MESSAGE: "b" }),
    entry({ MESSAGE: ",task=x,pid=1,uid=0", _SOURCE_MONOTONIC_TIMESTAMP: "501" }),
  );
  assert.deepEqual(
    records.map(({ sequence, text, flags }) => [sequence, text, flags]),
    [
      [32_000, "a", "-"],
      [32_001, "b", "-"],
      [32_064, ",task=x,pid=1,uid=0", "c"],
    ],
  );
});

it("keeps the facility, so that lines of user space stay so, and reads messages given as bytes", () => {
  const { records } = decode(
    entry({ MESSAGE: "forged", SYSLOG_FACILITY: "1" }),
    entry({ MESSAGE: [104, 10, 255] }),
    entry({ MESSAGE: "syslog", _TRANSPORT: "syslog" }),
  );
  assert.deepEqual(
    records.map(({ facility, text }) => [facility, text]),
    [
      [1, "forged"],
      [0, "h\n\ufffd"],
    ],
  );
});

it("counts what is no JSON and never throws", () => {
  assert.deepEqual(decode("rubbish\n", "[]\n", "3\n", entry({ MESSAGE: null })), {
    records: [],
    dropped: 2,
  });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.json(), fc.string())),
      (lines) => void decode(lines.join("\n")),
    ),
    { seed: 20261120 },
  );
});
