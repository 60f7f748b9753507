import assert from "node:assert/strict";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type HttpSink, startHttp } from "./http.ts";
import type { EventLimits } from "./http-events.ts";
import type { StreamRecord } from "./sink.ts";
import { createStore, STORE_FILE, type Store } from "./store.ts";
import type { RecordLog } from "./store-read.ts";
import { NO_TEXTS } from "./store-texts.ts";
import { ask, type EventReader, readEvents, type SeenEvent } from "./testing/http-client.ts";
import {
  agentView,
  killStream,
  mixedRecord,
  realClock,
  temporaryDirectory,
} from "./testing/records.ts";

interface Agent {
  readonly sink: HttpSink;
  readonly store: Store;
  readonly url: string;
  /** Tells records to both sinks, as the agent does. */
  tell(records: readonly StreamRecord[]): void;
}

async function withAgent(
  limits: Partial<EventLimits>,
  work: (agent: Agent) => Promise<void>,
  wrapLog: (store: Store) => RecordLog = (store) => store,
): Promise<void> {
  const directory = temporaryDirectory();
  const file = path.join(directory.path, STORE_FILE);
  const store = createStore({ path: file, clock: realClock, report: assert.fail });
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView(),
    log: wrapLog(store),
    clock: realClock,
    report: assert.fail,
    eventLimits: limits,
  });
  const tell = (records: readonly StreamRecord[]): void => {
    sink.accept(records);
    store.accept(records);
  };
  try {
    await work({ sink, store, url: `${sink.url}/api/v1/events`, tell });
  } finally {
    await sink.close();
    await store.close();
    directory.remove();
  }
}

function mixedStream(first: number, last: number): StreamRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    sequence: first + index,
    record: mixedRecord(first + index),
  }));
}

function idsOf(events: readonly SeenEvent[]): (number | null)[] {
  return events.map(({ id }) => id);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

test("a new reader gets what happens from now on: id, event, data", () =>
  withAgent({}, async ({ url, tell }) => {
    tell(mixedStream(1, 4));
    const reader = await readEvents(url);
    await new Promise((resolve) => setTimeout(resolve, 50));
    tell(mixedStream(5, 7));
    await reader.until(() => reader.events.length === 3);
    assert.deepEqual(
      reader.events.map(({ id, event }) => [id, event]),
      [
        [5, "ledger"],
        [6, "kill"],
        [7, "source"],
      ],
    );
    assert.deepEqual(JSON.parse(reader.events[1]?.data ?? ""), mixedRecord(6));
    reader.close();
  }));

test("a reader cut before its first event resumes where it came in", () =>
  withAgent({}, async ({ url, tell }) => {
    tell(mixedStream(1, 4));
    const first = await readEvents(url);
    await first.until(() => first.lastEventId() !== null);
    first.close();
    tell(mixedStream(5, 6));
    const second = await readEvents(url, first.lastEventId());
    await second.until(() => second.events.length === 2);
    assert.deepEqual(idsOf(second.events), [5, 6]);
    second.close();
  }));

test("the header wins over ?after=, and after=0 replays everything that is kept", () =>
  withAgent({ ringRecords: 10 }, async ({ url, tell }) => {
    tell(mixedStream(1, 1_000));
    const all = await readEvents(`${url}?after=0`);
    const resumed = await readEvents(`${url}?after=0`, "990");
    await all.until(() => all.events.length === 1_000);
    await resumed.until(() => resumed.events.length === 10);
    assert.deepEqual(idsOf(all.events), range(1, 1_000));
    assert.deepEqual(idsOf(resumed.events), range(991, 1_000));
    all.close();
    resumed.close();
  }));

test("law: whatever the disconnects, a reader that resumes sees every sequence exactly once, in order", async () => {
  const disconnects = fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 });
  const batches = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 5, maxLength: 25 });
  const ring = fc.constantFrom(1, 7, 50, 1_000);
  await fc.assert(
    fc.asyncProperty(disconnects, batches, ring, async (cuts, sizes, ringRecords) => {
      await withAgent({ ringRecords }, async ({ url, tell }) => {
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const telling = tellSlowly(tell, sizes);
        assert.deepEqual(await followWithCuts(url, cuts, total), range(1, total));
        await telling;
      });
    }),
    { numRuns: 25 },
  );
});

async function tellSlowly(tell: Agent["tell"], sizes: readonly number[]): Promise<void> {
  let next = 1;
  for (const size of sizes) {
    tell(mixedStream(next, next + size - 1));
    next += size;
    if (size % 3 === 0) await new Promise((resolve) => setTimeout(resolve, size % 4));
  }
}

/** Reads from the beginning, disconnecting after so many events each time, until `total` were seen. */
async function followWithCuts(url: string, cuts: readonly number[], total: number) {
  const seen: SeenEvent[] = [];
  let last: string | null = "0";
  for (let turn = 0; seen.length < total; turn += 1) {
    const wanted = Math.min(cuts[turn] ?? total, total - seen.length);
    const reader: EventReader = await readEvents(url, last);
    await reader.until(() => reader.events.length >= wanted);
    // What arrived after the cut was never handled: the id of the last handled event counts.
    seen.push(...reader.events.slice(0, wanted));
    last = String(seen.at(-1)?.id);
    reader.close();
  }
  return idsOf(seen);
}

