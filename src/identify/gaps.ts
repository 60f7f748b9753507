import type { RuntimeSourceName } from "../model/container.ts";

/** A time (µs, monotonic) in which a source could not be heard; `to` is `null` while it lasts. */
interface Gap {
  readonly from: number;
  readonly to: number | null;
}

export type GapsState = readonly {
  readonly source: RuntimeSourceName;
  readonly gaps: readonly Gap[];
}[];

/** Of each source; a daemon that goes more often than this in the time a kill is remembered tells us little anyway. */
const KEPT = 32;

/** When which source could be heard. What none of its sources could tell of, a container may have done meanwhile. */
export class Gaps {
  readonly #gaps = new Map<RuntimeSourceName, readonly Gap[]>();
  /** Sources that have told all that they have, at least once. */
  readonly #listed = new Set<RuntimeSourceName>();

  constructor(state: GapsState) {
    for (const { source, gaps } of state) this.#gaps.set(source, gaps);
  }

  state(): GapsState {
    return [...this.#gaps].map(([source, gaps]) => ({ source, gaps }));
  }

  /** The source cannot be heard from `at` on. */
  begin(source: RuntimeSourceName, at: number): void {
    const gaps = this.#gaps.get(source) ?? [];
    if (!this.isDeaf(source))
      this.#gaps.set(source, [...gaps, { from: at, to: null }].slice(-KEPT));
  }

  /** It told all that it has. True when it could not be heard before. */
  end(source: RuntimeSourceName, at: number): boolean {
    this.#listed.add(source);
    if (!this.isDeaf(source)) return false;
    const close = (gap: Gap) => (gap.to === null ? { ...gap, to: at } : gap);
    this.#gaps.set(source, (this.#gaps.get(source) ?? []).map(close));
    return true;
  }

  /** It is here and can be heard now. */
  isUp(source: RuntimeSourceName): boolean {
    return this.#listed.has(source) && !this.isDeaf(source);
  }

  isDeaf(source: RuntimeSourceName): boolean {
    return this.#gaps.get(source)?.at(-1)?.to === null;
  }

  /** Whether one of the sources could be heard all the time from `from` to `to`. */
  isHeard(sources: readonly RuntimeSourceName[], from: number, to: number): boolean {
    return sources.some((source) =>
      (this.#gaps.get(source) ?? []).every((gap) => gap.from > to || (gap.to ?? to) < from),
    );
  }
}
