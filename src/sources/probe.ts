/**
 * Asks the kernel itself whose kill it is: a kprobe reads the victim's memory cgroup out of the kernel's structures at the
 * instant of the kill (parse/trace-probe.ts), so nothing depends on what is left of the process afterwards. It stands in an
 * instance of its own, beside the two events of every kill.
 */
import type { CgroupStamp } from "../model/observation.ts";
import { parseBtf } from "../parse/btf.ts";
import type { TraceEvent } from "../parse/trace-line.ts";
import {
  type ProbeDefinition,
  type ProbeVictim,
  parseProbeBody,
  probeArguments,
} from "../parse/trace-probe.ts";
import {
  defineProbe,
  probeEventName,
  probeEventPath,
  removeProbe,
  removeStaleProbes,
} from "./probe-event.ts";
import { ProcStamper } from "./proc-stamp.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";
import { removeInstance } from "./trace-instance.ts";
import type { DecodedEvent } from "./trace-report.ts";
import {
  decodeKill,
  deniedBecause,
  HeldError,
  isWholeKill,
  type KillFormats,
  type OpenedKills,
  openKills,
  prepareTracing,
  watchKills,
} from "./trace-watch.ts";

type Unavailable = Extract<SourceEnd, { kind: "unavailable" }>;

/** Probes that fired and wait for their mark, which follows at once or never. */
const WAITING_LIMIT = 256;

export function createProbeSource(options: SourceOptions): Source {
  return { name: "probe", run: (context) => run(context, options) };
}

async function run(context: SourceContext, options: SourceOptions): Promise<SourceEnd> {
  const { host } = context;
  const ready = await prepareTracing(context, options);
  if (ready.kind === "unavailable") return ready;
  const { tracing, formats } = ready;
  const definition = defineFor(context, options, tracing);
  if (definition.kind === "unavailable") return definition;
  removeStaleProbes(host, tracing);
  const instanceName = `${options.instanceName}-probe`;
  const event = probeEventName(instanceName);
  const path = `${tracing}/instances/${instanceName}`;
  let held = false;
  try {
    const opened = open(context, tracing, instanceName, event, definition.arguments);
    if (opened.kind === "unavailable") return opened;
    const stamper = new ProcStamper(host, options);
    const victims = new ProbedVictims({ event, formats, names: definition.names }, stamper);
    return await watchKills(context, options, {
      source: "probe",
      instance: opened.instance,
      plan: opened.plan,
      stamper,
      lineage: null,
      note: ready.note,
      isWhole: (traced) => victims.isWhole(traced),
      decode: (traced) => victims.decode(traced),
    });
  } catch (error) {
    held = error instanceof HeldError;
    throw error;
  } finally {
    if (!held) {
      await removeInstance(host, path);
      removeProbe(host.files, tracing, event);
    }
  }
}

/** The probe for this kernel, or what it lacks. */
function defineFor(
  { host }: SourceContext,
  options: SourceOptions,
  tracing: string,
): Extract<ProbeDefinition, { kind: "ok" }> | Unavailable {
  if (!host.files.exists(`${tracing}/kprobe_events`)) {
    return unavailable("the kernel was built without CONFIG_KPROBE_EVENTS", "");
  }
  const place = `${options.sysRoot}/kernel/btf/vmlinux`;
  if (!host.files.exists(place)) {
    return unavailable(
      `${place} is missing: the kernel was built without CONFIG_DEBUG_INFO_BTF`,
      "",
    );
  }
  const btf = parseBtf(host.files.readBytes(place));
  if (btf === null) return unavailable(`${place} cannot be read by this version`, "");
  const definition = probeArguments(btf);
  if (definition.kind === "ok") return definition;
  return unavailable(`the kernel's types lack ${definition.what}`, "");
}

function unavailable(reason: string, remedy: string): Unavailable {
  return { kind: "unavailable", reason, remedy };
}

function open(
  context: SourceContext,
  tracing: string,
  instanceName: string,
  event: string,
  words: string,
): OpenedKills | Unavailable {
  const { files } = context.host;
  try {
    const outcome = defineProbe(context.host, tracing, event, words, () =>
      files.removeDirectory(`${tracing}/instances/${instanceName}`),
    );
    if (outcome === "no-such-function") {
      return unavailable("the kernel has no function mark_oom_victim that can be probed", "");
    }
    return openKills(context, tracing, instanceName, [
      { name: probeEventPath(event), filter: null },
    ]);
  } catch (error) {
    const denied = deniedBecause(error);
    if (denied === null) throw error;
    return denied;
  }
}

/** What the instance prints. */
interface Printed {
  readonly event: string;
  /** How many generations of cgroups the event names. */
  readonly names: number;
  readonly formats: KillFormats;
}

/** Joins what the probe read to the mark that follows it. */
class ProbedVictims {
  readonly #printed: Printed;
  readonly #stamper: ProcStamper;
  readonly #waiting = new Map<number, ProbeVictim>();
  /** Paths that the probe could not read whole, by cgroup id. */
  readonly #deep = new Map<number, string>();

  constructor(printed: Printed, stamper: ProcStamper) {
    this.#printed = printed;
    this.#stamper = stamper;
  }

  isWhole(traced: TraceEvent): boolean {
    if (traced.name === this.#printed.event) return this.#parse(traced) !== null;
    return isWholeKill(traced, this.#printed.formats);
  }

  #parse(traced: TraceEvent): ProbeVictim | null {
    return parseProbeBody(traced.body, this.#printed.names);
  }

  decode(traced: TraceEvent): DecodedEvent | null {
    if (traced.name === this.#printed.event) {
      this.#remember(this.#parse(traced));
      return null;
    }
    const decoded = decodeKill(traced, this.#printed.formats);
    if (decoded?.event.kind !== "mark") return decoded;
    const victim = this.#waiting.get(decoded.event.tid);
    this.#waiting.delete(decoded.event.tid);
    if (victim === undefined) return decoded;
    const { tgid, comm } = victim;
    const event = { ...decoded.event, tgid, comm: decoded.event.comm ?? comm };
    return { event, stamp: this.#stamp(victim) };
  }

  #remember(victim: ProbeVictim | null): void {
    if (victim === null) return;
    const oldest = this.#waiting.keys().next().value;
    if (this.#waiting.size >= WAITING_LIMIT && oldest !== undefined) this.#waiting.delete(oldest);
    this.#waiting.delete(victim.tid);
    this.#waiting.set(victim.tid, victim);
  }

  #stamp(victim: ProbeVictim): CgroupStamp | null {
    const id = victim.cgroupId;
    const version = this.#stamper.memory?.version ?? null;
    const path = victim.path ?? (id === null ? null : this.#deepPath(victim.tid, id));
    return path === null ? null : { path, id, version, basis: "probe" };
  }

  /** What /proc says of a cgroup that lies too deep, if it is the one whose id the kernel told. */
  #deepPath(tid: number, id: number): string | null {
    const known = this.#deep.get(id);
    if (known !== undefined) return known;
    const told = this.#stamper.stamp(tid);
    const checked = told === null ? null : this.#stamper.withId(told);
    if (checked === null || checked.id !== id) return null;
    if (this.#deep.size >= WAITING_LIMIT) this.#deep.clear();
    this.#deep.set(id, checked.path);
    return checked.path;
  }
}
