/**
 * The kernel's own account of each kill, as a trace of two events in a private instance (parse/trace-kill.ts). Needs tracefs
 * and root; names the victim within microseconds, and costs nothing while nobody is killed.
 */
import { ProcStamper } from "./proc-stamp.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import { removeInstance } from "./trace-instance.ts";
import { openLineage } from "./trace-lineage-reader.ts";
import { decodeKill, isWholeKill, openKills, prepareTracing, watchKills } from "./trace-watch.ts";

export function createTracefsSource(options: SourceOptions): Source {
  return { name: "tracefs", run: (context) => run(context, options) };
}

async function run(context: SourceContext, options: SourceOptions): Promise<SourceEnd> {
  const { host } = context;
  const ready = await prepareTracing(context, options);
  if (ready.kind === "unavailable") return ready;
  const { tracing, formats } = ready;
  const opened = openKills(context, tracing, options.instanceName);
  if (opened.kind === "unavailable") return opened;
  const { instance, plan } = opened;
  const stamper = new ProcStamper(host, options);
  const lineage = openLineage(host, stamper, tracing, `${options.instanceName}-lineage`);
  try {
    return await watchKills(context, options, {
      source: "tracefs",
      instance,
      plan,
      stamper,
      lineage,
      note: [ready.note, stamper.blind].filter((part) => part !== "").join("; "),
      isWhole: (event) => isWholeKill(event, formats),
      decode: (event) => decodeKill(event, formats),
    });
  } finally {
    await lineage?.finish();
    if (!options.keepInstance) {
      await removeInstance(host, instance.path);
      if (lineage !== null) await removeInstance(host, lineage.instance.path);
    }
  }
}
