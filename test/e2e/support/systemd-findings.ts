import type {
  ExitRecord,
  KillRecord,
  LedgerRecord,
  OutputRecord,
  SourceRecord,
} from "../../../src/model/record.ts";

// What `guest-systemd.ts` leaves for its judge.

/** A container that ended, and what containerd said of it. */
export interface ContainerDeath {
  readonly id: string;
  readonly pod: string;
  readonly podUid: string;
  readonly namespace: string;
  readonly exitCode: number;
  /** The CRI's word: `OOMKilled`, or `Error` where containerd found no cgroup to read any more. */
  readonly reason: string;
}

/** A container that containerd could not start: newer runc hardly fits into 15 MiB itself, and is then killed in its stead. */
export interface FailedStart {
  readonly id: string;
  readonly pod: string;
  readonly podUid: string;
  readonly error: string;
}

export interface Containers {
  readonly version: string;
  /** Kills in /proc/vmstat meanwhile. */
  readonly kernel: number;
  /** Kills that kubepods.slice counted. */
  readonly slice: number;
  /** Containers of which containerd sent a TaskOOM event, early or late. */
  readonly oomEvents: readonly string[];
  readonly failures: readonly FailedStart[];
  readonly deaths: readonly ContainerDeath[];
  /** A child of it was killed; it ended later, by itself. */
  readonly survivor: ContainerDeath;
}

/** A unit in which the kernel killed, as kernel and systemd told of it afterwards. */
export interface UnitDeath {
  readonly unit: string;
  readonly cgroup: string;
  /** `null` for a scope: its processes are not children of systemd. */
  readonly mainPid: number | null;
  /** `Killed process` lines of the kernel: the first victim of a group kill has two. */
  readonly killedPids: readonly number[];
  /** `ActiveState` and `Result`. */
  readonly state: string;
  readonly result: string;
}

export interface End {
  readonly kills: readonly KillRecord[];
  readonly ledger: LedgerRecord;
  readonly sources: readonly SourceRecord[];
  /** What a client of the event stream was told, in this order. */
  readonly records: readonly OutputRecord[];
  /** What Prometheus gets. */
  readonly metrics: string;
}

/** Reads what the guest left; `records` are those of its event stream. */
export class Findings {
  readonly containers: Containers;
  readonly units: readonly UnitDeath[];
  readonly end: End;

  constructor(files: Readonly<Record<string, string>>) {
    const read = (name: string): unknown => JSON.parse(files[`${name}.json`] ?? "null");
    this.containers = read("containers") as Containers;
    this.units = read("units") as UnitDeath[];
    this.end = read("end") as End;
  }

  /** The kills that the API tells of in a cgroup. */
  killsAt(cgroup: string): readonly KillRecord[] {
    return this.end.kills.filter(({ cgroup: { path } }) => path === cgroup);
  }

  killsOf(containerId: string): readonly KillRecord[] {
    return this.end.kills.filter(({ container }) => container?.id === containerId);
  }

  /** Sum of the series of a metric that have all these labels. */
  sumOf(metric: string, ...labels: readonly string[]): number {
    const lines = this.end.metrics.split("\n").filter((line) => line.startsWith(`${metric}{`));
    const ours = lines.filter((line) => labels.every((label) => line.includes(label)));
    return ours.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  exitsOf(containerId: string): readonly ExitRecord[] {
    return this.end.records.flatMap((record) =>
      record.type === "exit" && record.container.id === containerId ? [record] : [],
    );
  }
}
