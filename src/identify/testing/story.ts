import type {
  ContainerFacts,
  RuntimeObservation,
  RuntimeSourceName,
} from "../../model/container.ts";
import type { Identity } from "../../model/identity.ts";
import type { ExitRecord, KillRecord } from "../../model/record.ts";
import { formatInstant, type Instant } from "../../model/time.ts";
import { Containers } from "../containers.ts";

const BOOTED_WALL = 1_763_700_000_000_000;

/** `ms` after the beginning of the story. */
export function instant(ms: number, uncertaintyMicroseconds = 0): Instant {
  const monotonicMicroseconds = 100_000_000 + ms * 1000;
  const wallMicroseconds = BOOTED_WALL + monotonicMicroseconds;
  return { monotonicMicroseconds, wallMicroseconds, uncertaintyMicroseconds };
}

/** A container id of 64 digits. */
export function idOf(number: number): string {
  return number.toString(16).padStart(64, "0");
}

const UNKNOWN_FACTS: ContainerFacts = {
  runtime: "docker",
  id: "",
  name: null,
  image: null,
  imageId: null,
  restarts: null,
  pod: null,
  sandbox: false,
  cgroupPath: null,
  mainPid: null,
  startedAt: null,
};

type Happening = Partial<Omit<ContainerFacts, "id">> & { readonly by?: RuntimeSourceName };
interface Ending {
  readonly code: number | null;
  readonly pid?: number | null;
  readonly oom?: boolean | null;
  readonly by?: RuntimeSourceName;
}

/** A kill as the ledger would open it. */
export function killRecord(ms: number, pid: number | null, place: Partial<KillRecord>): KillRecord {
  return {
    type: "kill",
    id: `kill-${ms}-${pid}`,
    revision: 0,
    at: formatInstant(instant(ms)),
    node: "worker-3",
    bootId: "0f6e1c2d-0000-4000-8000-000000000000",
    incident: { id: `kill-${ms}-${pid}`, group: false },
    victim: {
      pid,
      tid: pid,
      comm: "hog",
      uid: 0,
      oomScoreAdj: 0,
      main: null,
      totalVmBytes: null,
      anonRssBytes: null,
      fileRssBytes: null,
      shmemRssBytes: null,
      pageTableBytes: null,
    },
    trigger: null,
    outcome: "killed",
    limit: { scope: null, constraint: null, cgroup: null, bytes: null },
    cgroup: { path: null, id: null, version: null },
    container: null,
    pod: null,
    unit: null,
    visibility: "unknown",
    attribution: "exact",
    basis: "proc",
    recovered: false,
    witnesses: ["tracefs"],
    ...place,
  };
}

/** Tells `Containers` what happens, in milliseconds since the beginning, and collects what it tells. */
export class Story {
  containers: Containers;
  readonly exits: ExitRecord[] = [];
  /** What was last said of each kill. */
  readonly said = new Map<string, Identity>();
  readonly #kills = new Map<string, { readonly kill: KillRecord; readonly at: Instant }>();
  #now = 0;

  constructor(startedAt = 0, containers = new Containers(null)) {
    this.containers = containers;
    this.to(startedAt);
  }

  /** It is now `ms`. */
  to(ms: number): this {
    this.#now = ms;
    this.containers.advance(instant(ms).monotonicMicroseconds);
    return this.take();
  }

  take(): this {
    for (const id of this.containers.takeChanged()) {
      const kill = this.#kills.get(id);
      if (kill !== undefined) this.#tell(kill.kill, kill.at);
    }
    this.exits.push(...this.containers.takeExits());
    return this;
  }

  hear(observation: RuntimeObservation): this {
    this.containers.observe(observation);
    return this.take();
  }

  container(ms: number, number: number, { by = "docker", ...facts }: Happening): this {
    const container = { ...UNKNOWN_FACTS, ...facts, id: idOf(number) };
    return this.hear({ kind: "container", source: by, at: instant(ms), container });
  }

  exit(ms: number, number: number, { code, pid = null, oom = null, by = "docker" }: Ending): this {
    const containerId = idOf(number);
    const how = { exitCode: code, mainPid: pid, oomReported: oom };
    return this.hear({ kind: "exit", source: by, at: instant(ms), containerId, ...how });
  }

  oom(ms: number, number: number, source: RuntimeSourceName = "docker"): this {
    return this.hear({ kind: "oom-report", source, at: instant(ms), containerId: idOf(number) });
  }

  gone(ms: number, number: number, source: RuntimeSourceName = "docker"): this {
    return this.hear({ kind: "gone", source, at: instant(ms), containerId: idOf(number) });
  }

  list(ms: number, numbers: readonly number[], source: RuntimeSourceName = "docker"): this {
    const containerIds = numbers.map(idOf);
    return this.hear({ kind: "list", source, at: instant(ms), containerIds });
  }

  /** All counters were read after `ms`, and every kill in them is recorded. */
  balanced(ms: number): this {
    this.containers.balanced(instant(ms).monotonicMicroseconds);
    return this;
  }

  kill(ms: number, pid: number | null, place: Partial<KillRecord>, uncertainty = 0): this {
    const kill = killRecord(ms, pid, place);
    this.#tell(kill, instant(ms, uncertainty));
    return this.take();
  }

  identity(ms: number, pid: number | null): Identity | undefined {
    return this.said.get(`kill-${ms}-${pid}`);
  }

  /** The agent dies and comes again with `state` and a journal of what it told since. */
  restart(state: ReturnType<Containers["state"]>, journal: readonly ExitRecord[]): this {
    this.containers = new Containers(structuredClone(state));
    for (const { kill, at } of this.#kills.values()) this.containers.killTold(kill, at);
    for (const exit of journal) this.containers.exitTold(exit);
    return this.to(this.#now);
  }

  #tell(kill: KillRecord, at: Instant): void {
    this.#kills.set(kill.id, { kill, at });
    this.said.set(kill.id, this.containers.identify(kill, at));
    this.containers.killTold(kill, at);
  }
}

/** The cgroup of container `number`, as Docker's cgroupfs driver names it. */
export function cgroupOf(number: number): KillRecord["cgroup"] {
  return { path: `/docker/${idOf(number)}`, id: null, version: 2 };
}
