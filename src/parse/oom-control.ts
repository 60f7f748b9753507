/**
 * cgroup v1 `memory.oom_control` (facts 3.2). Linux 6.18, a container after three kills:
 *
 *     oom_kill_disable 0
 *     under_oom 0
 *     oom_kill 3
 *
 * `oom_kill` came with 4.13. It counts this cgroup only, never its descendants, and is lost with it.
 */
import { readCounterLine } from "./counter-line.ts";

export interface OomControl {
  /** Kills of this cgroup's processes; `null` before Linux 4.13. */
  readonly oomKill: number | null;
  /** The OOM killer is switched off here: tasks hang instead of dying. */
  readonly oomKillDisabled: boolean;
  /** Tasks are waiting for memory right now. */
  readonly underOom: boolean;
}

/** `null` when the text is not a memory.oom_control file. */
export function parseOomControl(text: string): OomControl | null {
  const disabled = readCounterLine(text, "oom_kill_disable");
  if (disabled === null) return null;
  return {
    oomKill: readCounterLine(text, "oom_kill"),
    oomKillDisabled: disabled !== 0,
    underOom: readCounterLine(text, "under_oom") === 1,
  };
}
