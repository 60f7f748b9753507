/**
 * The text of a trace instance: trace_pipe, and `trace` with its `#` comments.
 *
 *              hog-4510    [000] d..2.   413.558257: signal_generate: sig=9 errno=0 code=128 comm=hog pid=4510 grp=1 res=0
 *              hog-4510    [000] ...1.   413.558271: mark_victim: pid=4510 comm=hog total-vm=17896kB … oom_score_adj=0
 *     CPU:1 [LOST 23 EVENTS]
 *
 * Source: kernel/trace/trace_output.c (trace_print_context), trace.c (print_trace_line); seen on 6.1 and 6.18.
 *
 * Names of processes are printed raw, before the header and in the body, and may hold any 15 bytes but NUL: spaces,
 * brackets, newlines. A header is at least 25 bytes and holds exactly one `-PID [CPU]`, so no name can hold one or become
 * one together with the kernel's text beside it; and each body is matched to its end by its format, so what a name
 * imitates stays inside the name. A line cut by a newline in a name is joined again.
 */

/** One event as printed; `body` is everything after `name: `. */
export interface TraceEvent {
  readonly cpu: number;
  /** Of the instance's trace_clock; µs of CLOCK_MONOTONIC with `mono`. */
  readonly microseconds: number;
  /** The task that ran when the event happened; `comm` is `null` when the kernel had forgotten it (`<...>`). */
  readonly task: { readonly pid: number; readonly comm: string | null };
  /** irqs off, need resched, hard/soft irq, preempt depth[, migrate disable]: `d..2.`. */
  readonly flags: string;
  readonly name: string;
  readonly body: string;
}

export type TraceItem =
  | { readonly kind: "event"; readonly event: TraceEvent }
  /** The ring of a CPU was overrun. */
  | { readonly kind: "lost"; readonly count: number }
  /** A line that never became whole: an event nobody could read. */
  | { readonly kind: "broken"; readonly text: string }
  /** Text of somebody who may write to the ring, or a line so soon behind it that it may be a part of it. */
  | { readonly kind: "foreign"; readonly text: string };

/** A line without an end is cut here; the longest real one is a cgroup path (4 KiB) and its fields. */
const LINE_LIMIT = 8192;
/**
 * Text that userspace or a module wrote into the ring (`tracing_mark_write: …`) is printed raw, newlines and all, so that
 * what follows may look like any event. It has a page at most, 4 KiB until 6.7 and 8 KiB since (TRACE_SEQ_BUFFER_SIZE).
 */
const TEXT_REACH = 8192;

/** A name has 15 bytes, so it breaks a line at most so often; two names in a line. */
const FRAGMENT_LIMIT = 30;

const HEADER =
  /-(\d{1,10})\s+(?:\([\d -]{1,12}\)\s+)?\[(\d{3,5})\] ([^\s[\]-]{4,6})\s+(\d{1,12})\.(\d{6}): (\w{1,80}): ?/;
const LOST = /^CPU:\d+ \[LOST (\d{1,12}) EVENTS\]$/;

/** Reads one line that begins with a header; `null` for anything else. */
export function parseTraceHeader(line: string): TraceEvent | null {
  const match = HEADER.exec(line);
  if (match === null) return null;
  const [header, pid = "", cpu = "", flags = "", seconds = "", fraction = "", name = ""] = match;
  const comm = line.slice(0, match.index).trimStart();
  return {
    cpu: Number(cpu),
    microseconds: Number(seconds) * 1_000_000 + Number(fraction),
    task: { pid: Number(pid), comm: comm === "<...>" || comm === "" ? null : comm },
    flags,
    name,
    body: line.slice(match.index + header.length),
  };
}

/**
 * Cuts text into events. `names` are the events that were asked for: any other line is text that somebody wrote, and what
 * stands within its reach is not believed, whatever it looks like. `isWhole` says whether an event's body is complete (its format matches to the end); one that is
 * not waits for the lines that follow.
 */
export class TraceReader {
  readonly #names: ReadonlySet<string>;
  readonly #isWhole: (event: TraceEvent) => boolean;
  /** Characters that may still belong to somebody's text. */
  #doubtful = 0;
  #rest = "";
  #pending: TraceEvent | null = null;
  #fragments = 0;

  constructor(names: ReadonlySet<string>, isWhole: (event: TraceEvent) => boolean) {
    this.#names = names;
    this.#isWhole = isWhole;
  }

  push(text: string): TraceItem[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, LINE_LIMIT);
    const items: TraceItem[] = [];
    for (const line of lines) this.#line(line.slice(0, LINE_LIMIT), items);
    return items;
  }

  /** What comes from now on was read later: it is no part of a text from before. */
  trustAgain(): void {
    this.#doubtful = 0;
  }

  #line(line: string, items: TraceItem[]): void {
    const event = parseTraceHeader(line);
    if (this.#isForeign(line, event)) {
      this.#giveUp(items);
      if (event !== null) items.push({ kind: "foreign", text: line.slice(0, 200) });
      return;
    }
    if (event !== null) {
      this.#giveUp(items);
      this.#offer(event, items);
      return;
    }
    const lost = LOST.exec(line);
    if (lost !== null) {
      items.push({ kind: "lost", count: Number(lost[1]) });
      return;
    }
    // Without an event to continue it is a comment of `trace`, or the first half of a name before a header.
    if (this.#pending === null) return;
    this.#fragments++;
    if (this.#fragments > FRAGMENT_LIMIT) this.#giveUp(items);
    else this.#offer({ ...this.#pending, body: `${this.#pending.body}\n${line}` }, items);
  }

  #isForeign(line: string, event: TraceEvent | null): boolean {
    const isDoubtful = this.#doubtful > 0;
    this.#doubtful = Math.max(0, this.#doubtful - line.length - 1);
    if (event === null || this.#names.has(event.name)) return isDoubtful;
    this.#doubtful = TEXT_REACH;
    return true;
  }

  #offer(event: TraceEvent, items: TraceItem[]): void {
    if (this.#isWhole(event)) {
      this.#pending = null;
      this.#fragments = 0;
      items.push({ kind: "event", event });
    } else this.#pending = event;
  }

  #giveUp(items: TraceItem[]): void {
    if (this.#pending !== null) {
      const { name, body } = this.#pending;
      items.push({ kind: "broken", text: `${name}: ${body.slice(0, 200)}` });
    }
    this.#pending = null;
    this.#fragments = 0;
  }
}
