import { SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import type { Cgroup, Incident, Kernel, Phantom, TrueKill, Truth } from "./truth.ts";

/** Swarm switches: each seed has some kinds of trouble and not others, so that rare combinations come up. */
interface Kinds {
  readonly groups: boolean;
  readonly ancestors: boolean;
  readonly nodeWide: boolean;
  readonly deadLeaders: boolean;
  readonly sharers: boolean;
  readonly phantoms: boolean;
  readonly removal: boolean;
  readonly reuse: boolean;
  readonly bursts: boolean;
}

/**
 * A pid comes back when 32,768 others were used, in 3 s at the fastest. A kernel log read after the fact is dated to
 * seconds (9 a day after boot), and two kills of one pid within that, each seen by one source, cannot be told apart.
 */
const REUSE_MICROSECONDS = 12 * SECOND;
const COMMS = ["hog", "java", "x) Killed process 1 (init", "a b", "worker-1", "node"];

/** Generates what happens on the machine; with `storm` the agent starts amid many kills. Draws only from `random`: the same seed is the same world. */
export function makeTruth(random: Random, storm: boolean): Truth {
  return new World(random, storm).make();
}

class World {
  readonly #random: Random;
  readonly #kinds: Kinds;
  readonly #kernel: Kernel;
  readonly #startsAt: number;
  readonly #storm: boolean;
  readonly #cgroups: Cgroup[] = [];
  readonly #used: { tid: number; at: number }[] = [];
  #nextInode = 70;
  #nextTid: number;
  #now: number;

  constructor(random: Random, storm: boolean) {
    this.#random = random;
    this.#storm = storm;
    const on = () => random.chance(0.5);
    this.#kinds = {
      groups: on(),
      ancestors: on(),
      nodeWide: on(),
      deadLeaders: on(),
      sharers: on(),
      phantoms: on(),
      removal: on(),
      reuse: random.chance(0.15),
      bursts: on(),
    };
    this.#kernel = makeKernel(random);
    this.#startsAt = startTime(random);
    this.#now = this.#startsAt;
    this.#nextTid = random.int(300, 30_000);
  }

  make(): Truth {
    this.#makeCgroups();
    const random = this.#random;
    // History: some kills happened before anybody watched.
    this.#now = this.#startsAt - (random.chance(0.3) ? random.int(0, 3) * SECOND : 0);
    if (this.#storm) this.#now = Math.min(this.#now, this.#startsAt - random.int(0, SECOND));
    const incidents: Incident[] = [];
    const phantoms: Phantom[] = [];
    const amount = random.chance(this.#storm ? 1 : 0.05) ? random.int(12, 30) : random.int(1, 6);
    while (incidents.length < amount) {
      this.#pause();
      if (this.#kinds.phantoms && random.chance(0.2)) phantoms.push(this.#phantom());
      incidents.push(this.#incident(incidents.length));
      if (this.#kinds.removal && random.chance(0.3)) this.#replace();
    }
    return {
      kernel: this.#kernel,
      startsAt: this.#startsAt,
      endsAt: this.#now + SECOND / 10,
      cgroups: this.#cgroups,
      incidents,
      phantoms,
    };
  }

  #pause(): void {
    const random = this.#random;
    const burst = (this.#storm || this.#kinds.bursts) && random.chance(0.8);
    this.#now += burst
      ? random.int(300, this.#storm ? 100_000 : 5_000)
      : random.int(5_000, this.#kinds.reuse ? 6_000_000 : 900_000);
    // The first reading of the counters is not one instant; nothing happens while it is made (see README of the simulator).
    if (Math.abs(this.#now - this.#startsAt) < 60_000) this.#now = this.#startsAt + 60_000;
  }

  #makeCgroups(): void {
    const random = this.#random;
    const tops = ["kubepods.slice", "system.slice", "docker"].slice(0, random.int(1, 3));
    for (const name of tops) {
      const top = this.#makeCgroup(`/${name}`, null, 0, false);
      for (let child = random.int(0, 2); child > 0; child--) {
        const path = `${top.path}/p${child}`;
        const middle = this.#makeCgroup(path, top, 0, this.#kinds.groups && random.chance(0.3));
        for (let leaf = random.int(0, 2); leaf > 0; leaf--) {
          const group = this.#kinds.groups && random.chance(0.5);
          this.#makeCgroup(`${path}/c${leaf}`, middle, 0, group);
        }
      }
    }
  }

  #makeCgroup(path: string, parent: Cgroup | null, bornAt: number, group: boolean): Cgroup {
    const cgroup: Cgroup = {
      path,
      id: this.#nextInode++,
      parent,
      group: group && this.#kernel.version === 2,
      limitBytes: this.#random.chance(0.7) ? this.#random.int(5, 50) * 1_048_576 : null,
      bornAt,
      goneAt: Number.POSITIVE_INFINITY,
    };
    this.#cgroups.push(cgroup);
    return cgroup;
  }

  #living(): Cgroup[] {
    return this.#cgroups.filter((cgroup) => cgroup.goneAt > this.#now);
  }

  /** A container goes after its kill, and perhaps comes again under the same name. */
  #replace(): void {
    const leaves = this.#living().filter(
      (cgroup) =>
        cgroup.parent !== null && !this.#living().some((other) => other.parent === cgroup),
    );
    if (leaves.length === 0) return;
    const leaf = this.#random.pick(leaves);
    // A cgroup can only be removed once its last process is gone.
    this.#now += this.#random.int(30_000, 60_000);
    leaf.goneAt = this.#now;
    if (this.#random.chance(0.3)) return;
    this.#now += this.#random.int(1_000, 200_000);
    this.#makeCgroup(leaf.path, leaf.parent, this.#now, leaf.group);
  }

  #incident(number: number): Incident {
    const random = this.#random;
    const victim = random.pick(this.#living());
    const ancestors = lineage(victim);
    const nodeWide = this.#kinds.nodeWide && random.chance(0.2);
    const limit = nodeWide ? null : this.#kinds.ancestors ? random.pick(ancestors) : victim;
    const group = groupOf(victim, limit);
    const at = this.#now;
    this.#now += random.int(200, 3_000);
    const kills =
      group === null ? this.#single(victim, number) : this.#group(victim, group, number);
    const [first] = kills;
    const byVictim = first !== undefined && !nodeWide && random.chance(0.6);
    const trigger = byVictim
      ? { pid: first.tid, comm: first.comm }
      : { pid: this.#tid(), comm: random.pick(COMMS) };
    const constraint = nodeWide ? "none" : "memcg";
    return { number, at, trigger, constraint, limit, group, kills };
  }

  #single(cgroup: Cgroup, incident: number): TrueKill[] {
    const kill = this.#kill(cgroup, incident, null);
    return [kill, ...this.#sharers(kill, incident)];
  }

  /** Every process of the group's cgroups dies; the first victim is visited a second time, wherever it stands in line. */
  #group(cgroup: Cgroup, group: Cgroup, incident: number): TrueKill[] {
    const random = this.#random;
    const homes = this.#living().filter((home) => lineage(home).includes(group));
    const others = random.int(0, 4);
    const place = random.int(0, others);
    const skipped = random.chance(0.1);
    const firstAt = this.#now;
    this.#now += random.int(100, 400);
    const later: TrueKill[] = [];
    let repeatedAt: number | null = null;
    for (let index = 0; index <= others; index++) {
      if (index !== place) later.push(this.#kill(random.pick(homes), incident, null));
      else if (!skipped) repeatedAt = this.#now;
      this.#now += random.int(50, 300);
    }
    const end = this.#now;
    this.#now = firstAt;
    const first = this.#kill(cgroup, incident, repeatedAt);
    this.#now = end;
    return [first, ...later];
  }

  #kill(cgroup: Cgroup, incident: number, repeatedAt: number | null): TrueKill {
    const random = this.#random;
    const tid = this.#tid();
    const deadLeader = this.#kinds.deadLeaders && random.chance(0.3);
    const at = this.#now;
    this.#now += random.int(60, 150);
    return {
      at,
      tid,
      tgid: deadLeader ? tid - 1 : tid,
      comm: random.pick(COMMS),
      uid: random.pick([0, 1000]),
      cgroup,
      incident,
      counted: true,
      repeatedAt,
      goneAt: at + random.int(100, 25_000),
      anonKilobytes: random.int(1_000, 20_000),
    };
  }

  #sharers(kill: TrueKill, incident: number): TrueKill[] {
    if (!this.#kinds.sharers || !this.#random.chance(0.3)) return [];
    const tid = this.#tid();
    const at = kill.at + this.#random.int(30, 50);
    return [{ ...kill, at, tid, tgid: tid, counted: false, incident, repeatedAt: null }];
  }

  #phantom(): Phantom {
    const phantom = {
      at: this.#now,
      tid: this.#tid(),
      comm: this.#random.pick(COMMS),
      cgroup: this.#random.pick(this.#living()),
    };
    this.#now += this.#random.int(1_000, 5_000);
    return phantom;
  }

  /** Mostly a new one; sometimes one that was used long enough ago. */
  #tid(): number {
    const old = this.#used.filter(({ at }) => this.#now - at >= REUSE_MICROSECONDS);
    if (this.#kinds.reuse && old.length > 0 && this.#random.chance(0.5)) {
      const reused = this.#random.pick(old);
      reused.at = this.#now;
      return reused.tid;
    }
    this.#nextTid += this.#random.int(2, 9);
    this.#used.push({ tid: this.#nextTid, at: this.#now });
    return this.#nextTid;
  }
}

function makeKernel(random: Random): Kernel {
  const version = random.chance(0.65) ? 2 : 1;
  return {
    version,
    groupCounter: version === 2 && random.chance(0.7),
    counters: random.chance(0.9),
    richMark: random.chance(0.7),
    taskTable: random.chance(0.8),
  };
}

/** Seconds to days after boot, sometimes just where a bucket of kill ids ends. */
function startTime(random: Random): number {
  if (random.chance(0.2)) return 2 ** 30 * random.int(1, 80) - random.int(0, 5 * SECOND);
  return random.int(20 * SECOND, 86_400 * SECOND);
}

function lineage(cgroup: Cgroup): Cgroup[] {
  return cgroup.parent === null ? [cgroup] : [cgroup, ...lineage(cgroup.parent)];
}

/** mem_cgroup_get_oom_group: the outermost cgroup with oom.group from the victim's up to the one whose limit was hit. */
function groupOf(victim: Cgroup, limit: Cgroup | null): Cgroup | null {
  const upTo = lineage(victim);
  const end = limit === null ? upTo.length : upTo.indexOf(limit) + 1;
  return upTo.slice(0, end).findLast((cgroup) => cgroup.group) ?? null;
}
