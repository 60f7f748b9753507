import type { KillRecord } from "./record.ts";

/** How sure a finding is: the kernel said it; it follows from what the kernel said; it fits what the kernel said. */
export type Confidence = "certain" | "likely" | "possible";

/** What a rule found. Sentences are plain text of at most 200 characters with names cleaned of control characters. */
export interface Finding {
  /** Name of the rule: its file in src/explain/rules. */
  readonly rule: string;
  readonly confidence: Confidence;
  /** One sentence that stands alone: `The limit of the container was hit: 20.0 MiB of 20.0 MiB.` */
  readonly sentence: string;
  /** What it rests on: a line of the log, a value, a rule of the kernel. */
  readonly evidence: readonly string[];
}

/** What to do: an imperative sentence, and why it follows. */
export interface Advice {
  readonly rule: string;
  readonly sentence: string;
  readonly reason: string;
}

export interface RankedTask {
  readonly pid: number;
  readonly comm: string;
  /** The kernel's own measure, recomputed: pages; `null` when its formula for that kernel is not known. */
  readonly badness: number | null;
  readonly rssBytes: number;
  readonly swapBytes: number | null;
  readonly oomScoreAdj: number | null;
  readonly victim: boolean;
  readonly trigger: boolean;
}

/** The whole story of one run of the OOM killer. */
export interface Explanation {
  /** One line for `watch`, a ticket's title, an alert: at most 120 characters. */
  readonly headline: string;
  /** What ran out, who asked, who held it, why this victim, what happened next; most important first. */
  readonly findings: readonly Finding[];
  readonly advice: readonly Advice[];
  /** Worst first, at most 20. */
  readonly ranking: readonly RankedTask[];
  /** Processes in the report's table in all; `null` when there was no table. */
  readonly taskCount: number | null;
  /** Whether the recomputed ranking names the kernel's victim; `null` when it cannot be told. */
  readonly rankingAgrees: boolean | null;
}

/**
 * A kill with its story, as `show`, `explain --json` and the API give it. A kill read from a text has an id made of the
 * text alone, and knows its machine and time only when the text does.
 */
export type ExplainedKill = Omit<KillRecord, "at" | "node" | "bootId"> & {
  readonly at: string | null;
  readonly node: string | null;
  readonly bootId: string | null;
  readonly explanation: Explanation | null;
};
