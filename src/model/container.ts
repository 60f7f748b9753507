import type { RUNTIME_SOURCE_NAMES } from "./observation.ts";
import type { PodRecord } from "./record.ts";
import type { Instant } from "./time.ts";

/** Sources that speak of containers, not of kills. */
export type RuntimeSourceName = (typeof RUNTIME_SOURCE_NAMES)[number];

/** What a runtime says of a container. What it did not say is `null` and erases nothing that was said before. */
export interface ContainerFacts {
  /** `docker`, `containerd`, `cri-o`, `podman`: who runs it, whichever socket told. */
  readonly runtime: string;
  /** The full id, as in the cgroup's name. */
  readonly id: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly imageId: string | null;
  /** How often it was started again: by Docker's policy, or the kubelet's count. */
  readonly restarts: number | null;
  /** From labels: `io.kubernetes.pod.name`, `…namespace`, `…uid`, `io.kubernetes.container.name`. */
  readonly pod: PodRecord | null;
  /** The pause container of a pod: it owns a cgroup, and is nobody's workload. */
  readonly sandbox: boolean;
  /** Its memory cgroup as the host sees it, read from /proc/PID/cgroup while the main process lived. */
  readonly cgroupPath: string | null;
  /** Main process in the host's pid namespace; `null` before it runs and after it ended. */
  readonly mainPid: number | null;
  /** When the present run began. */
  readonly startedAt: Instant | null;
}

/** Who says it. */
interface Teller {
  readonly source: RuntimeSourceName;
  /** The user whose daemon it is; absent: the machine's own. A user's word counts for cgroups below that user's slice only. */
  readonly owner?: number;
}

/** A container exists, or something about it changed: told in full each time. */
export interface ContainerObservation extends Teller {
  readonly kind: "container";
  readonly at: Instant;
  readonly container: ContainerFacts;
}

/** The main process of a container ended; exits of `exec` processes are not told. */
export interface ExitObservation extends Teller {
  readonly kind: "exit";
  /** When it ended, by the runtime's clock; two sources may tell the same exit with stamps up to a second apart. */
  readonly at: Instant;
  readonly containerId: string;
  /** 0 … 255; 128 + N when signal N ended it; `null` when the runtime does not know. */
  readonly exitCode: number | null;
  readonly mainPid: number | null;
  /** Whether the runtime calls it an OOM kill (State.OOMKilled, reason, an OOM event of this run); `null`: it said nothing. */
  readonly oomReported: boolean | null;
}

/** The runtime says that the kernel killed something in this container. Coalesced, without a pid, sometimes false (facts 0.10). */
export interface OomReportObservation extends Teller {
  readonly kind: "oom-report";
  readonly at: Instant;
  readonly containerId: string;
}

/** The container was removed. */
export interface GoneObservation extends Teller {
  readonly kind: "gone";
  readonly at: Instant;
  readonly containerId: string;
}

/**
 * All containers this source knows, after it (re)connected: those it told of before and not now are gone. Comes after the
 * `container` observations of the same list.
 */
export interface ListObservation extends Teller {
  readonly kind: "list";
  readonly at: Instant;
  readonly containerIds: readonly string[];
}

export type RuntimeObservation =
  | ContainerObservation
  | ExitObservation
  | OomReportObservation
  | GoneObservation
  | ListObservation;
