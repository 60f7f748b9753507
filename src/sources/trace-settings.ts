/**
 * How our trace instance must be set so that every kill is recorded, and as we can read it. Anybody who may write to tracefs
 * can change it while we read, on purpose or with `trace-cmd reset`: what was changed is put back and told. Defaults of a
 * new instance and effects seen on 6.18; options that a kernel does not have are passed over.
 */
import type { Files } from "../host/host.ts";
import type { InstanceEvent, TraceInstance } from "./trace-instance.ts";

export interface InstancePlan {
  readonly events: readonly InstanceEvent[];
  /** The ring of one CPU is at least so large. */
  readonly kilobytesPerCpu: number;
}

/**
 * `markers` and the two below it let userspace and modules write text into our ring, which may look like an event. The others
 * change what a line looks like, or stop the recording.
 */
const OPTIONS: readonly (readonly [name: string, on: boolean])[] = [
  ["markers", false],
  ["copy_trace_marker", false],
  ["trace_printk_dest", false],
  ["overwrite", true],
  ["context-info", true],
  ["irq-info", true],
  ["raw", false],
  ["hex", false],
  ["bin", false],
  ["block", false],
  ["fields", false],
  ["verbose", false],
  ["latency-format", false],
  ["stacktrace", false],
  ["userstacktrace", false],
  ["pause-on-trace", false],
  ["disable_on_free", false],
];

/** As much of a setting as is told. */
const TOLD_CHARACTERS = 60;

/** Puts everything right that is not; says what that was. Throws `HostError` when it may not be changed. */
export function keepSettings(files: Files, instance: TraceInstance, plan: InstancePlan): string[] {
  return new Keeper(files, instance.path).keep(plan);
}

/** Whether the ring's times are CLOCK_MONOTONIC. */
export function isClockRight(files: Files, instance: TraceInstance): boolean {
  return files.tryReadText(`${instance.path}/trace_clock`)?.includes("[mono]") ?? false;
}

class Keeper {
  readonly #files: Files;
  readonly #path: string;
  readonly #changed: string[] = [];

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  keep({ events, kilobytesPerCpu }: InstancePlan): string[] {
    this.#options();
    this.#one("tracing_cpumask", (text) => coversAll(text, this.#allCpus()), this.#allCpus());
    this.#one("set_event_pid", isEmpty, "");
    this.#one("set_event_notrace_pid", isEmpty, "");
    // Writing it empties the ring.
    this.#one("trace_clock", (text) => text.includes("[mono]"), "mono");
    this.#one("current_tracer", (text) => text.trim() === "nop", "nop");
    // Growing keeps what is in the ring.
    const isLarge = (text: string) => Number.parseInt(text, 10) >= kilobytesPerCpu;
    this.#one("buffer_size_kb", isLarge, String(kilobytesPerCpu));
    this.#switchOffOthers(events.map(({ name }) => name.replace("/", ":")));
    for (const event of events) this.#event(event);
    this.#one("tracing_on", isOn, "1");
    return this.#changed;
  }

  #one(file: string, isKept: (text: string) => boolean, wanted: string): void {
    const path = `${this.#path}/${file}`;
    const text = this.#files.tryReadText(path);
    if (text === null || isKept(text)) return;
    this.#files.writeText(path, wanted);
    this.#tell(file, text);
  }

  #tell(file: string, was: string): void {
    const text = was.trim().replace(/\s+/g, " ");
    const short = text.length > TOLD_CHARACTERS ? `${text.slice(0, TOLD_CHARACTERS)}…` : text;
    this.#changed.push(`${this.#path}/${file} (${short})`);
  }

  /** All options in one file: `overwrite`, `nomarkers`, …, one a line. */
  #options(): void {
    const text = this.#files.tryReadText(`${this.#path}/trace_options`) ?? "";
    const set = new Set(text.split("\n"));
    for (const [name, on] of OPTIONS) {
      if (!set.has(on ? `no${name}` : name)) continue;
      this.#files.writeText(`${this.#path}/options/${name}`, on ? "1" : "0");
      this.#tell(`options/${name}`, on ? "0" : "1");
    }
  }

  #event({ name, filter }: InstanceEvent): void {
    const path = `events/${name}`;
    this.#one(`${path}/filter`, (text) => text.trim() === (filter ?? "none"), filter ?? "0");
    this.#triggers(`${path}/trigger`);
    // `1*` when it has a trigger.
    this.#one(`${path}/enable`, isOn, "1");
  }

  /** A trigger may stop the recording with the first kill. */
  #triggers(file: string): void {
    const text = this.#files.tryReadText(`${this.#path}/${file}`) ?? "";
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      this.#files.appendText(`${this.#path}/${file}`, `!${line.replace(/ \[\w+\]$/, "")}`);
      this.#tell(file, line);
    }
  }

  /** Events that are not ours fill the ring; whole systems of them at once. */
  #switchOffOthers(ours: readonly string[]): void {
    const text = this.#files.tryReadText(`${this.#path}/set_event`) ?? "";
    const others = text.split("\n").filter((line) => line !== "" && !ours.includes(line));
    const files = new Set(others.map((event) => enableFile(event, ours)));
    for (const file of files) this.#files.writeText(`${this.#path}/${file}`, "0");
    if (others.length > 0) this.#tell("set_event", others.slice(0, 3).join(" "));
  }

  /** The mask with every CPU that has a ring. */
  #allCpus(): string {
    const names = this.#files.list(`${this.#path}/per_cpu`).map(({ name }) => name);
    const cpus = names.map((name) => Number(name.slice("cpu".length))).filter(Number.isSafeInteger);
    const mask = cpus.reduce((sum, cpu) => sum | (1n << BigInt(cpu)), 0n);
    return mask.toString(16).replace(/(?<=.)(?=(?:.{8})+$)/g, ",");
  }
}

function enableFile(event: string, ours: readonly string[]): string {
  const [system = "", name = ""] = event.split(":");
  const isShared = ours.some((one) => one.startsWith(`${system}:`));
  return isShared ? `events/${system}/${name}/enable` : `events/${system}/enable`;
}

/** `3`, `ffffffff,ffffffff`: 32 bits a group. */
function coversAll(text: string, all: string): boolean {
  return (maskOf(text) & maskOf(all)) === maskOf(all);
}

function maskOf(text: string): bigint {
  const digits = text.trim().replaceAll(",", "");
  return /^[\da-f]{1,4096}$/i.test(digits) ? BigInt(`0x${digits}`) : 0n;
}

function isEmpty(text: string): boolean {
  return text.trim() === "";
}

function isOn(text: string): boolean {
  return text.startsWith("1");
}
