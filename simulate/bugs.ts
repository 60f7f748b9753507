import type { Observation } from "../src/model/observation.ts";
import { seal, unseal } from "../src/std/seal.ts";

/**
 * A mistake somebody could make, planted between the sources and the ledger or between the agent and its disk; only the
 * simulator's own tests switch one on. The check fails when the simulator stops finding one.
 */
export interface Bug {
  readonly name: string;
  /** Makes observations wrong on their way to the ledger. */
  readonly observed?: (observations: readonly Observation[], now: number) => readonly Observation[];
  /** The trace reader takes a mark for a kill, whether a signal came before it or not. */
  readonly trustsPhantoms?: boolean;
  /** Makes wrong what is written to the state directory; `before` is what the file held. */
  readonly written?: (path: string, text: string, before: string | undefined) => string;
}

type Kind<Name extends Observation["kind"]> = Extract<Observation, { kind: Name }>;

/** A fresh bug for one schedule: some remember what they saw. `null` when there is no such bug. */
export function plantBug(name: string): Bug | null {
  const make = BUGS[name];
  return make === undefined ? null : { name, ...make() };
}

type Planted = Omit<Bug, "name">;

const BUGS: Readonly<Record<string, () => Planted>> = {
  /** The second kill of a group's first victim is taken for a kill of somebody else: a repeat alone the ledger would know. */
  "repeat-is-a-kill": () =>
    eachKill((kill) => {
      if (!kill.repeat) return kill;
      const victim = { ...kill.victim, tid: kill.victim.tid + 500_000 };
      return { ...kill, victim, repeat: false, incident: kill.sequence };
    }),
  /** A second kill is dropped, as if the books did not have it, and so is the word that it was a group kill. */
  "repeat-is-nothing": () => ({
    observed: (observations) =>
      observations
        .filter((one) => one.kind !== "group" && !(one.kind === "kill" && one.repeat))
        .map((one) => (one.kind === "counter" ? { ...one, oomGroupKill: null } : one)),
  }),
  /** Evidence is named by when it came, so that it is new each time it is read. */
  "sequence-by-arrival": () => {
    let arrivals = 0;
    return eachKill((kill) => ({
      ...kill,
      sequence: `${kill.sequence}-${++arrivals}`,
      victim: { ...kill.victim, tid: kill.victim.tid + arrivals * 100_000 },
    }));
  },
  /** Kills are stamped with the time they were heard of. */
  "time-of-arrival": () => ({
    observed: (observations, now) =>
      observations.map((one) =>
        one.kind === "kill"
          ? { ...one, at: { ...one.at, monotonicMicroseconds: now, uncertaintyMicroseconds: 0 } }
          : one,
      ),
  }),
  /** A counter is taken to have risen at the moment it was read. */
  "counter-as-instant": () => eachCounter((counter) => ({ ...counter, since: counter.at })),
  /** The journal is never written: what was told after the checkpoint is forgotten. */
  "no-journal": () => ({
    written: (path, text, before) => (path.endsWith("journal.jsonl") ? (before ?? "") : text),
  }),
  /** The checkpoint leaves the books out. */
  "no-books-in-checkpoint": () =>
    eachCheckpoint((ledger) => ({ ...ledger, books: [], node: null, kills: [] })),
  /** The checkpoint forgets recent kills and the totals stay. */
  "no-kills-in-checkpoint": () => eachCheckpoint((ledger) => ({ ...ledger, kills: [] })),
  /** A mark is believed to be a kill: each phantom becomes one. */
  "trust-phantoms": () => ({ trustsPhantoms: true }),
  /** The same thread id is the same kill, whenever it was. */
  "merge-by-pid": () => {
    const first = new Map<number, Kind<"kill">>();
    return eachKill((kill) => {
      const known = first.get(kill.victim.tid);
      if (known === undefined) first.set(kill.victim.tid, kill);
      return known?.source === kill.source
        ? { ...kill, at: known.at, sequence: known.sequence, incident: known.incident }
        : kill;
    });
  },
  /** The log's victims have another user: where its clock lies nothing says any more that they are the trace's. */
  "clock-alone-decides": () =>
    eachKill((kill) => {
      if (kill.source !== "kernel-log") return kill;
      return { ...kill, victim: { ...kill.victim, uid: (kill.victim.uid ?? 0) + 1 } };
    }),
  /** Sharers of a victim's memory are taken for kills the kernel counted. */
  "sharers-count": () => eachKill((kill) => ({ ...kill, counted: true })),
  /** The cgroup is read when the evidence is handled, and by then it is the neighbour's. */
  "cgroup-of-the-last": () => {
    let last: Kind<"kill">["cgroup"] = null;
    return eachKill((kill) => {
      const guessed = kill.cgroup ?? last;
      last = kill.cgroup ?? last;
      return { ...kill, cgroup: guessed };
    });
  },
  /** A lost reading: the node's book is read once and never again. */
  "deaf-node-book": () => ({
    observed: (observations) =>
      observations.filter(
        (one) => one.kind !== "counter" || one.book.kind !== "node" || one.baseline,
      ),
  }),
};

export const BUG_NAMES: readonly string[] = Object.keys(BUGS);

function eachKill(change: (kill: Kind<"kill">) => Observation): Planted {
  return {
    observed: (observations) =>
      observations.map((one) => (one.kind === "kill" ? change(one) : one)),
  };
}

function eachCounter(change: (counter: Kind<"counter">) => Observation): Planted {
  return {
    observed: (observations) =>
      observations.map((one) => (one.kind === "counter" ? change(one) : one)),
  };
}

function eachCheckpoint(change: (ledger: object) => object): Planted {
  return {
    written: (path, text) => {
      if (!path.endsWith("checkpoint.json")) return text;
      const checkpoint: unknown = JSON.parse(unseal(text.trimEnd()) ?? "null");
      if (typeof checkpoint !== "object" || checkpoint === null || !("ledger" in checkpoint))
        return text;
      const { ledger } = checkpoint;
      if (typeof ledger !== "object" || ledger === null) return text;
      return `${seal(JSON.stringify({ ...checkpoint, ledger: change(ledger) }))}\n`;
    },
  };
}
