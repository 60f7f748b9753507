/**
 * The kernel's own account of each kill, as a trace of two events in a private instance (parse/trace-kill.ts). Needs tracefs
 * and root; names the victim within microseconds, and costs nothing while nobody is killed.
 */
import { HostError } from "../host/host.ts";
import type { BodyFormat } from "../parse/trace-format.ts";
import { killEventOf } from "../parse/trace-kill-event.ts";
import type { TraceEvent } from "../parse/trace-line.ts";
import { ProcStamper } from "./proc-stamp.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import {
  enableEvent,
  findTracing,
  openInstance,
  removeInstance,
  removeStaleInstances,
  type TraceInstance,
} from "./trace-instance.ts";
import { type LineageReader, openLineage, readFormat } from "./trace-lineage-reader.ts";
import { LossWatch } from "./trace-loss.ts";
import { readTracePipe } from "./trace-pipe.ts";
import { KillReporter } from "./trace-report.ts";

/** Kills only, at most 200 bytes each: a thousand kills fit into one CPU's share. */
const RING_KILOBYTES = 256;

/** The kernel's own SIGKILL; anything else would let any process fill our ring. */
export const SIGNAL_FILTER = "sig==9 && code==128";

interface Formats {
  readonly mark: BodyFormat;
  readonly signal: BodyFormat;
}

export function createTracefsSource(options: SourceOptions): Source {
  return { name: "tracefs", run: (context) => watch(context, options) };
}

async function watch(context: SourceContext, options: SourceOptions): Promise<SourceEnd> {
  const { host } = context;
  const root = await findTracing(host, options.sysRoot);
  if (root.kind === "missing") return { kind: "unavailable", ...because(root) };
  const formats = readFormats(context, root.path);
  if (formats === null) {
    return {
      kind: "unavailable",
      reason:
        "the kernel has no trace event oom:mark_victim or signal:signal_generate (Linux 4.14+)",
      remedy: "",
    };
  }
  removeStaleInstances(host, root.path);
  const instance = openKills(context, root.path, options.instanceName);
  if (instance.kind === "unavailable") return instance;
  const stamper = new ProcStamper(host, options);
  const lineage = openLineage(host, stamper, root.path, `${options.instanceName}-lineage`);
  const note = [root.note, stamper.blind].filter((part) => part !== "").join("; ");
  try {
    return await follow(context, options, { instance, formats, stamper, lineage, note });
  } finally {
    lineage?.close();
    if (!options.keepInstance) {
      await removeInstance(host, instance.path);
      if (lineage !== null) await removeInstance(host, lineage.instance.path);
    }
  }
}

interface Watching {
  readonly instance: TraceInstance;
  readonly formats: Formats;
  readonly stamper: ProcStamper;
  readonly lineage: LineageReader | null;
  readonly note: string;
}

async function follow(
  context: SourceContext,
  options: SourceOptions,
  { instance, formats, stamper, lineage, note }: Watching,
): Promise<SourceEnd> {
  const { host, stop } = context;
  const losses = new LossWatch(context, instance);
  const reporter = new KillReporter({
    context,
    source: "tracefs",
    stamper,
    isWhole: (event) => formatOf(event, formats)?.parse(event.body) !== null,
    decode: (event) => decode(event, formats),
    askLater: ({ tid, microseconds }, found) => lineage?.ask({ tid, microseconds, found }),
    since: options.history ? 0 : host.clock.monotonicMicroseconds(),
    overrun: () => losses.overrun(),
  });
  try {
    const end = await readTracePipe(host, `${instance.path}/trace_pipe`, stop, {
      data: (chunk) => reporter.push(chunk),
      up: () => context.up(note),
    });
    if (end.kind === "failed") throw new Error(`trace_pipe of ${instance.path}: ${end.message}`);
    return { kind: "stopped" };
  } finally {
    reporter.close();
    losses.stop();
  }
}

/** An event of another kind is whole as it is, and passed over. */
function formatOf(event: TraceEvent, formats: Formats): BodyFormat | undefined {
  if (event.name === "mark_victim") return formats.mark;
  return event.name === "signal_generate" ? formats.signal : undefined;
}

function decode(event: TraceEvent, formats: Formats) {
  const format = formatOf(event, formats);
  const kill = format === undefined ? null : killEventOf(event, format);
  return kill === null ? null : { event: kill, stamp: null };
}

function readFormats({ host }: SourceContext, tracing: string): Formats | null {
  const mark = readFormat(host, tracing, "oom/mark_victim");
  const signal = readFormat(host, tracing, "signal/signal_generate");
  return mark === null || signal === null ? null : { mark, signal };
}

function openKills(
  { host }: SourceContext,
  tracing: string,
  name: string,
): (TraceInstance & { readonly kind: "open" }) | Extract<SourceEnd, { kind: "unavailable" }> {
  try {
    const instance = openInstance(host.files, tracing, name, RING_KILOBYTES);
    enableEvent(host.files, instance, { name: "signal/signal_generate", filter: SIGNAL_FILTER });
    enableEvent(host.files, instance, { name: "oom/mark_victim", filter: null });
    return { kind: "open", ...instance };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const denied = ["EACCES", "EPERM", "EROFS"].includes(error.code);
    if (!denied) throw error;
    return {
      kind: "unavailable",
      reason: `${error.path}: ${error.code}`,
      remedy:
        error.code === "EROFS"
          ? "Mount /sys/kernel/tracing into the container writable."
          : "Run as root of the host; kernel lockdown in confidentiality mode forbids tracefs.",
    };
  }
}

function because({ reason, remedy }: { readonly reason: string; readonly remedy: string }) {
  return { reason, remedy };
}
