import type { SeriesCount } from "./sink.ts";

/** Scrapes that make a regular scraper, and in how many seconds. */
const REGULAR_SCRAPES = 3;
const REGULAR_SECONDS = 300;
/** Scrapers told apart; one more forgets the one that was not seen longest. */
const SCRAPER_LIMIT = 4;

/**
 * Somebody who reads the metrics. A counter that one who comes regularly never saw is 0 once, whatever it has come to:
 * Prometheus takes the first value it sees of a series as what was always there, and `increase()` would miss it.
 */
export class Scraper {
  #scrapes: readonly number[] = [];
  #regular = false;
  /** Labels that it saw, of each family. */
  readonly #seen = new WeakMap<object, WeakSet<object>>();

  get lastSeconds(): number {
    return this.#scrapes.at(-1) ?? 0;
  }

  comes(nowSeconds: number): void {
    const first = this.#scrapes.at(-REGULAR_SCRAPES);
    this.#regular = first !== undefined && nowSeconds - first <= REGULAR_SECONDS;
    this.#scrapes = [...this.#scrapes, nowSeconds].slice(-REGULAR_SCRAPES);
  }

  /** `family`: any object that stands for it. Asked once a scrape for each series that is printed. */
  holdsAtZero(family: object, { labels, continued = false }: SeriesCount): boolean {
    const seen = this.#seenOf(family);
    if (seen.has(labels)) return false;
    seen.add(labels);
    return this.#regular && !continued;
  }

  #seenOf(family: object): WeakSet<object> {
    const known = this.#seen.get(family);
    if (known !== undefined) return known;
    const seen = new WeakSet<object>();
    this.#seen.set(family, seen);
    return seen;
  }
}

/** Readers told apart by what they are called, bounded. */
export class Scrapers {
  readonly #byName = new Map<string, Scraper>();

  /** Somebody reads now (seconds of any clock). */
  comes(name: string, nowSeconds: number): Scraper {
    const scraper = this.#byName.get(name) ?? new Scraper();
    scraper.comes(nowSeconds);
    this.#byName.set(name, scraper);
    if (this.#byName.size > SCRAPER_LIMIT) this.#forgetOne();
    return scraper;
  }

  #forgetOne(): void {
    const all = [...this.#byName].toSorted(
      ([, left], [, right]) => left.lastSeconds - right.lastSeconds,
    );
    const [oldest] = all;
    if (oldest !== undefined) this.#byName.delete(oldest[0]);
  }
}
