import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import type { OomReport } from "../model/report.ts";
import { KmsgDecoder, type KmsgRecord } from "../parse/kmsg-record.ts";
import { manualClock } from "../sinks/testing/records.ts";
import { ReportFeed } from "./kernel-log-report-feed.ts";

const fixture = (name: string): KmsgRecord[] => {
  const url = new URL(`../../test/fixtures/reports/${name}.txt`, import.meta.url);
  return new KmsgDecoder().push(readFileSync(url));
};

function bench() {
  const clock = manualClock();
  const told: OomReport[] = [];
  const feed = new ReportFeed(clock, (reports) => void told.push(...reports));
  const take = (records: readonly KmsgRecord[]) => {
    for (const record of records) feed.take(record);
  };
  return { clock, told, feed, take };
}

it("a report is told when the log has fallen silent, not in its middle", () => {
  const { clock, told, take } = bench();
  const records = fixture("6.1-memcg");
  take(records.slice(0, 20));
  clock.advance(150);
  take(records.slice(20));
  clock.advance(150);
  assert.equal(told.length, 0);
  clock.advance(250);
  assert.equal(told.length, 1);
  assert.equal(told[0]?.kills.length, 1);
});

it("a log that is never silent is read within a second or so, and loses nothing", () => {
  const { clock, told, take } = bench();
  const records = fixture("6.1-supervisor");
  let seconds = 0;
  for (let index = 0; index < records.length; index += 10) {
    take(records.slice(index, index + 10));
    clock.advance(50);
    seconds += 0.05;
    if (seconds > 1.5) assert.ok(told.length > 0);
  }
  clock.advance(500);
  assert.equal(told.length, 13);
});

it("a flood is not put off, what does not concern it is not kept", () => {
  const { told, take, feed } = bench();
  const storm = fixture("6.1-supervisor");
  for (let round = 0; round < 4; round++) {
    const later = (record: KmsgRecord) => ({
      ...record,
      timestampMicroseconds: record.timestampMicroseconds + round * 60_000_000,
    });
    take(storm.map(later));
  }
  assert.ok(told.length >= 30, "without any time passing");
  feed.close();
  assert.equal(told.length, 52);
});

it("the end tells what was read so far", () => {
  const { told, take, feed } = bench();
  take(fixture("6.1-memcg"));
  feed.close();
  assert.equal(told.length, 1);
});
