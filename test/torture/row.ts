import type { RowContext } from "./context.ts";

/** One fault that the agent must survive. */
export interface Row {
  /** Lower case with hyphens, at most 21 characters; alone in the table. */
  readonly name: string;
  /** What is done to the agent, in one clause: "kill -9 ten times in a storm". */
  readonly fault: string;
  /** Why it cannot run on this machine; `null` when it can. Real kills are asked for already. */
  readonly whyNot?: () => string | null;
  /** Makes the fault and the kills. What the context made is removed afterwards, also when this throws. */
  readonly run: (context: RowContext) => Promise<Outcome>;
}

/** Records held against the truth of the parents that waited for their children. */
export interface Figures {
  readonly killsTrue: number;
  /** Records of these kills, doubles included. */
  readonly recorded: number;
  /** Second, third … records of one kill. */
  readonly doubled: number;
  /** Records of a kill that nobody made. */
  readonly invented: number;
  /** Kills without a record. */
  readonly lost: number;
}

export interface Outcome extends Figures {
  /** The agent's own balance at the end; `null` where the kernel keeps no book. Anything but 0 is a failure. */
  readonly unaccounted: number | null;
  /** From the end of the fault until the last kill had its record; `null` when that never came. */
  readonly recoveredAfterMilliseconds: number | null;
  /** What the operator could read about it: states of sources, lines of the agent. */
  readonly told: string;
  /** What else was wrong, one sentence each; empty when the row is right. */
  readonly complaints: readonly string[];
}

export type Result =
  | { readonly kind: "ran"; readonly row: Row; readonly outcome: Outcome; readonly seconds: number }
  | { readonly kind: "skipped"; readonly row: Row; readonly reason: string }
  | { readonly kind: "broken"; readonly row: Row; readonly error: string };

/** Everything that is wrong with a result, one sentence each; empty when it is right or was skipped. */
export function complaintsOf(result: Result): readonly string[] {
  if (result.kind === "skipped") return [];
  if (result.kind === "broken") return [result.error];
  const { doubled, invented, lost, unaccounted, recoveredAfterMilliseconds } = result.outcome;
  const found: string[] = [];
  if (doubled > 0) found.push(`${doubled} records too many of kills that have one`);
  if (invented > 0) found.push(`${invented} records of kills that nobody made`);
  if (lost > 0) found.push(`${lost} kills have no record`);
  if ((unaccounted ?? 0) !== 0) found.push(`the agent's balance is ${unaccounted}, not 0`);
  if (recoveredAfterMilliseconds === null) found.push("it never had a record of each kill");
  return [...found, ...result.outcome.complaints];
}
