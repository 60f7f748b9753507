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

/** What the memory that ran out consisted of, as far as the report prints it. */
export interface MemoryParts {
  /** A cgroup at its limit, or the whole machine. */
  readonly of: "cgroup" | "node";
  /** The cgroup's usage; the machine's usable memory. */
  readonly totalBytes: number;
  /** Largest first; they do not overlap, and may leave a rest. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
}

/** The whole story of one run of the OOM killer. */
export interface Explanation {
  /** One line for `watch`, a ticket's title, an alert: at most 120 characters. */
  readonly headline: string;
  /** What ran out, who asked, who held it, why this victim, what happened next; most important first. */
  readonly findings: readonly Finding[];
  readonly advice: readonly Advice[];
  /** `null` when the report has no figures. */
  readonly memory: MemoryParts | null;
  /** Worst first, at most 20; the victim is always among them. */
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
