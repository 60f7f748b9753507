import { HostError } from "../host/host.ts";
import type { BodyFormat } from "../parse/trace-format.ts";
import { killEventOf } from "../parse/trace-kill-event.ts";
import type { TraceEvent } from "../parse/trace-line.ts";
import type { ProcStamper } from "./proc-stamp.ts";
import type { SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import {
  enableEvent,
  findTracing,
  openInstance,
  removeStaleInstances,
  type TraceInstance,
  whyNotRecording,
} from "./trace-instance.ts";
import { type LineageReader, readFormat } from "./trace-lineage-reader.ts";
import { LossWatch } from "./trace-loss.ts";
import { readTracePipe } from "./trace-pipe.ts";
import { type DecodedEvent, KillReporter } from "./trace-report.ts";

type Unavailable = Extract<SourceEnd, { kind: "unavailable" }>;

/** Kills only, at most 400 bytes each: hundreds of kills fit into one CPU's share. */
const RING_KILOBYTES = 256;

/** The kernel's own SIGKILL; anything else would let any process fill our ring. */
const SIGNAL_FILTER = "sig==9 && code==128";

/** The two events of a kill (parse/trace-kill.ts), as the running kernel prints them. */
export interface KillFormats {
  readonly mark: BodyFormat;
  readonly signal: BodyFormat;
}

/** Where tracing is and what it offers, or why it cannot be used. */
export interface TracingReady {
  readonly kind: "ready";
  readonly tracing: string;
  readonly formats: KillFormats;
  readonly note: string;
}

export async function prepareTracing(
  { host }: SourceContext,
  options: SourceOptions,
): Promise<TracingReady | Unavailable> {
  const root = await findTracing(host, options.sysRoot);
  if (root.kind === "missing") {
    return { kind: "unavailable", reason: root.reason, remedy: root.remedy };
  }
  const mark = readFormat(host, root.path, "oom/mark_victim");
  const signal = readFormat(host, root.path, "signal/signal_generate");
  if (mark === null || signal === null) {
    return {
      kind: "unavailable",
      reason:
        "the kernel has no trace event oom:mark_victim or signal:signal_generate (Linux 4.14+)",
      remedy: "",
    };
  }
  removeStaleInstances(host, root.path);
  return { kind: "ready", tracing: root.path, formats: { mark, signal }, note: root.note };
}

/** Opens an instance with the events of a kill; `enable` switches on more, before them. */
export function openKills(
  { host }: SourceContext,
  tracing: string,
  name: string,
  enable: (instance: TraceInstance) => void = () => {},
): { readonly kind: "open"; readonly instance: TraceInstance } | Unavailable {
  try {
    const instance = openInstance(host.files, tracing, name, RING_KILOBYTES);
    enable(instance);
    enableEvent(host.files, instance, { name: "signal/signal_generate", filter: SIGNAL_FILTER });
    enableEvent(host.files, instance, { name: "oom/mark_victim", filter: null });
    return { kind: "open", instance };
  } catch (error) {
    const denied = deniedBecause(error);
    if (denied === null) throw error;
    return denied;
  }
}

/** What a refusal means; `null` for anything else, which is tried again. */
export function deniedBecause(error: unknown): Unavailable | null {
  if (!(error instanceof HostError)) return null;
  const reason = `${error.path}: ${error.code}`;
  if (error.code === "EROFS") {
    const remedy = "Mount /sys/kernel/tracing into the container writable.";
    return { kind: "unavailable", reason, remedy };
  }
  if (error.code !== "EACCES" && error.code !== "EPERM") return null;
  const remedy =
    "Run as root of the host or with CAP_DAC_OVERRIDE; kernel lockdown in confidentiality mode forbids tracing.";
  return { kind: "unavailable", reason, remedy };
}

export interface KillWatch {
  readonly source: "tracefs" | "probe";
  readonly instance: TraceInstance;
  readonly stamper: ProcStamper;
  readonly lineage: LineageReader | null;
  readonly note: string;
  readonly isWhole: (event: TraceEvent) => boolean;
  readonly decode: (event: TraceEvent) => DecodedEvent | null;
}

/** Reads the instance and reports its kills until stopped. Rejects when the pipe breaks. */
export async function watchKills(
  context: SourceContext,
  options: SourceOptions,
  watch: KillWatch,
): Promise<SourceEnd> {
  const { host, stop } = context;
  const { instance, lineage } = watch;
  const silenced = new AbortController();
  const losses = new LossWatch(context, instance, (why) => silenced.abort(why));
  const reporter = new KillReporter({
    context,
    ...watch,
    askLater: ({ tid, microseconds }, found) => lineage?.ask({ tid, microseconds, found }),
    since: options.history ? 0 : host.clock.monotonicMicroseconds(),
    overrun: () => losses.overrun(),
  });
  try {
    const over = AbortSignal.any([stop, silenced.signal]);
    const end = await readTracePipe(host, `${instance.path}/trace_pipe`, over, {
      data: (chunk) => reporter.push(chunk),
      up: () => context.up(watch.note),
    });
    if (end.kind === "failed") {
      // An empty pipe of a ring that is switched off ends.
      const why = whyNotRecording(host.files, instance);
      throw new Error(why ?? `trace_pipe of ${instance.path}: ${end.message}`);
    }
    // Broken, not stopped: it is tried again, which switches everything on.
    if (!stop.aborted) throw new Error(String(silenced.signal.reason));
    return { kind: "stopped" };
  } finally {
    reporter.close();
    losses.stop();
  }
}

/** An event of another kind is whole as it is, and passed over. */
export function isWholeKill(event: TraceEvent, formats: KillFormats): boolean {
  const format = formatOf(event, formats);
  return format === null || format.parse(event.body) !== null;
}

export function decodeKill(event: TraceEvent, formats: KillFormats): DecodedEvent | null {
  const format = formatOf(event, formats);
  const kill = format === null ? null : killEventOf(event, format);
  return kill === null ? null : { event: kill, stamp: null };
}

function formatOf(event: TraceEvent, formats: KillFormats): BodyFormat | null {
  if (event.name === "mark_victim") return formats.mark;
  return event.name === "signal_generate" ? formats.signal : null;
}
