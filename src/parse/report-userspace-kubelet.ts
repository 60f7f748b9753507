/**
 * The kubelet's word of kernel kills (pkg/kubelet/oom/oom_watcher_linux.go), in its log, in events and in tables of them:
 *
 *     Warning  SystemOOM  5m24s  kubelet  System OOM encountered, victim process: ld-musl-x86_64., pid: 11415
 *
 * It read the kernel's log and may have missed lines, or taken a kill in a container for one of the machine. It is no kill by a
 * program, and no line of the kernel: where the kernel's own line of that pid is in the text, too, that alone is told.
 */
import type { ReportEvent } from "../model/report.ts";

interface Word {
  readonly line: number;
  readonly pid: number;
  readonly comm: string;
}

const EVENT = /System OOM encountered, victim process: ([^\n]{1,64}?), pid: (\d{1,10})(?!\d)/;
/** Words that wait for the end of the text. */
const MAX_WAITING = 1_000;

export class KubeletWords {
  /** By pid: events are repeated in tables, and counted together. */
  readonly #words = new Map<number, Word>();

  /** What is told at once, as too many wait. */
  read(text: string, line: number): ReportEvent | null {
    const match = EVENT.exec(text);
    if (match === null) return null;
    const [, comm = "", digits] = match;
    const pid = Number(digits);
    if (this.#words.has(pid)) return null;
    this.#words.set(pid, { line, pid, comm });
    const [oldest] = this.#words.values();
    if (this.#words.size <= MAX_WAITING || oldest === undefined) return null;
    this.#words.delete(oldest.pid);
    return problem(oldest);
  }

  /** Kills that the kernel itself told nothing of. */
  end(isTold: (pid: number) => boolean): readonly ReportEvent[] {
    const words = [...this.#words.values()];
    this.#words.clear();
    return words.filter(({ pid }) => !isTold(pid)).map(problem);
  }
}

function problem({ line, pid, comm }: Word): ReportEvent {
  const sentence = `the kubelet says that the kernel killed ${comm}[${pid}]; the kernel's own lines of it are not in the text.`;
  return { kind: "problem", line, sentence };
}
