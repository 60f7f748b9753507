/** Cost of the ways out: writing and listing the store, a scrape of 10,000 series, 64 readers of the stream. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startHttp } from "../src/sinks/http.ts";
import { createMetricsRenderer } from "../src/sinks/prometheus.ts";
import { createStore, STORE_FILE } from "../src/sinks/store.ts";
import { openStoreReader } from "../src/sinks/store-read.ts";
import { readEvents } from "../src/sinks/testing/http-client.ts";
import {
  agentView,
  EMPTY_METRICS,
  killStream,
  realClock,
  temporaryDirectory,
} from "../src/sinks/testing/records.ts";

const KILLS = 100_000;
const BATCH = 100;
const SERIES = 10_000;
const READERS = 64;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Median and worst of a list of ms, as text. */
function spread(milliseconds: readonly number[]): string {
  const sorted = milliseconds.toSorted((left, right) => left - right);
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`;
}

function benchStore(file: string): void {
  const store = createStore({ path: file, clock: realClock, report: say });
  const batches: number[] = [];
  const accepts: number[] = [];
  for (let first = 1; first <= KILLS; first += BATCH) {
    const records = killStream(first, first + BATCH - 1);
    accepts.push(timed(() => store.accept(records)));
    batches.push(timed(() => store.flush()));
  }
  say(`store accept of ${BATCH} kills (hot path): ${spread(accepts)}`);
  say(`store write of ${BATCH} kills: ${spread(batches)}`);
  void store.close();
}

function benchReader(file: string): void {
  const reader = openStoreReader(file);
  const lists: number[] = [];
  const finds: number[] = [];
  let cursor: string | null = null;
  for (let turn = 0; turn < 100; turn += 1) {
    lists.push(
      timed(() => {
        cursor = reader.kills({ since: null, until: null, limit: 100, cursor }).next;
      }),
    );
    finds.push(timed(() => reader.kill(`k${String(turn * 997).padStart(8, "0")}`)));
  }
  say(`list 100 of ${KILLS} kills, page after page: ${spread(lists)}`);
  say(`show one of ${KILLS} kills: ${spread(finds)}`);
  reader.close();
}

function benchScrape(): void {
  const kills = Array.from({ length: SERIES }, (_, index) => ({
    labels: { namespace: "shop", pod: `cart-${index}`, container: "api", scope: "container" },
    value: index,
  }));
  const view = agentView({ metrics: () => ({ ...EMPTY_METRICS, kills }) });
  const renderer = createMetricsRenderer(view);
  const renders: number[] = [];
  let bytes = 0;
  for (let turn = 0; turn < 50; turn += 1) {
    renders.push(
      timed(() => {
        bytes = 0;
        for (const piece of renderer.render([])) bytes += piece.length;
      }),
    );
  }
  say(`render ${SERIES} series, ${bytes} bytes, first (no cache): ${renders[0]?.toFixed(2)} ms`);
  say(`render ${SERIES} series again: ${spread(renders.slice(1))}`);
}

async function benchReaders(): Promise<void> {
  const sink = await startHttp({
    address: "127.0.0.1",
    port: 0,
    view: agentView(),
    log: null,
    clock: realClock,
    report: say,
  });
  const url = `${sink.url}/api/v1/events`;
  const readers = await Promise.all(Array.from({ length: READERS }, () => readEvents(url)));
  await sleep(200);
  const tells: number[] = [];
  for (let first = 1; first <= 1_000; first += 10) {
    tells.push(timed(() => sink.accept(killStream(first, first + 9))));
    await sleep(5);
  }
  await Promise.all(readers.map((reader) => reader.until(() => reader.events.length === 1_000)));
  say(`tell 10 kills to ${READERS} readers: ${spread(tells)}`);
  for (const reader of readers) reader.close();
  await sink.close();
}

const directory = temporaryDirectory();
const file = path.join(directory.path, STORE_FILE);
try {
  benchStore(file);
  benchReader(file);
  benchScrape();
  await benchReaders();
} finally {
  directory.remove();
}
