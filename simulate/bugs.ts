import type { Observation } from "../src/model/observation.ts";

/** A mistake somebody could make, planted between the sources and the ledger or the agent and its disk; tests only. */
export interface Bug {
  readonly name: string;
  /** Makes observations wrong on their way to the ledger. */
  readonly observed?: (observations: readonly Observation[], now: number) => readonly Observation[];
  /** Makes wrong what is written; `before` is what the file held. `""` writes nothing. */
  readonly written?: (path: string, text: string, before: string | undefined) => string;
}
