/**
 * Until 5.1 (bbbe48029720) a child with memory of its own was killed in place of the process that was chosen:
 *
 *     Memory cgroup out of memory: Kill process 62685 (bash) score 0 or sacrifice child
 *     Killed process 62769 (cp) total-vm:17528kB, anon-rss:84kB, file-rss:1560kB, shmem-rss:0kB
 */
import { victimRow } from "./badness.ts";
import type { Story } from "./story.ts";
import { processText } from "./words.ts";

export interface Sacrifice {
  /** Whom the kernel had chosen: `bash[62685]`. */
  readonly chosen: string;
  /** The table says that it is another process, and not a thread of the same one. */
  readonly sure: boolean;
}

/** `null` when the process that was chosen is the one that was killed. */
export function sacrificeOf({ report, kill, row }: Story): Sacrifice | null {
  const selected = report?.selected ?? null;
  if (report === null || kill === null || selected === null || report.kills[0] !== kill)
    return null;
  const { pid, tid } = kill.victim;
  if (selected.pid === pid || selected.pid === tid) return null;
  const chosenRow = victimRow(report, selected.pid, selected.pid);
  if (chosenRow !== null && chosenRow === row) return null;
  const sure = chosenRow !== null && row !== null && chosenRow.pid !== row.pid;
  return { chosen: processText(selected.comm, selected.pid), sure };
}
