import type { Ledger } from "../ledger/ledger.ts";
import type { Identification } from "./identification.ts";
import type { Checkpoint } from "./journal.ts";
import type { Metrics } from "./metrics.ts";

/** The books as they were left; `sameBoot` is the checkpoint when it is of this boot. */
export interface RestoredBooks {
  readonly sameBoot: Checkpoint | null;
  readonly metrics: Metrics;
  readonly identification: Identification;
  readonly ledger: Ledger;
}

/**
 * What is on disk must not stop the start: state that is whole and of the right shape, but that the books do not take, is set
 * aside as a whole, and new books begin.
 */
export function restore<State, Books>(
  state: State | null,
  open: (state: State | null) => Books,
  refused: (error: unknown) => void,
): Books {
  if (state !== null) {
    try {
      return open(state);
    } catch (error) {
      refused(error);
    }
  }
  return open(null);
}

/** Does `work` for each of them; those that fail are left out. A clause about the failures, or `null` when all went well. */
export function eachOf<T>(items: readonly T[], work: (item: T) => void): string | null {
  let failures = 0;
  let first = "";
  for (const item of items) {
    try {
      work(item);
    } catch (error) {
      failures += 1;
      first ||= error instanceof Error ? error.message : String(error);
    }
  }
  return failures === 0 ? null : `${failures} of ${items.length} failed (the first: ${first})`;
}
