/** A test that did not run, and why. */
export interface Skip {
  readonly name: string;
  readonly file: string;
  readonly reason: string;
}

export interface Failure {
  readonly name: string;
  readonly file: string;
  readonly detail: string;
}

/** What came out of one or more runs. */
export interface Tally {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
}

export const EMPTY: Tally = { passed: 0, failures: [], skips: [] };

export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, tally) => total + tally.passed, 0),
    failures: tallies.flatMap((tally) => tally.failures),
    skips: tallies.flatMap((tally) => tally.skips),
  };
}
