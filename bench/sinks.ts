/** Cost of the ways out: writing and listing the store, a scrape of 10,000 series, 48 readers of the stream. */
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
import { median, quantile, say } from "./support/figures.ts";

const KILLS = 100_000;
const BATCH = 100;
const SERIES = 10_000;
const READERS = 48;

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function sayTimes(name: string, milliseconds: readonly number[]): void {
  say(`${name}_median`, median(milliseconds), "ms");
  say(`${name}_p99`, quantile(milliseconds, 0.99), "ms");
  say(`${name}_worst`, quantile(milliseconds, 1), "ms");
}

function complain(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

function benchStore(file: string): void {
  const store = createStore({ path: file, clock: realClock, report: complain });
  const batches: number[] = [];
  const accepts: number[] = [];
  for (let first = 1; first <= KILLS; first += BATCH) {
    const records = killStream(first, first + BATCH - 1);
    accepts.push(timed(() => store.accept(records)));
    batches.push(timed(() => store.flush()));
  }
  sayTimes(`store_accept_${BATCH}_kills`, accepts);
  sayTimes(`store_write_${BATCH}_kills`, batches);
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
  sayTimes(`list_100_of_${KILLS}_kills`, lists);
  sayTimes(`show_1_of_${KILLS}_kills`, finds);
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
        for (const piece of renderer.render([], 0)) bytes += piece.length;
      }),
    );
  }
  say(`scrape_${SERIES}_series_size`, bytes, "bytes");
  say(`scrape_${SERIES}_series_first`, renders[0] ?? Number.NaN, "ms");
  sayTimes(`scrape_${SERIES}_series_again`, renders.slice(1));
}

async function benchReaders(): Promise<void> {
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView(),
    log: null,
    clock: realClock,
    report: complain,
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
  sayTimes(`tell_10_kills_to_${READERS}_readers`, tells);
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
