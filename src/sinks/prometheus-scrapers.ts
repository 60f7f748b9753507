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

/** What was printed of each series: its labels object, in each family (any object that stands for it). */
class Printed {
  readonly #families = new WeakMap<object, WeakMap<object, number>>();

  get(family: object, labels: object): number | undefined {
    return this.#families.get(family)?.get(labels);
  }

  set(family: object, labels: object, value: number): void {
    const known = this.#families.get(family) ?? new WeakMap<object, number>();
    this.#families.set(family, known);
    known.set(labels, value);
  }
}

/** One reader while it reads. */
export interface Scrape {
  /** What is printed of a counter: asked once for each series. */
  shown(family: object, series: SeriesCount): number;
}

interface Known {
  /** Values, as printed last. */
  readonly printed: Printed;
  /** Of its last reads. */
  seconds: readonly number[];
}

/**
 * Prometheus takes the first value it sees of a series for what was always there, and `increase()` misses it. So whoever
 * scrapes sees a new counter once at 0, or at what it saw of it last under other labels, and at its value from the next
 * scrape on; but not one that an earlier process printed, or that this scraper may have seen from another address.
 */
export class Scrapers {
  readonly #readers = new Map<string, Known>();
  /** Seconds when it was first printed to any scraper. */
  readonly #since = new Printed();

  /** Somebody reads now (seconds of any clock). */
  reads({ name, scrapes }: Reader, nowSeconds: number): Scrape {
    const { printed, ...reader } = this.#readers.get(name) ?? {
      printed: new Printed(),
      seconds: [],
    };
    const first = reader.seconds.at(-REGULAR_READS);
    const regular = first !== undefined && nowSeconds - first <= REGULAR_SECONDS;
    const returns = regular || (scrapes && reader.seconds.length > 0);
    const seconds = [...reader.seconds, nowSeconds].slice(-REGULAR_READS);
    this.#remember(name, { printed, seconds });
    const begins = (
      family: object,
      { labels, value, continued = false, earlier = [] }: SeriesCount,
    ) => {
      const since = this.#since.get(family, labels) ?? nowSeconds;
      if (returns || scrapes) this.#since.set(family, labels, since);
      const before = earlier.flatMap((one) => printed.get(family, one) ?? []).at(-1);
      if (before !== undefined) return Math.min(before, value);
      const holds = returns || (scrapes && nowSeconds - since < YOUNG_SECONDS);
      return holds && !continued ? 0 : value;
    };
    return {
      shown: (family, series) => {
        const isNew = printed.get(family, series.labels) === undefined;
        const value = isNew ? begins(family, series) : series.value;
        printed.set(family, series.labels, value);
        return value;
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
