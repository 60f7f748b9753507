/**
 * `/proc/vmstat`, the node's book (facts 2.1). Linux 6.18, some of its ~190 lines:
 *
 *     drop_slab 0
 *     oom_kill 4219
 *     numa_pte_updates 0
 *
 * Counts every kill of the OOM killer, memcg or global; the first victim of a group kill twice (facts 0.1). Since 4.13.
 */
import { readCounterLine } from "./counter-line.ts";

/** Kills since boot; `null` before Linux 4.13. */
export function parseVmstatOomKill(text: string): number | null {
  return readCounterLine(text, "oom_kill");
}