test("the step from catching up to live is without a seam, wherever the last page ends", async () => {
  for (const total of [198, 199, 200, 201, 399, 402]) {
    await withAgent({ ringRecords: 1 }, async ({ url, tell }) => {
      tell(mixedStream(1, total));
      const reader = await readEvents(`${url}?after=0`);
      await reader.until(() => reader.events.length >= total - 3);
      await new Promise((resolve) => setTimeout(resolve, 30));
      tell(mixedStream(total + 1, total + 2));
      await reader.until(() => reader.events.at(-1)?.id === total + 2);
      assert.deepEqual(idsOf(reader.events), range(1, total + 2));
      reader.close();
    });
  }
});

test("a record told twice reaches a live reader once", () =>
  withAgent({}, async ({ url, tell }) => {
    const reader = await readEvents(url);
    await reader.until(() => reader.lastEventId() !== null);
    tell(mixedStream(1, 4));
    tell(mixedStream(3, 6));
    await reader.until(() => reader.events.at(-1)?.id === 6);
    assert.deepEqual(idsOf(reader.events), range(1, 6));
    reader.close();
  }));

test("what is no longer kept is said, not skipped", () =>
  withAgent(
    { ringRecords: 5 },
    async ({ url, tell }) => {
      tell(mixedStream(1, 30));
      const reader = await readEvents(`${url}?after=2`);
      await reader.until(() => reader.events.at(-1)?.id === 30);
      assert.equal(reader.events[0]?.event, "gap");
      const gap = JSON.parse(reader.events[0]?.data ?? "");
      assert.deepEqual(gap, { type: "gap", from: 3, to: gap.to });
      assert.deepEqual(idsOf(reader.events.slice(1)), range(gap.to + 1, 30));
      reader.close();
    },
    (store) => ({ ...memoryOnly, lastSequence: () => store.lastSequence() }),
  ));

const memoryOnly: RecordLog = {
  kills: () => ({ items: [], next: null }),
  kill: () => ({ kind: "none" }),
  exits: () => ({ items: [], next: null }),
  killTexts: () => NO_TEXTS,
  exitTexts: () => NO_TEXTS,
  explanation: () => null,
  eventsAfter: () => {
    throw new Error("the disk is gone");
  },
  lastSequence: () => 0,
};

test("a reader from a later stream than ours is told to start again", () =>
  withAgent({}, async ({ url, tell }) => {
    tell(mixedStream(1, 3));
    const reader = await readEvents(url, "900");
    await reader.until(() => reader.events.length === 1);
    tell(mixedStream(4, 4));
    await reader.until(() => reader.events.length === 2);
    assert.deepEqual(
      reader.events.map(({ id, event }) => [id, event]),
      [
        [3, "reset"],
        [4, "kill"],
      ],
    );
    reader.close();
  }));

test("readers beyond the limit get 503 and a place when one leaves", () =>
  withAgent({ clients: 3 }, async ({ url }) => {
    const readers = await Promise.all([readEvents(url), readEvents(url), readEvents(url)]);
    const refused = await ask(url);
    assert.equal(refused.status, 503);
    assert.match(refused.body, /too-many-readers/);
    assert.equal(refused.headers["retry-after"], "5");
    readers[0]?.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    readers.push(await readEvents(url));
    for (const reader of readers) reader.close();
  }));

test("heartbeats are comments and are no events", () =>
  withAgent({ heartbeatMilliseconds: 20 }, async ({ sink }) => {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(sink.port, "127.0.0.1");
      let received = "";
      socket.on("data", (bytes) => {
        received += bytes.toString();
        if (received.split("\n:\n\n").length < 4 && (received.match(/^:$/gm)?.length ?? 0) < 3)
          return;
        socket.destroy();
        resolve(received);
      });
      socket.on("error", reject);
      socket.write("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    assert.match(text, /content-type: text\/event-stream/i);
    assert.doesNotMatch(text, /^event:/m);
  }));

test("a slow reader is cut off and counted while a fast one gets everything, and telling stays quick", () =>
  withAgent({}, async ({ sink, url, tell }) => {
    const slow = net.connect(sink.port, "127.0.0.1");
    slow.on("error", () => undefined);
    slow.write("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await new Promise((resolve) => slow.once("data", resolve));
    slow.pause();
    const fast = await readEvents(url);
    await fast.until(() => fast.lastEventId() !== null);
    const total = 20_000;
    let slowestMilliseconds = 0;
    for (let first = 1; first <= total; first += 100) {
      const started = performance.now();
      tell(killStream(first, first + 99));
      slowestMilliseconds = Math.max(slowestMilliseconds, performance.now() - started);
      if (first % 1_000 === 1) await fast.until(() => fast.events.length >= first - 1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await fast.until(() => fast.events.length === total);
    assert.deepEqual(idsOf(fast.events), range(1, total));
    assert.deepEqual(sink.drops()[0], { what: "event-readers", count: 1 });
    assert.ok(slowestMilliseconds < 500, `${slowestMilliseconds} ms`);
    fast.close();
    slow.destroy();
  }));

test("a reader that catches up slowly is paced, not dropped, and ends up complete", () =>
  withAgent({ ringRecords: 50, bufferBytes: 65_536 }, async ({ sink, url, tell }) => {
    tell(killStream(1, 15_000));
    const reader = await readEvents(`${url}?after=0`);
    await reader.until(() => reader.events.length === 15_000);
    assert.deepEqual(idsOf(reader.events), range(1, 15_000));
    assert.deepEqual(sink.drops()[0], { what: "event-readers", count: 0 });
    reader.close();
  }));

test("closing ends every stream", () =>
  withAgent({}, async ({ sink, url }) => {
    const reader = await readEvents(url);
    await sink.close();
    await reader.closed;
    await assert.rejects(readEvents(url));
  }));
