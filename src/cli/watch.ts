import { type Pipeline, startPipeline } from "../agent/pipeline.ts";
import { filtered } from "../sinks/filtered.ts";
import { createJsonLines } from "../sinks/json-lines.ts";
import type { RecordFilter } from "../sinks/record-filter.ts";
import type { AgentView, Sink } from "../sinks/sink.ts";
import { createTerminal } from "../sinks/terminal.ts";
import { localOffsetMinutes } from "./console.ts";
import { afterSeconds, atMost, Breakdown, KillCounter } from "./ending.ts";
import { type Context, kernelRelease, passingInstance, sourceOptions } from "./environment.ts";
import type { ExitStatus } from "./errors.ts";
import { filterOption, flagOption, numberOption, type RawOptions, textOption } from "./options.ts";

/** Longest wait for the sources to let go after Ctrl-C. */
const STOP_SECONDS = 0.8;

/** `oomwitness watch`: the live view, or JSON lines, of a pipeline that keeps nothing. */
export function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  const breakdown = new Breakdown(context.host);
  return breakdown.during(() => watch(context, options, breakdown));
}

async function watch(
  context: Context,
  options: RawOptions,
  breakdown: Breakdown,
): Promise<ExitStatus> {
  const { host, console } = context;
  const { clock } = host;
  const history = flagOption(options, "history");
  const counter = new KillCounter(clock, numberOption(options, "untilKills"));
  const filter = filterOption(options);
  let output: Sink | null = null;
  const pipeline: Pipeline = startPipeline(host, {
    sources: sourceOptions(context, options, {
      instanceName: passingInstance(context),
      keepInstance: false,
      history,
    }),
    stateDirectory: null,
    node: textOption(options, "node") ?? host.hostname,
    version: context.version,
    crashed: breakdown.report,
    sinks: (view) => {
      output = outputSink(context, options, view, (source) => pipeline.note(source));
      const asOpened = !flagOption(options, "json");
      return [
        filtered(output, filter, { asOpened }),
        filtered(counter, filter, { asOpened: true }),
      ];
    },
  });
  const time = afterSeconds(clock, numberOption(options, "for"));
  const ends = [console.interrupted, console.readerGone, time, counter.reached, breakdown.failed];
  try {
    await Promise.race(ends);
    return 0;
  } finally {
    await atMost(clock, STOP_SECONDS, pipeline.stop());
    await (output as Sink | null)?.close();
  }
}

function outputSink(
  context: Context,
  options: RawOptions,
  view: AgentView,
  note: Pipeline["note"],
): Sink {
  const { console, host } = context;
  if (flagOption(options, "json")) {
    return createJsonLines({ write: console.push, onDrain: console.onDrain });
  }
  return createTerminal({
    output: console,
    clock: host.clock,
    view,
    kernel: kernelRelease(
      host,
      sourceOptions(context, options, { instanceName: "", keepInstance: false, history: false }),
    ),
    offsetMinutes: localOffsetMinutes,
    note,
    notes: () => filterNotes(filterOption(options)),
    style: "table",
  });
}

/** What a narrowed view leaves out must not be taken for what did not happen. */
function filterNotes({ container, pod, namespace, invisible }: RecordFilter): readonly string[] {
  const parts = [
    container === undefined ? [] : [`container ${container}`],
    pod === undefined ? [] : [`pod ${pod}`],
    namespace === undefined ? [] : [`namespace ${namespace}`],
    invisible === true ? ["invisible kills"] : [],
  ].flat();
  return parts.length === 0 ? [] : [`showing only: ${parts.join(", ")}`];
}
