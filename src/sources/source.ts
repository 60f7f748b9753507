import type { Host } from "../host/host.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { Observation, SourceName } from "../model/observation.ts";
import type { ReportObservation } from "../model/report.ts";

/** Of kills, from the kernel; why it killed, in its log's words; or of containers, from a runtime. */
export type SourceObservation = Observation | RuntimeObservation | ReportObservation;

/** Whether it is the kernel's evidence of kills, which goes into the books. */
export function isOfKernel(observation: SourceObservation): observation is Observation {
  switch (observation.kind) {
    case "container":
    case "exit":
    case "oom-report":
    case "gone":
    case "list":
    case "report":
      return false;
    default:
      return true;
  }
}

/**
 * One place that gives evidence. A source observes and never concludes: it emits observations that are complete, says
 * when it cannot see, and counts what it lost. It knows no other source and no sink.
 */
export interface Source {
  readonly name: SourceName;
  /**
   * Watches until `context.stop` aborts (`stopped`), or says why it cannot work here (`unavailable`). Rejects when it
   * worked and broke: the caller retries with back-off and counts it. Must call `context.up()` once it is watching, and
   * must have released everything (children, trace instances it may not leave, watches) when it settles.
   */
  run(context: SourceContext): Promise<SourceEnd>;
  /**
   * Another source spoke of a kill: read your counters soon. Never blocks, never throws, may coalesce. `cgroups` are the
   * paths named with the kill; empty when unknown.
   */
  poke?(cgroups: readonly string[]): void;
  /**
   * Only of counters of cgroups: whether the cgroup of this path is there, is still the one with this inode, and its count is read,
   * so that a kill in it must have shown.
   */
  isReadable?(path: string, id: number): boolean;
  /**
   * Only of counters: the program is about to end. Reads all of them one last time, at once and not for longer than
   * `FINISH_MILLISECONDS`, hands over what changed, and reads no more. Never throws.
   */
  finish?(): void;
  /** Only of the node's counter: it was read after this moment (µs, monotonic), and what was read was told; `null`: never. */
  readAfter?(): number | null;
}

/** A node's 2,000 cgroups take about 100 ms (50 µs each). */
export const FINISH_MILLISECONDS = 250;

export type SourceEnd =
  | { readonly kind: "stopped" }
  | {
      readonly kind: "unavailable";
      /** What is missing, by name: the file, kernel option, capability or mount. */
      readonly reason: string;
      /** What an operator does about it, as an imperative sentence; "" when nothing can be done on this kernel. */
      readonly remedy: string;
    };

export interface SourceContext {
  readonly host: Host;
  readonly stop: AbortSignal;
  /** This boot's id; a cursor of another boot is never handed over. */
  readonly bootId: string;
  /** What `saveCursor` stored last in this boot, perhaps by an earlier process; `null` at the first start. */
  readonly cursor: string | null;
  /** Hands over evidence in the order it was made. Never blocks and never throws. */
  emit(observations: readonly SourceObservation[]): void;
  /** The source is watching. `note` is one short clause for `doctor` and the header of `watch`, or "". */
  up(note: string): void;
  /** `count` pieces of evidence are known to be lost (log gap, ring overrun, full queue). */
  lost(count: number, what: string): void;
  /**
   * Somebody else got in its way and it put that right: told as `down` for a moment with `what`, a sentence, and counted as
   * one loss, since nobody knows what was not recorded meanwhile.
   */
  disturbed(what: string): void;
  /** Remembers how far the source came (≤ 4 KiB). Persisted with the checkpoint, off the hot path. */
  saveCursor(cursor: string): void;
}

/** How a source is configured; where the interfaces of the kernel are mounted can differ in a container. */
export interface SourceOptions {
  /** /proc of the host's pid namespace. */
  readonly procRoot: string;
  /** /sys of the host. */
  readonly sysRoot: string;
  readonly devRoot: string;
  /** Name of private trace instances: `oomwitness` for the agent; anything else is removed on exit. */
  readonly instanceName: string;
  /** Whether a trace instance stays behind on a clean exit, to record while nobody watches. */
  readonly keepInstance: boolean;
  /** Kills older than the start are reported too (kernel log backlog, left-over trace instance). */
  readonly history: boolean;
  /** Where a runtime listens, when not at one of its usual places: absolute paths of Unix sockets. */
  readonly sockets?: {
    readonly docker?: string;
    readonly containerd?: string;
    readonly cri?: string;
    readonly podman?: string;
  };
  /** Only these namespaces of containerd; absent: all. */
  readonly containerdNamespaces?: readonly string[];
  /** Where the user who started the program keeps sockets: $XDG_RUNTIME_DIR and $HOME. */
  readonly user?: { readonly runtimeDirectory: string | null; readonly home: string | null };
}

export const DEFAULT_SOURCE_OPTIONS: SourceOptions = {
  procRoot: "/proc",
  sysRoot: "/sys",
  devRoot: "/dev",
  instanceName: "oomwitness",
  keepInstance: true,
  history: true,
};
