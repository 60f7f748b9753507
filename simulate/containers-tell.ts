import type {
  ContainerFacts,
  RuntimeObservation,
  RuntimeSourceName,
} from "../src/model/container.ts";
import { type Instant, SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import { isWithin, type Plan } from "./containers-plan.ts";
import {
  BEGIN,
  END,
  MILLISECOND,
  type TrueContainer,
  type TrueRun,
  type World,
} from "./containers-world.ts";

/** Something the agent is told at `at`, if it is there. */
export interface Told {
  readonly at: number;
  readonly what:
    | { readonly kind: "observation"; readonly observation: RuntimeObservation }
    | { readonly kind: "source"; readonly source: RuntimeSourceName; readonly up: boolean };
}

const BOOTED_WALL = 1_763_700_000 * SECOND;

export function wallOf(at: number): number {
  return BOOTED_WALL + at;
}

/** Who tells what of the world, when, and what is lost on the way. */
export function tell(world: World, plan: Plan, random: Random): readonly Told[] {
  return new Teller(world, plan, random).all();
}

type Observed = Pick<RuntimeObservation, "kind">["kind"];
/** What a daemon says of a life. */
interface Stamps {
  /** When it tells that the process is there. */
  readonly created: number;
  /** What it says when asked when it started. */
  readonly exact: number;
  /** When it tells that it started. */
  readonly started: number;
  readonly inspected: number;
  /** When the life ended, by its word, and when it says so. */
  readonly ended: number;
  readonly died: number;
  readonly reported: boolean | null;
}

class Teller {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #told: Told[] = [];
  readonly #stamps = new Map<string, Stamps>();

  constructor(world: World, plan: Plan, random: Random) {
    this.#world = world;
    this.#plan = plan;
    this.#random = random;
  }

  all(): readonly Told[] {
    for (const container of this.#world.containers) {
      for (const source of container.sources) this.#live(container, source);
    }
    const sources = new Set(this.#world.containers.flatMap(({ sources }) => sources));
    for (const source of sources) this.#connections(source);
    return this.#told.toSorted((one, other) => one.at - other.at);
  }

  // --- events

  #live(container: TrueContainer, source: RuntimeSourceName): void {
    const { removedAt } = container;
    for (const run of container.runs) this.#liveRun(container, source, run);
    this.#event(source, removedAt, "gone", () => ({
      kind: "gone",
      source,
      at: this.#stamp(removedAt),
      containerId: container.id,
    }));
  }

  #liveRun(container: TrueContainer, source: RuntimeSourceName, run: TrueRun): void {
    const { created, exact, started, inspected, died } = this.#stampsOf(container, source, run);
    const nameless = source === "docker" || source === "podman" || source === "cri";
    const first = source === "containerd" ? created : started;
    this.#event(source, first, "container", () =>
      this.#facts(container, source, run, first, {
        mainPid: nameless ? null : run.pid,
        startedAt: source === "containerd" ? null : this.#stamp(started),
        cgroupPath: source === "containerd" && this.#random.chance(0.7) ? container.path : null,
      }),
    );
    if (source !== "cri" && inspected < run.end) {
      this.#event(source, inspected, "container", () =>
        this.#facts(container, source, run, inspected, {
          mainPid: run.pid,
          startedAt: this.#stamp(source === "containerd" ? started : exact),
          cgroupPath: container.path,
        }),
      );
    }
    this.#liveOom(container, source, run);
    this.#event(source, died, "exit", () => this.#exit(container, source, run));
  }

  /** Coalesced: one word for all kills of a moment. */
  #liveOom(container: TrueContainer, source: RuntimeSourceName, run: TrueRun): void {
    if (source === "cri" || source === "podman") return;
    if (this.#stampsOf(container, source, run).reported !== true || this.#random.chance(0.2))
      return;
    let last = 0;
    for (const { at } of run.kills) {
      if (at - last < SECOND / 2) continue;
      last = at;
      const stamp = at + 2 * MILLISECOND;
      this.#event(source, stamp, "oom-report", () => ({
        kind: "oom-report",
        source,
        at: this.#stamp(stamp),
        containerId: container.id,
      }));
    }
  }

  #event(
    source: RuntimeSourceName,
    at: number,
    kind: Observed,
    make: () => RuntimeObservation,
  ): void {
    if (at < BEGIN || at > END || !this.#hears(source, at)) return;
    const times = this.#random.chance(this.#plan.doubled) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const late = Math.floor(this.#random.fraction() * this.#plan.late);
      if (kind === "oom-report" && this.#random.chance(0.1)) continue;
      this.#observed(at + late + MILLISECOND, make());
    }
  }

  #hears(source: RuntimeSourceName, at: number): boolean {
    const { outages, crashes } = this.#plan;
    const own = outages.filter((one) => one.source === source);
    return !isWithin(own, at) && !isWithin(crashes, at);
  }

  // --- connections

  #connections(source: RuntimeSourceName): void {
    const own = this.#plan.outages.filter((one) => one.source === source);
    for (const { from, to } of own) {
      this.#say(from, source, false);
      this.#list(source, to, from);
    }
    for (const { from, to } of this.#plan.crashes) {
      const since = own.find((one) => to >= one.from && to < one.to);
      // What was heard after the last checkpoint is asked for again.
      if (since === undefined) this.#list(source, to, from - 6 * SECOND);
    }
    this.#list(source, BEGIN, null);
  }

  /** All there is, from what the daemon still knows; `since`: when it was last heard. */
  #list(source: RuntimeSourceName, from: number, since: number | null): void {
    const at = from + this.#random.int(1, 300) * MILLISECOND;
    this.#say(from, source, true);
    // The connection broke again before the list had come.
    if (!this.#hears(source, at)) return;
    const there = this.#world.containers.filter(
      ({ sources, runs, removedAt }) =>
        sources.includes(source) && removedAt > at && (runs[0]?.start ?? at) < at,
    );
    for (const container of there) this.#listed(container, source, at, since);
    const containerIds = there.map(({ id }) => id);
    this.#observed(at + MILLISECOND, { kind: "list", source, at: this.#exact(at), containerIds });
  }

  #listed(
    container: TrueContainer,
    source: RuntimeSourceName,
    at: number,
    since: number | null,
  ): void {
    const run = container.runs.findLast(({ start }) => start < at);
    if (run === undefined) return;
    const { exact, died } = this.#stampsOf(container, source, run);
    // A daemon that has not got round to it says nothing of this life yet, or that it goes on.
    const began = source === "containerd" || exact <= at;
    const running = began && died > at;
    if (!began) {
      this.#observed(at, this.#facts(container, source, run, at, {}));
      return;
    }
    const startedAt = source === "containerd" ? null : this.#stamp(exact);
    const facts = {
      mainPid: running && source !== "cri" ? run.pid : null,
      startedAt,
      cgroupPath: running && source !== "cri" ? container.path : null,
    };
    // Docker tells the life, and then that it is over.
    const cannotSay = source === "containerd" && !running;
    this.#observed(at, this.#facts(container, source, run, at, cannotSay ? {} : facts));
    const news = since !== null && died > since;
    const again = this.#random.chance(0.2);
    if (!running && (news || again)) this.#observed(at, this.#exit(container, source, run));
    if (source === "docker" && this.#plan.replays && since !== null)
      this.#replay(container, source, at, since);
  }

  /** Docker's 256 events: the ends of earlier lives, from a little before the gap. */
  #replay(container: TrueContainer, source: RuntimeSourceName, at: number, since: number): void {
    for (const run of container.runs) {
      const { ended, died } = this.#stampsOf(container, source, run);
      if (ended > since - 3 * SECOND && died < at) {
        this.#observed(at - MILLISECOND / 2, this.#exit(container, source, run));
      }
    }
  }

  // --- words

  #facts(
    container: TrueContainer,
    source: RuntimeSourceName,
    run: TrueRun,
    at: number,
    more: Partial<ContainerFacts>,
  ): RuntimeObservation {
    const { id, name, runtime, pod, sandbox } = container;
    const facts: ContainerFacts = {
      runtime,
      id,
      name,
      image: "box:2",
      imageId: null,
      restarts: source === "containerd" ? null : run.restarts,
      pod: pod && {
        namespace: "shop",
        name: pod.name,
        uid: pod.uid,
        container: sandbox ? null : name,
        qosClass: null,
        owner: null,
      },
      sandbox,
      cgroupPath: null,
      mainPid: null,
      startedAt: null,
      ...more,
    };
    return { kind: "container", source, at: this.#stamp(at), container: facts };
  }

  #exit(container: TrueContainer, source: RuntimeSourceName, run: TrueRun): RuntimeObservation {
    const { ended, reported, inspected } = this.#stampsOf(container, source, run);
    const knowsPid = source === "containerd" || (source !== "cri" && inspected < run.end);
    return {
      kind: "exit",
      source,
      at: this.#stamp(ended),
      containerId: container.id,
      exitCode: run.code,
      mainPid: knowsPid && this.#random.chance(0.8) ? run.pid : null,
      oomReported: reported,
    };
  }

  #stampsOf(container: TrueContainer, source: RuntimeSourceName, run: TrueRun): Stamps {
    const key = `${source} ${container.id} ${run.start}`;
    const known = this.#stamps.get(key);
    if (known !== undefined) return known;
    const stamps = this.#makeStamps(container, source, run);
    this.#stamps.set(key, stamps);
    return stamps;
  }

  #makeStamps(container: TrueContainer, source: RuntimeSourceName, run: TrueRun): Stamps {
    const random = this.#random;
    const times = this.#times(container, source, run);
    const seen = container.path.endsWith(".scope") && random.chance(this.#plan.scopeFirst);
    const notices = run.kills.length > 0 && !seen && random.chance(this.#plan.notices);
    const reported = notices || random.chance(this.#plan.falseAlarm);
    return {
      ...times,
      reported: !reported && source === "containerd" ? null : reported,
    };
  }

  #times(
    container: TrueContainer,
    source: RuntimeSourceName,
    run: TrueRun,
  ): Omit<Stamps, "reported"> {
    const random = this.#random;
    // Where only one daemon tells, it is right but for milliseconds.
    const isOneOfTwo = container.sources.includes("containerd") && container.sources.length > 1;
    const most = isOneOfTwo ? this.#plan.slow : 0;
    const next = container.runs[container.runs.indexOf(run) + 1]?.start ?? Number.POSITIVE_INFINITY;
    const until = Math.min(next, container.removedAt) - MILLISECOND / 2;
    const slow = () => Math.floor(random.fraction() * most);
    const within = (at: number) => Math.max(run.start, Math.min(at, until));
    const created = run.start + random.int(1, 50) * MILLISECOND;
    const ended = run.end + random.int(0, 10) * MILLISECOND;
    const look = () => random.int(1, 150) * MILLISECOND;
    if (most === 0) {
      const prompt = { created, exact: run.start, started: created, ended, died: run.end };
      return { ...prompt, inspected: created + look() };
    }
    // containerd tells of the start before the end.
    if (source === "containerd") {
      const started = Math.min(created + slow(), run.end);
      const inspected = started + look();
      return { created, exact: run.start, started, inspected, ended, died: ended };
    }
    const exact = within(run.start + slow());
    const started = within(exact + Math.floor(slow() / 4));
    const died = Math.max(started, within(ended + slow()));
    // The stamp of the one below, or of its own words where it could not be asked any more.
    const said = random.chance(0.8) ? Math.min(ended, died) : died;
    const inspected = started + look();
    // What it was not asked in time it knows by its own words.
    const begun = inspected < run.end ? exact : started;
    return { created, exact, started, inspected, ended: Math.max(begun, said), died };
  }

  /** A stamp of the daemon's, converted to our clock. */
  #stamp(at: number): Instant {
    const jitter = this.#random.int(-this.#plan.jitter, this.#plan.jitter);
    const uncertaintyMicroseconds = MILLISECOND;
    return {
      monotonicMicroseconds: at + jitter,
      wallMicroseconds: wallOf(at),
      uncertaintyMicroseconds,
    };
  }

  #exact(at: number): Instant {
    return { monotonicMicroseconds: at, wallMicroseconds: wallOf(at), uncertaintyMicroseconds: 0 };
  }

  #say(at: number, source: RuntimeSourceName, up: boolean): void {
    this.#told.push({ at, what: { kind: "source", source, up } });
  }

  #observed(at: number, observation: RuntimeObservation): void {
    this.#told.push({ at, what: { kind: "observation", observation } });
  }
}
