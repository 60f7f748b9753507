import assert from "node:assert/strict";
import { test } from "node:test";
import { explainRecord } from "../explain/explain.ts";
import type { OutputRecord } from "../model/record.ts";
import { filtered } from "./filtered.ts";
import type { RecordFilter } from "./record-filter.ts";
import type { Sink } from "./sink.ts";
import {
  CONTAINER,
  exitRecord,
  killRecord,
  LEDGER,
  POD,
  SOURCE,
  USERSPACE_KILL,
} from "./testing/records.ts";

/** What a sink behind the filter is told: `k1.0` is kill 1, revision 0. */
function told(filter: RecordFilter, records: readonly OutputRecord[], asOpened = false): string {
  const words: string[] = [];
  const sink: Sink = {
    name: "test",
    accept: (entries) => {
      for (const { record } of entries) {
        const kill = record.type === "kill";
        words.push(kill ? `k${Number(record.id.slice(1))}.${record.revision}` : record.type);
      }
    },
    close: async () => undefined,
  };
  const narrow = filtered(sink, filter, { asOpened });
  records.forEach((record, index) => {
    narrow.accept([{ sequence: index + 1, record }]);
  });
  return words.join(" ");
}

const OWNED = { container: CONTAINER, pod: POD } as const;

test("without a filter everything comes", () => {
  const records = [killRecord(1), exitRecord(1), USERSPACE_KILL, LEDGER, SOURCE];
  assert.equal(told({}, records), "k1.0 exit userspace-kill ledger source");
});

test("only kills and exits of the owner, and what concerns the whole machine", () => {
  const other = { ...POD, name: "web-0" };
  const records = [
    killRecord(1, OWNED),
    killRecord(2),
    killRecord(3, { ...OWNED, pod: other }),
    exitRecord(1),
    exitRecord(2, { pod: other }),
    USERSPACE_KILL,
    LEDGER,
    SOURCE,
  ];
  assert.equal(told({ pod: "cart-0" }, records), "k1.0 exit ledger source");
  assert.equal(told({ namespace: "shop" }, records), "k1.0 k3.0 exit exit ledger source");
  assert.equal(
    told({ container: CONTAINER.id.slice(0, 12), pod: "web-0" }, records),
    "k3.0 exit ledger source",
  );
  assert.equal(told({ invisible: true }, records), "ledger source");
});

test("a kill whose owner is learned later comes then, and stays", () => {
  const records = [
    killRecord(1),
    killRecord(1, { ...OWNED, revision: 1 }),
    killRecord(1, { ...OWNED, revision: 2 }),
    killRecord(1, { revision: 3 }),
  ];
  assert.equal(told({ pod: "cart-0" }, records), "k1.1 k1.2 k1.3");
  assert.equal(told({ pod: "cart-0" }, records, true), "k1.0 k1.2 k1.3");
});

test("an invisible kill comes once that is settled", () => {
  const records = [
    killRecord(1, { visibility: "pending" }),
    killRecord(2, { visibility: "pending" }),
    killRecord(1, { visibility: "invisible", revision: 1 }),
    killRecord(2, { visibility: "visible", revision: 1 }),
    exitRecord(3),
  ];
  assert.equal(told({ invisible: true }, records), "k1.1");
});

test("why a kill happened is told of the kills that were let through", () => {
  const words: string[] = [];
  const sink: Sink = {
    name: "test",
    accept: () => undefined,
    explain: (stories) => void words.push(...stories.map(({ record }) => record.id)),
    close: async () => undefined,
  };
  const narrow = filtered(sink, { pod: "cart-0" }, { asOpened: false });
  const [ours, other] = [killRecord(1, OWNED), killRecord(2)];
  narrow.accept([ours, other].map((record, index) => ({ sequence: index + 1, record })));
  const stories = [ours, other].map((record) => ({
    record,
    explanation: explainRecord(record, null),
  }));
  narrow.explain?.(stories);
  assert.deepEqual(words, [ours.id]);
});
