import type { Story } from "./story.ts";

/** Hardly anything is free on all nodes together: no part of the machine could have helped. */
const LITTLE = 0.1;

/**
 * How sure it is that the whole machine ran out. The kernel writes "Out of memory: Killed process" also when only the
 * nodes of a cpuset or a memory policy did; `constraint=` in its summary tells them apart (5.0+). `null`: it may be either.
 */
export function machineRanOut(story: Story): "certain" | "likely" | null {
  const { constraint, report, anatomy } = story;
  if (constraint !== "none") return null;
  if (report === null || report.printedConstraint === "none") return "certain";
  const free = anatomy?.of === "node" ? anatomy.freeBytes : null;
  return anatomy !== null && free !== null && free < anatomy.totalBytes * LITTLE ? "likely" : null;
}
