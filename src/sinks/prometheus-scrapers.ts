import type { SeriesCount } from "./sink.ts";

/** Who asks for the metrics. */
export interface Reader {
  /** Address and program, in any words. */
  readonly name: string;
  /** A program that scrapes, by what it says of itself; others are taken for one when they come regularly. */
  readonly scrapes: boolean;
}

/** Reads that make a regular reader, and in how many seconds. */
const REGULAR_READS = 3;
const REGULAR_SECONDS = 300;
/** A scraper that comes for the first time was here before under another address, unless the series is younger than this. */
const YOUNG_SECONDS = 60;
/** Readers told apart; one more forgets the one that was not seen longest. */
const READER_LIMIT = 4;

/** Labels that were printed to somebody, of each family (any object that stands for it), and when first. */
class Printed {
  readonly #families = new WeakMap<object, WeakMap<object, number>>();

  since(family: object, labels: object): number | undefined {
    return this.#families.get(family)?.get(labels);
  }

  add(family: object, labels: object, nowSeconds: number): void {
    const known = this.#families.get(family) ?? new WeakMap<object, number>();
    this.#families.set(family, known);
    if (!known.has(labels)) known.set(labels, nowSeconds);
  }
}

/** One reader while it reads. */
export interface Scrape {
  /** Whether 0 is printed in place of the value; asked once for each series that is printed. */
  holdsAtZero(family: object, series: SeriesCount): boolean;
}

interface Known {
  readonly printed: Printed;
  /** Of its last reads. */
  seconds: readonly number[];
}

/**
 * Prometheus takes the first value it sees of a series for what was always there, and `increase()` misses it. So whoever
 * scrapes sees a new counter at 0 once, whatever it has come to, and at its value from the next scrape on; but not one
 * that an earlier process printed, or that this scraper may have seen from another address.
 */
export class Scrapers {
  readonly #readers = new Map<string, Known>();
  /** To any scraper. */
  readonly #printed = new Printed();

  /** Somebody reads now (seconds of any clock). */
  reads({ name, scrapes }: Reader, nowSeconds: number): Scrape {
    const reader = this.#readers.get(name) ?? { printed: new Printed(), seconds: [] };
    const first = reader.seconds.at(-REGULAR_READS);
    const regular = first !== undefined && nowSeconds - first <= REGULAR_SECONDS;
    const returns = regular || (scrapes && reader.seconds.length > 0);
    reader.seconds = [...reader.seconds, nowSeconds].slice(-REGULAR_READS);
    this.#remember(name, reader);
    return {
      holdsAtZero: (family, { labels, continued = false, earlier = [] }) => {
        const isPrinted = (one: object) => reader.printed.since(family, one) !== undefined;
        if (isPrinted(labels)) return false;
        reader.printed.add(family, labels, nowSeconds);
        const since = this.#printed.since(family, labels) ?? nowSeconds;
        if (returns || scrapes) this.#printed.add(family, labels, nowSeconds);
        if (continued || earlier.some(isPrinted)) return false;
        return returns || (scrapes && nowSeconds - since < YOUNG_SECONDS);
      },
    };
  }

  #remember(name: string, reader: Known): void {
    this.#readers.delete(name);
    this.#readers.set(name, reader);
    const oldest = this.#readers.keys().next();
    if (this.#readers.size > READER_LIMIT && oldest.done !== true) {
      this.#readers.delete(oldest.value);
    }
  }
}
