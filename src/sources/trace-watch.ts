import { type Host, HostError } from "../host/host.ts";
import type { BodyFormat } from "../parse/trace-format.ts";
import { killEventOf } from "../parse/trace-kill-event.ts";
import type { TraceEvent } from "../parse/trace-line.ts";
import type { ProcStamper } from "./proc-stamp.ts";
import type { SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import { InstanceCare } from "./trace-care.ts";
import { heldSentence } from "./trace-holder.ts";
import {
  findTracing,
  type InstanceEvent,
  openInstance,
  removeStaleInstances,
  type TraceInstance,
} from "./trace-instance.ts";
import { type LineageReader, readFormat } from "./trace-lineage-reader.ts";
import { type PipeHandler, readTracePipe } from "./trace-pipe.ts";
import { type DecodedEvent, KillReporter } from "./trace-report.ts";
import { type InstancePlan, isClockRight } from "./trace-settings.ts";

type Unavailable = Extract<SourceEnd, { kind: "unavailable" }>;

/** Kills only, at most 400 bytes each: hundreds of kills fit into one CPU's share. */
const RING_KILOBYTES = 256;

/** The kernel's own SIGKILL; anything else would let any process fill our ring. */
const SIGNAL_FILTER = "sig==9 && code==128";

const KILL_EVENTS: readonly InstanceEvent[] = [
  { name: "signal/signal_generate", filter: SIGNAL_FILTER },
  { name: "oom/mark_victim", filter: null },
];

/** A pipe that ends sooner than that, again and again, is tried ever more seldom. */
const STEADY_MICROSECONDS = 1_000_000;

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

export interface OpenedKills {
  readonly kind: "open";
  readonly instance: TraceInstance;
  readonly plan: InstancePlan;
}

/** Opens an instance with the events of a kill, and `more` before them. */
export function openKills(
  { host }: SourceContext,
  tracing: string,
  name: string,
  more: readonly InstanceEvent[] = [],
): OpenedKills | Unavailable {
  const plan = { events: [...more, ...KILL_EVENTS], kilobytesPerCpu: RING_KILOBYTES };
  try {
    return { kind: "open", instance: openInstance(host.files, tracing, name, plan), plan };
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
  readonly plan: InstancePlan;
  readonly stamper: ProcStamper;
  readonly lineage: LineageReader | null;
  readonly note: string;
  readonly isWhole: (event: TraceEvent) => boolean;
  readonly decode: (event: TraceEvent) => DecodedEvent | null;
}

/** Reads the instance and reports its kills until stopped. Rejects when the pipe breaks, or when somebody else reads it. */
export async function watchKills(
  context: SourceContext,
  options: SourceOptions,
  watch: KillWatch,
): Promise<SourceEnd> {
  const { host, stop } = context;
  const { instance, lineage, plan } = watch;
  const broken = new AbortController();
  const care = new InstanceCare(context, instance, plan, (error) => broken.abort(error));
  const reporter = new KillReporter({
    context,
    ...watch,
    names: new Set(plan.events.map(({ name }) => name.split("/").at(-1) ?? name)),
    askLater: ({ tid, microseconds }, found) => lineage?.ask({ tid, microseconds, found }),
    since: options.history ? 0 : host.clock.monotonicMicroseconds(),
    overrun: () => care.overrun(),
    strange: () => void care.look(),
  });
  const over = AbortSignal.any([stop, broken.signal]);
  const handler = {
    data: (chunk: Uint8Array) => {
      if (isClockRight(host.files, instance)) reporter.push(chunk);
      else passOver(context, care, chunk);
    },
    up: () => context.up(watch.note),
  };
  try {
    await readUntil(over, host, instance, care, handler);
    // Broken, not stopped: it is tried again, which sets everything anew.
    if (!stop.aborted) throw broken.signal.reason;
    return { kind: "stopped" };
  } finally {
    reporter.close();
    care.stop();
  }
}

/** Returns when `over`. The pipe of a ring that is empty and switched off ends: it is switched on and read again. */
async function readUntil(
  over: AbortSignal,
  host: Host,
  instance: TraceInstance,
  care: InstanceCare,
  handler: PipeHandler,
): Promise<void> {
  for (;;) {
    const began = host.clock.monotonicMicroseconds();
    const end = await readTracePipe(host, instance.path, over, handler);
    if (end.kind === "stopped") return;
    if (end.kind === "held") throw new HeldError(heldSentence(instance.path, end.by));
    const wasSteady = host.clock.monotonicMicroseconds() - began >= STEADY_MICROSECONDS;
    if (care.look() && wasSteady) continue;
    throw new Error(`trace_pipe of ${instance.path}: ${end.message}`);
  }
}

/** Somebody else has the instance: it is theirs to remove. */
export class HeldError extends Error {}

/** Times of another clock say nothing: the kills in it come from the other sources. */
function passOver(context: SourceContext, care: InstanceCare, chunk: Uint8Array): void {
  const marks = new TextDecoder().decode(chunk).match(/: mark_victim: /g)?.length ?? 0;
  if (marks > 0) context.lost(marks, "trace events stamped by another clock");
  care.look();
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
