/**
 * cgroup v2 `memory.events` and `memory.events.local` (facts 3.1). Linux 6.12, a container after one group kill:
 *
 *     low 0
 *     high 0
 *     max 129
 *     oom 2
 *     oom_kill 5
 *     oom_group_kill 1
 *
 * 5.10 ends at `oom_kill`; `oom_group_kill` came with 5.17, `sock_throttled` with ~6.19. The root cgroup has no such file.
 */
import { readCounterLine } from "./counter-line.ts";

/** Kills in one cgroup's book. */
export interface KillCounts {
  /** Processes killed by any OOM killer; the first victim of a group kill is counted twice (facts 0.1). */
  readonly oomKill: number;
  /** Group kills; `null` where the kernel has no such counter. */
  readonly oomGroupKill: number | null;
}

/** `null` when the text has no readable `oom_kill` line. Unknown keys are ignored. */
export function parseMemoryEvents(text: string): KillCounts | null {
  const oomKill = readCounterLine(text, "oom_kill");
  if (oomKill === null) return null;
  return { oomKill, oomGroupKill: readCounterLine(text, "oom_group_kill") };
}
