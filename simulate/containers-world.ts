import type { RuntimeSourceName } from "../src/model/container.ts";
import { SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";

/*
 * What really happens on a simulated machine with containers: lives of main processes, kills, ends. Times are µs on the
 * monotonic clock. Nothing here knows what anybody tells of it.
 */

export const MILLISECOND = 1000;
/** Nothing happens before or after. */
export const BEGIN = 100 * SECOND;
export const END = BEGIN + 60 * SECOND;

export interface TrueKill {
  readonly id: string;
  readonly at: number;
  readonly pid: number;
  readonly main: boolean;
  readonly container: TrueContainer;
  readonly run: TrueRun;
  readonly visible: boolean;
}

/** Why a main process ended. */
export type Cause = "oom" | "own-will" | "signal" | "passed-on" | "none";

export interface TrueRun {
  readonly pid: number;
  readonly start: number;
  /** Infinity: outlives the simulation. */
  readonly end: number;
  readonly cause: Cause;
  readonly code: number | null;
  readonly kills: TrueKill[];
  readonly restarts: number;
}

export interface TrueContainer {
  readonly id: string;
  readonly name: string;
  readonly runtime: "docker" | "containerd" | "cri-o" | "podman";
  /** Sources that tell of it, the best first. */
  readonly sources: readonly RuntimeSourceName[];
  readonly path: string;
  readonly pod: { readonly uid: string; readonly name: string } | null;
  readonly sandbox: boolean;
  readonly runs: TrueRun[];
  /** When it was removed; Infinity: never. */
  removedAt: number;
}

export interface World {
  readonly containers: readonly TrueContainer[];
  readonly kills: readonly TrueKill[];
}

/**
 * Pids come again: from few, though never within seconds, as the kernel takes the next one each time, and not as the main
 * process of the same container: that would be one in 32,768.
 */
class Pids {
  readonly #freeAt = new Map<number, number>();
  readonly #random: Random;
  readonly #many: number;

  constructor(random: Random, many: number) {
    this.#random = random;
    this.#many = many;
  }

  take(from: number, until: number, not: ReadonlySet<number> = new Set()): number {
    const free = Array.from({ length: this.#many }, (_, index) => 300 + index).filter(
      (pid) => (this.#freeAt.get(pid) ?? 0) < from && !not.has(pid),
    );
    const pid = free.length === 0 ? 10_000 + this.#freeAt.size : this.#random.pick(free);
    this.#freeAt.set(pid, until + 5 * SECOND);
    return pid;
  }
}

const KINDS = ["docker", "pod", "podman", "nerdctl"] as const;

export function makeWorld(random: Random): World {
  const maker = new WorldMaker(random);
  const many = random.int(1, 6);
  for (let index = 0; index < many; index++) maker.add(random.pick(KINDS));
  return maker.world();
}

class WorldMaker {
  readonly #random: Random;
  readonly #pids: Pids;
  readonly #containers: TrueContainer[] = [];
  #ids = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#pids = new Pids(random, random.int(15, 200));
  }

  world(): World {
    // Pids are taken in the order of time, or they would be two processes' at once.
    const kills = this.#containers.flatMap(({ runs }) => runs.flatMap((run) => run.kills));
    return { containers: this.#containers, kills: kills.toSorted((a, b) => a.at - b.at) };
  }

  add(kind: (typeof KINDS)[number]): void {
    const name = `name-${this.#random.int(1, 3)}`;
    if (kind === "pod") {
      this.#addPod();
      return;
    }
    const id = this.#id();
    const [runtime, sources, path] = this.#place(kind, id);
    const from = BEGIN - this.#random.int(-20, 20) * SECOND;
    const times = kind === "nerdctl" ? 1 : this.#random.int(1, 4);
    const gone = this.#container(
      { id, name, runtime, sources, path, pod: null, sandbox: false },
      from,
      times,
    );
    // Recreated under the same name.
    if (Number.isFinite(gone) && this.#random.chance(0.3)) {
      const again = this.#id();
      const [, , other] = this.#place(kind, again);
      const said = { id: again, name, runtime, sources, path: other, pod: null, sandbox: false };
      this.#container(said, gone + this.#random.int(50, 3_000) * MILLISECOND, 1);
    }
  }

  #place(
    kind: Exclude<(typeof KINDS)[number], "pod">,
    id: string,
  ): readonly [TrueContainer["runtime"], readonly RuntimeSourceName[], string] {
    const { chance } = { chance: (of: number) => this.#random.chance(of) };
    switch (kind) {
      case "docker": {
        const sources = chance(0.5) ? (["docker", "containerd"] as const) : (["docker"] as const);
        return ["docker", sources, chance(0.5) ? `/docker/${id}` : `/x.slice/docker-${id}.scope`];
      }
      case "podman":
        return ["podman", ["podman"], `/machine.slice/libpod-${id}.scope`];
      case "nerdctl":
        // A cgroup parent of the user's own, which says nothing of the container.
        return [
          "containerd",
          ["containerd"],
          chance(0.5) ? `/default/${id}` : `/batch/job-${id.slice(-4)}`,
        ];
      default:
        return kind satisfies never;
    }
  }

  #addPod(): void {
    const uid = `6a4ce4a0-ba47-11ea-b2a7-${this.#id().slice(-12)}`;
    const pod = { uid, name: `pod-${uid.slice(-2)}` };
    const crio = this.#random.chance(0.3);
    const runtime = crio ? "cri-o" : "containerd";
    const sources: readonly RuntimeSourceName[] = crio
      ? ["cri"]
      : this.#random.chance(0.5)
        ? ["containerd", "cri"]
        : ["containerd"];
    const begin = BEGIN - this.#random.int(-10, 20) * SECOND;
    const make = (name: string, from: number, sandbox: boolean) => {
      const id = this.#id();
      const prefix = crio ? "crio" : "cri-containerd";
      const below = crio && !sandbox && this.#random.chance(0.5) ? "/container" : "";
      const path = `/kubepods/burstable/pod${uid}/${prefix}-${id}${below}`;
      return this.#container({ id, name, runtime, sources, path, pod, sandbox }, from, 1);
    };
    make("POD", begin, true);
    for (const name of ["api", "sidecar"].slice(0, this.#random.int(1, 2))) {
      let from = begin + this.#random.int(100, 3_000) * MILLISECOND;
      for (
        let attempt = 0;
        attempt < 4 && Number.isFinite(from) && from < END - 15 * SECOND;
        attempt++
      ) {
        from = make(name, from, false) + this.#random.int(200, 8_000) * MILLISECOND;
      }
    }
  }

  /** Returns when it was over: removed, or ended for the last time. */
  #container(said: Omit<TrueContainer, "runs" | "removedAt">, from: number, times: number): number {
    const container: TrueContainer = { ...said, runs: [], removedAt: Number.POSITIVE_INFINITY };
    this.#containers.push(container);
    let start = from;
    for (let restarts = 0; restarts < times && start < END - 15 * SECOND; restarts++) {
      const end = this.#run(container, start, restarts);
      start = end + this.#random.int(100, 3_000) * MILLISECOND;
      if (!Number.isFinite(end)) return end;
    }
    const last = container.runs.at(-1)?.end ?? from;
    if (this.#random.chance(0.6)) {
      const longer = this.#random.chance(0.5) ? 50 : 8_000;
      container.removedAt = last + this.#random.int(1, longer) * MILLISECOND;
      return container.removedAt;
    }
    return last;
  }

  #run(container: TrueContainer, start: number, restarts: number): number {
    const random = this.#random;
    const long = random.chance(0.3) ? 1_500 : 15_000;
    const planned = start + random.int(60, long) * MILLISECOND;
    const late = planned > END - 12 * SECOND;
    const stays = container.sandbox ? random.chance(0.5) : late || random.chance(0.2);
    const causes: readonly Cause[] = ["oom", "oom", "own-will", "signal", "passed-on"];
    const why = container.sandbox ? "own-will" : random.pick(causes);
    const cause: Cause = stays ? "none" : why;
    // A sandbox ends after the containers of its pod.
    const end = stays ? Number.POSITIVE_INFINITY : container.sandbox ? END - SECOND : planned;
    const before = new Set(container.runs.map((one) => one.pid));
    const pid = this.#pids.take(start, stays ? Number.POSITIVE_INFINITY : end, before);
    const run: TrueRun = { pid, start, end, cause, code: this.#codeOf(cause), kills: [], restarts };
    container.runs.push(run);
    if (!container.sandbox) this.#kill(container, run);
    run.kills.sort((one, other) => one.at - other.at);
    return end;
  }

  #codeOf(cause: Cause): number | null {
    switch (cause) {
      case "oom":
      case "signal":
      case "passed-on":
        return 137;
      case "own-will":
        return this.#random.pick([0, 143, 1, 2, 139]);
      case "none":
        return null;
      default:
        return cause satisfies never;
    }
  }

  /** The kills of a life: of children, well before its end or just before, and of the main process at the end. */
  #kill(container: TrueContainer, run: TrueRun): void {
    const random = this.#random;
    const until = Math.min(run.end, END - 12 * SECOND);
    const children = random.chance(0.5) ? random.int(0, 4) : 0;
    for (let index = 0; index < children; index++) {
      const at = run.start + Math.floor(random.fraction() * (until - run.start));
      this.#killAt(container, run, at, false);
    }
    if (run.cause === "passed-on") {
      this.#killAt(container, run, run.end - random.int(2, 80) * MILLISECOND, false);
    }
    if (run.cause !== "oom") return;
    const at = run.end - random.int(1, 15) * MILLISECOND;
    this.#killAt(container, run, at, true);
    // A group kill takes all of them.
    const members = random.chance(0.3) ? random.int(1, 3) : 0;
    for (let index = 0; index < members; index++) {
      this.#killAt(container, run, at + random.int(-800, 800), false);
    }
  }

  #killAt(container: TrueContainer, run: TrueRun, at: number, main: boolean): void {
    const left = run.end - at;
    // What outlived a kill by just a second is a matter of taste.
    const atEdge = left > 0.9 * SECOND && left < 1.15 * SECOND;
    if (at < run.start || at < BEGIN + SECOND || left <= 0 || atEdge) return;
    const pid = main ? run.pid : this.#pids.take(at - SECOND, at);
    const id = `k${container.id.slice(-4)}-${run.kills.length}-${at}`;
    const visible = left <= SECOND;
    run.kills.push({ id, at, pid, main, container, run, visible });
  }

  #id(): string {
    this.#ids++;
    const head = this.#random.word().toString(16).padStart(8, "0");
    return `${head.repeat(7)}${this.#ids.toString(16).padStart(8, "0")}`;
  }
}
