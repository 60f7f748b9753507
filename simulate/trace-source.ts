import { parseTraceFormat } from "../src/parse/trace-format.ts";
import { KILL_EVENT_NAMES, killEventOf } from "../src/parse/trace-kill-event.ts";
import type { TraceEvent } from "../src/parse/trace-line.ts";
import { ProcStamper } from "../src/sources/proc-stamp.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source } from "../src/sources/source.ts";
import { KillReporter } from "../src/sources/trace-report.ts";
import { assert } from "../src/std/assert.ts";
import type { SimulatedKernel } from "./kernel.ts";
import { markFormat, SIGNAL_FORMAT } from "./kernel-text.ts";

/** When the reader of trace_pipe wakes up, given that something is there. */
export type WakeUp = (read: () => void) => void;

/**
 * The tracefs source over the simulated ring: everything from the text of trace_pipe on is the real one; only how the
 * instance is set up and the pipe opened is not. What is read is gone, as with trace_pipe.
 */
export function createTraceTwin(
  kernel: SimulatedKernel,
  wakeUp: WakeUp,
  trustsPhantoms: boolean,
): Source {
  const mark = parseTraceFormat(markFormat(kernel.truth.kernel));
  const signal = parseTraceFormat(SIGNAL_FORMAT);
  assert(mark !== null && signal !== null, "the simulated formats can be read");
  const formatOf = (event: TraceEvent) => (event.name === "mark_victim" ? mark : signal);
  return {
    name: "tracefs",
    run(context) {
      const reporter = new KillReporter({
        context,
        source: "tracefs",
        stamper: new ProcStamper(context.host, DEFAULT_SOURCE_OPTIONS),
        names: KILL_EVENT_NAMES,
        isWhole: (event) => formatOf(event).parse(event.body) !== null,
        decode: (event) => {
          const kill = killEventOf(event, formatOf(event));
          return kill === null ? null : { event: kill, stamp: null };
        },
        askLater: () => {},
        since: 0,
        overrun: () => {},
        strange: () => {},
      });
      let waiting = false;
      const readSoon = () => {
        if (waiting || kernel.trace.lines.length === 0) return;
        waiting = true;
        wakeUp(() => {
          waiting = false;
          reporter.push(takeAll(kernel, context.lost, trustsPhantoms));
        });
      };
      kernel.onTrace = readSoon;
      context.up("");
      readSoon();
      return new Promise(() => {});
    },
  };
}

function takeAll(
  kernel: SimulatedKernel,
  tellLost: (count: number, what: string) => void,
  trustsPhantoms: boolean,
): Uint8Array {
  const { lost } = kernel.trace;
  const lines = trustsPhantoms ? kernel.trace.lines.flatMap(withSignal) : kernel.trace.lines;
  kernel.trace.lines = [];
  kernel.trace.lost = 0;
  if (lost > 0) tellLost(lost, "trace events overwritten");
  const head = lost > 0 ? [`CPU:0 [LOST ${lost} EVENTS]\n`] : [];
  return new TextEncoder().encode([...head, ...lines].join(""));
}

/** Planted bug: a mark without a signal counts as if the signal had been there. */
function withSignal(line: string, index: number, lines: readonly string[]): string[] {
  const mark = /^(.*) mark_victim: pid=(\d+)(?: (comm=.*) total-vm)?/.exec(line);
  if (mark === null || lines[index - 1]?.includes(` pid=${mark[2]} grp=`) === true) return [line];
  const head = (mark[1] ?? "").replace("...1.", "d..2.");
  const comm = mark[3] ?? "comm=hog";
  const body = `signal_generate: sig=9 errno=0 code=128 ${comm} pid=${mark[2]} grp=1 res=0`;
  return [`${head} ${body}\n`, line];
}
