import type { ContainersState } from "../src/identify/containers.ts";
import type { RuntimeObservation } from "../src/model/container.ts";
import type { Instant } from "../src/model/time.ts";

/** A mistake somebody could make around `Containers`; only the simulator's own tests switch one on. */
export interface ContainersBug {
  readonly name: string;
  readonly observed: (one: RuntimeObservation, now: number) => readonly RuntimeObservation[];
  readonly killAt: (at: Instant, now: number) => Instant;
  readonly state: (state: ContainersState | null) => ContainersState | null;
  readonly amends: boolean;
  readonly hurries: boolean;
  readonly hearsOutages: boolean;
  readonly replaysKills: boolean;
  readonly replaysExits: boolean;
}

export const NO_BUG: ContainersBug = {
  name: "none",
  observed: (one) => [one],
  killAt: (at) => at,
  state: (state) => state,
  amends: true,
  hurries: false,
  hearsOutages: true,
  replaysKills: true,
  replaysExits: true,
};

type Planted = Partial<Omit<ContainersBug, "name">>;
type Container = Extract<RuntimeObservation, { kind: "container" }>;
type Exit = Extract<RuntimeObservation, { kind: "exit" }>;

const BUGS: Readonly<Record<string, () => Planted>> = {
  /** Whose it was is asked for the moment at which the kill is heard of. */
  "kill-at-arrival": () => ({
    killAt: (at, now) => ({ ...at, monotonicMicroseconds: now, uncertaintyMicroseconds: 0 }),
  }),
  /** What became known later is not told. */
  "never-amends": () => ({ amends: false }),
  /** Exits are told without waiting for their kills. */
  "exits-at-once": () => ({ hurries: true }),
  /** Nobody hears that a daemon is away: silence is taken for life. */
  "silence-is-life": () => ({ hearsOutages: false }),
  /** What the journal has of kills is not taken in. */
  "journal-without-kills": () => ({ replaysKills: false }),
  /** What the journal has of exits is told again. */
  "journal-without-exits": () => ({ replaysExits: false }),
  /** The checkpoint forgets which exits were told. */
  "checkpoint-forgets-told": () =>
    eachState((state) => ({
      ...state,
      inventory: {
        ...state.inventory,
        entries: state.inventory.entries.map((entry) => ({
          ...entry,
          endings: entry.endings.map((one) => ({ ...one, told: false })),
        })),
      },
    })),
  /** The checkpoint forgets the containers. */
  "checkpoint-without-containers": () =>
    eachState((state) => ({ ...state, inventory: { entries: [], lists: [], gaps: [] } })),
  /** The first start takes history for news. */
  "history-is-news": () => ({
    state: (state) =>
      state ?? {
        inventory: { entries: [], lists: [], gaps: [] },
        kills: [],
        watchingSince: 0,
        wallOffset: null,
        toldBefore: [],
        savedAt: 0,
      },
  }),
  /** An `exec` that ends is taken for the container. */
  "exec-exits-count": () => {
    let count = 0;
    return eachContainer((one) =>
      one.container.mainPid !== null && ++count % 5 === 0
        ? [one, { ...exitOf(one), exitCode: 0 }]
        : [one],
    );
  },
  /** A start that a daemon stamps late is taken for the next life: the one before must have ended. */
  "late-start-ends-a-life": () =>
    eachContainer((one) => {
      const { mainPid, startedAt } = one.container;
      const isLate = one.source === "docker" && mainPid === null && startedAt !== null;
      return isLate ? [{ ...exitOf(one), at: startedAt, exitCode: null }, one] : [one];
    }),
  /** The reason is believed: OOMKilled means 137. */
  "reason-is-cause": () =>
    eachExit((one) => [one.oomReported === true ? { ...one, exitCode: 137 } : one]),
  /** Containers are told apart by their names. */
  "name-is-identity": () => {
    const first = new Map<string, string>();
    const same = new Map<string, string>();
    const rename = (id: string) => same.get(id) ?? id;
    return {
      observed: (one) => {
        if (one.kind === "list") return [{ ...one, containerIds: one.containerIds.map(rename) }];
        if (one.kind !== "container") return [{ ...one, containerId: rename(one.containerId) }];
        const { id, name } = one.container;
        const known = first.get(name ?? id) ?? id;
        first.set(name ?? id, known);
        same.set(id, known);
        return [{ ...one, container: { ...one.container, id: known } }];
      },
    };
  },
  /** The first main pid of a container is taken for all its lives. */
  "main-pid-is-forever": () => {
    const pids = new Map<string, number>();
    return eachContainer((one) => {
      const { id, mainPid } = one.container;
      if (mainPid !== null && !pids.has(id)) pids.set(id, mainPid);
      const first = mainPid === null ? null : (pids.get(id) ?? null);
      return [{ ...one, container: { ...one.container, mainPid: first } }];
    });
  },
  /** An exit is taken to have been when it was heard of. */
  "exit-at-arrival": () =>
    eachExit((one, now) => {
      const late = now - one.at.monotonicMicroseconds;
      const wallMicroseconds = one.at.wallMicroseconds + late;
      return [{ ...one, at: { ...one.at, monotonicMicroseconds: now, wallMicroseconds } }];
    }),
  /** A list is not compared with what was known: who is missing from it is not missed. */
  "lists-say-nothing": () => ({
    observed: (one) => (one.kind === "list" ? [{ ...one, containerIds: [] }] : [one]),
  }),
  /** The exit code that a runtime does not say is taken for 0. */
  "sandboxes-are-workloads": () =>
    eachContainer((one) => [{ ...one, container: { ...one.container, sandbox: false } }]),
};

export const CONTAINERS_BUG_NAMES: readonly string[] = Object.keys(BUGS);

/** A fresh bug for one schedule: some remember what they saw. `null` when there is no such bug. */
export function plantContainersBug(name: string): ContainersBug | null {
  const make = BUGS[name];
  return make === undefined ? null : { ...NO_BUG, ...make(), name };
}

function eachState(change: (state: ContainersState) => ContainersState): Planted {
  return { state: (state) => (state === null ? null : change(state)) };
}

function eachContainer(change: (one: Container) => readonly RuntimeObservation[]): Planted {
  return { observed: (one) => (one.kind === "container" ? change(one) : [one]) };
}

function eachExit(change: (one: Exit, now: number) => readonly RuntimeObservation[]): Planted {
  return { observed: (one, now) => (one.kind === "exit" ? change(one, now) : [one]) };
}

function exitOf({ source, at, container }: Container): Exit {
  const { id, mainPid } = container;
  const how = { exitCode: 0, oomReported: null, mainPid };
  return { kind: "exit", source, at, containerId: id, ...how };
}
