import type { Advice, Confidence, Finding } from "../model/explanation.ts";
import type { Story } from "./story.ts";
import { clean, sentence } from "./words.ts";

/** What a rule says, without its own name. */
export interface Told {
  readonly findings: readonly Omit<Finding, "rule">[];
  readonly advice: readonly Omit<Advice, "rule">[];
}

/** One reason, one file in `rules/`: it looks at the story only, and keeps silent (`null`) when it has nothing to say. */
export interface Rule {
  /** Its file's name. */
  readonly name: string;
  tell(story: Story): Told | null;
}

const EVIDENCE_LIMIT = 300;

/** A finding: who says so decides the confidence. */
export function finding(
  confidence: Confidence,
  text: string,
  evidence: readonly string[],
): Omit<Finding, "rule"> {
  return {
    confidence,
    sentence: sentence(text),
    evidence: evidence.map((line) => clean(line, EVIDENCE_LIMIT)),
  };
}

export function advice(text: string, reason: string): Omit<Advice, "rule"> {
  return { sentence: sentence(text), reason: sentence(reason) };
}

/** Findings and advice of one rule. */
export function told(
  findings: readonly (Omit<Finding, "rule"> | null)[],
  advices: readonly (Omit<Advice, "rule"> | null)[] = [],
): Told | null {
  const found = findings.filter((one) => one !== null);
  return found.length === 0
    ? null
    : { findings: found, advice: advices.filter((one) => one !== null) };
}
