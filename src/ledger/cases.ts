import { type Identity, mergeIdentity, NOBODY } from "../model/identity.ts";
import type { CgroupStamp, KillSourceName, SourceName } from "../model/observation.ts";
import { SOURCE_NAMES } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import { forgetSteps } from "./book.ts";
import { CgroupBooks } from "./cgroup-books.ts";
import { KillIndex } from "./identity.ts";
import { type Incident, Incidents } from "./incidents.ts";
import { Invariants } from "./invariants.ts";
import {
  attributionOf,
  betterStamp,
  bookWeight,
  contradicts,
  isDuplicate,
  type Kill,
  type KillPatch,
  mergeInstant,
  mergeLimit,
  mergeTrigger,
  mergeVictim,
} from "./kill.ts";
import { Limits } from "./limits.ts";
import type { NodeBook } from "./node-book.ts";
import { Outbox } from "./outbox.ts";
import { renderKill } from "./render.ts";
import { coveringStep } from "./settle.ts";

/** Settled kills stay known this long, for evidence that comes again (a replayed log is cut off by its cursor). */
const MEMORY_MICROSECONDS = 600 * SECOND;
const KILLS_KEPT = 20_000;
/** Looking through more would be felt. */
const AUDITED = 1_000;
/** A counter is read within that time of a kill, or says nothing about it. */
const WITNESS_MICROSECONDS = 2 * SECOND;

/** What the books know a kill by. */
const IN_BOOKS: ReadonlySet<keyof KillPatch> = new Set([
  "at",
  "cgroup",
  "counted",
  "doubled",
  "groupFirst",
  "skipped",
  "inNodeBook",
]);
/** What a record does not say. */
const UNSAID: ReadonlySet<keyof KillPatch> = new Set([
  "counted",
  "doubled",
  "groupFirst",
  "skipped",
  "inNodeBook",
  "ambiguous",
  "evidence",
  "times",
]);

const KILL_SOURCES: readonly KillSourceName[] = ["kernel-log", "tracefs", "probe"];
/** Nothing in the books, and nothing that evidence would find. */
const NO_KILL = {
  evidence: {},
  times: {},
  incidents: {},
  counted: false,
  doubled: false,
  groupFirst: false,
  skipped: false,
} as const satisfies KillPatch;

export interface CasesContext {
  readonly bootId: string;
  readonly node: string;
  /** Whose a kill was: the ledger knows cgroups, not containers. */
  readonly identify?: (record: KillRecord, at: Instant) => Identity;
  /** Told once each what must hold in the books and did not: a mistake in this program. */
  readonly broken?: (what: string) => void;
}

/**
 * What the ledger knows, and the few ways in which it may change: a kill never changes without the books, the indexes and
 * the outbox knowing. Every rule of the ledger works on this.
 */
export class Cases {
  readonly invariants: Invariants;
  readonly kills = new KillIndex();
  readonly books = new CgroupBooks();
  readonly incidents = new Incidents();
  readonly limits = new Limits();
  readonly node: NodeBook;
  readonly outbox: Outbox;
  /** In the order the ledger learned of them, newest last. */
  order: Kill[] = [];
  /** µs, monotonic. */
  now: number;
  /** Evidence that contradicts other evidence; an assertion in simulation. */
  contradictions = 0;
  /** Kills of the last moments that a counter may still bear witness to. */
  readonly #awaitVmstat = new Set<Kill>();
  readonly #awaitCgroup = new Set<Kill>();
  readonly #context: CasesContext;

  constructor(context: CasesContext, node: NodeBook, now: number) {
    this.#context = context;
    this.invariants = new Invariants((what) => context.broken?.(what));
    this.node = node;
    this.now = now;
    this.outbox = new Outbox({
      render: (kill) => this.#record(kill),
      identify: (kill) => this.#identify(kill),
      tell: (kill, told) => void Object.assign(kill, told),
    });
  }

  /** A kill that is not in the books yet: into the books and the indexes. */
  enter(kill: Kill): void {
    this.invariants.check(this.kills.byId(kill.id) === undefined, "a new kill has a new id");
    this.#enterBooks(kill, 1);
    this.#index(kill);
  }

  /** Out of everything, as if it had never been known. */
  remove(kill: Kill): void {
    this.#enterBooks(kill, -1);
    this.incidents.forget(kill);
    this.kills.forget(kill);
    this.outbox.forget(kill);
    this.#awaitVmstat.delete(kill);
    this.#awaitCgroup.delete(kill);
    this.order = this.order.filter((other) => other !== kill);
  }

  /**
   * The one way in which a kill that is known changes: books and indexes follow, and it is told again if its record says
   * something else now.
   */
  change(kill: Kill, patch: KillPatch): void {
    const keys = keysOf(patch).filter((key) => patch[key] !== kill[key]);
    if (keys.length === 0) return;
    const inBooks = keys.some((key) => IN_BOOKS.has(key));
    if (inBooks) this.#enterBooks(kill, -1);
    Object.assign(kill, patch);
    if (inBooks) this.#enterBooks(kill, 1);
    if (patch.victim !== undefined || patch.evidence !== undefined) this.kills.add(kill);
    this.invariants.check(this.kills.holds(kill), "a kill is found by each of its names");
    if (keys.some((key) => !UNSAID.has(key))) this.touch(kill);
  }

  /** Moves the kill to another cgroup. */
  stamp(kill: Kill, cgroup: CgroupStamp | null): void {
    if (contradicts(kill.cgroup, cgroup)) this.contradictions++;
    // Another cgroup, another owner.
    const identity = cgroup?.path === kill.cgroup?.path ? (kill.identity ?? null) : null;
    this.change(kill, { cgroup, attribution: attributionOf(cgroup), identity });
  }

  /** The kill's cgroup by what is known and by `offered`, whichever knows better. */
  offer(kill: Kill, offered: CgroupStamp | null): void {
    this.stamp(kill, betterStamp(kill.cgroup, offered));
  }

  /** The source has seen this kill. */
  witness(kill: Kill, source: SourceName): void {
    if (kill.witnesses.includes(source)) return;
    const order = (name: SourceName) => SOURCE_NAMES.indexOf(name);
    const witnesses = [...kill.witnesses, source].sort((a, b) => order(a) - order(b));
    this.change(kill, { witnesses });
  }

  /** Puts the kill into the run of the OOM killer that `source` names. */
  join(kill: Kill, source: KillSourceName, named: string): Incident {
    const { incident, sequence } = this.incidents.join(kill, source, named);
    const incidents =
      kill.incidents[source] === sequence
        ? kill.incidents
        : { ...kill.incidents, [source]: sequence };
    this.change(kill, { incidents, group: kill.group || incident.group });
    // The first names the incident in the records of all.
    if (incident.first === kill) for (const member of incident.kills) this.touch(member);
    return incident;
  }

  /** Two records are one kill: `kept` gets all evidence, and `double` says that it is none. */
  unite(kept: Kill, double: Kill): void {
    const { incidents } = double;
    const two = kept !== double && !isDuplicate(kept) && !isDuplicate(double);
    this.invariants.check(
      two,
      "two records that are one were two, and neither was a duplicate before",
    );
    this.change(kept, unitedOf(kept, double));
    this.offer(kept, double.cgroup);
    for (const source of double.witnesses) this.witness(kept, source);
    this.incidents.forget(double);
    this.change(double, { ...NO_KILL, duplicateOf: kept.id });
    this.invariants.check(bookWeight(double) === 0, "a duplicate is in no book");
    for (const source of KILL_SOURCES) {
      const named = incidents[source];
      if (named !== undefined) this.join(kept, source, named);
    }
  }

  /** What was said of `mistaken`, which only a counter saw, is evidence of `kill`: its victim is unknown again. */
  part(mistaken: Kill, kill: Kill): void {
    const { incidents, cgroup, witnesses } = mistaken;
    const merged = unitedOf(kill, mistaken);
    const counted = asCounted(mistaken);
    this.stamp(mistaken, null);
    this.incidents.forget(mistaken);
    this.kills.forget(mistaken);
    this.change(mistaken, {
      ...counted,
      inNodeBook: this.node.holdsAgain({ ...mistaken, ...counted }),
    });
    this.change(kill, merged);
    this.offer(kill, cgroup);
    for (const source of KILL_SOURCES) {
      if (witnesses.includes(source)) this.witness(kill, source);
      const named = incidents[source];
      if (named !== undefined) this.join(kill, source, named);
    }
  }

  /** No counter has this kill: its record says so, and no book waits for it. */
  doubt(kill: Kill): void {
    this.change(kill, { counted: false, unconfirmed: true });
  }

  /** What is said of this kill but not known by it (its incident, a limit, an owner) may be something else now. */
  touch(kill: Kill): void {
    this.outbox.amended(kill, this.now);
  }

  #enterBooks(kill: Kill, sign: 1 | -1): void {
    this.node.enter(kill, sign);
    this.books.enter(kill, sign);
    const { invariants } = this;
    invariants.check(this.node.isSound(), "no total of the node's book is negative");
    invariants.check(this.books.isSoundFor(kill), "no cgroup's book explains less than nothing");
  }

  /** Into the indexes, not into the books: those of a checkpoint have it already. */
  remember(kill: Kill): void {
    this.books.remember(kill);
    this.#index(kill);
  }

  #index(kill: Kill): void {
    this.kills.add(kill);
    // A kill that a journal brings back may be older than others that are known.
    let place = this.order.length;
    while (place > 0 && (this.order[place - 1]?.openedAt ?? 0) > kill.openedAt) place--;
    this.order.splice(place, 0, kill);
    Object.assign(kill, this.incidents.restore(kill));
  }

  /** A counter that moved when the kill happened bears witness to it; one that has not yet may be read later. */
  witnessCounters(kill: Kill): void {
    this.#witnessNode(kill);
    this.#witnessCgroup(kill);
    if (!kill.witnesses.includes("vmstat")) this.#awaitVmstat.add(kill);
    if (!kill.witnesses.includes("cgroup")) this.#awaitCgroup.add(kill);
  }

  /** A counter was read: kills that waited for it to bear witness. */
  witnessWaiting(source: "cgroup" | "vmstat"): void {
    const waiting = source === "vmstat" ? this.#awaitVmstat : this.#awaitCgroup;
    for (const kill of waiting) {
      if (source === "vmstat") this.#witnessNode(kill);
      else this.#witnessCgroup(kill);
      const old = kill.openedAt < this.now - WITNESS_MICROSECONDS;
      if (old || kill.witnesses.includes(source)) waiting.delete(kill);
    }
  }

  #witnessNode(kill: Kill): void {
    if (kill.counted && coveringStep(this.node.count, kill)) this.witness(kill, "vmstat");
  }

  #witnessCgroup(kill: Kill): void {
    if (!kill.counted || kill.cgroup === null) return;
    for (const book of this.books.at(kill.cgroup.path)) {
      if (coveringStep(book.count, kill)) this.witness(kill, "cgroup");
    }
  }

  /** Kills the ledger learned of at or after `time`, oldest first. */
  since(time: number): Kill[] {
    let start = this.order.length;
    while (start > 0 && (this.order[start - 1]?.openedAt ?? 0) >= time) start--;
    return this.order.slice(start);
  }

  /** Holds the books against the kills they are made of, where those are few enough. */
  audit(): void {
    if (this.order.length > AUDITED) return;
    const known = this.node.isAtLeast(this.order);
    this.invariants.check(known, "the node's totals have every kill that is known");
    const explained = this.books.explainAll();
    this.invariants.check(explained, "a cgroup's book explains every kill that is known in it");
    const found = this.order.every((kill) => this.kills.holds(kill));
    this.invariants.check(found, "every kill that is known is in every index");
    const all = this.order.length === this.kills.size;
    this.invariants.check(all, "the order of kills and their index have the same kills");
  }

  /** Drops what is too old or too much. */
  forget(): void {
    const before = this.now - MEMORY_MICROSECONDS;
    const excess = this.order.length - KILLS_KEPT;
    const old = this.order.filter((kill, index) => index < excess || kill.openedAt < before);
    for (const kill of old) {
      this.kills.forget(kill);
      this.books.forget(kill);
      this.incidents.forget(kill);
    }
    if (old.length > 0) this.order = this.order.slice(old.length);
    if (this.node.count !== null) forgetSteps(this.node.count, before);
    this.books.forgetBefore(before);
  }

  #identify(kill: Kill): void {
    const identity = this.#context.identify?.(this.#record(kill), kill.at);
    if (identity === undefined) return;
    Object.assign(kill, { identity: mergeIdentity(kill.identity ?? NOBODY, identity) });
  }

  #record(kill: Kill): KillRecord {
    return renderKill(kill, {
      bootId: this.#context.bootId,
      node: this.#context.node,
      incident: this.incidents.idOf(kill),
      limit: this.limits.of(kill),
      version: kill.cgroup?.version ?? this.books.version,
    });
  }
}

function unitedOf(kept: Kill, double: Kill): KillPatch {
  const fromLog = double.evidence["kernel-log"] !== undefined;
  const { victim } = double;
  return {
    at: mergeInstant(kept, double.at),
    victim: victim === null ? kept.victim : mergeVictim(kept.victim, victim, fromLog),
    evidence: { ...double.evidence, ...kept.evidence },
    times: { ...double.times, ...kept.times },
    limit: mergeLimit(kept.limit, double.limit),
    trigger: mergeTrigger(kept.trigger, double.trigger),
    group: kept.group || double.group,
    doubled: kept.doubled || double.doubled,
    groupFirst: kept.groupFirst || double.groupFirst,
    skipped: kept.skipped || double.skipped,
  };
}

/** The kill as the counter told it. */
function asCounted({ window, at, witnesses }: Kill) {
  const { from, to } = window ?? { from: at.monotonicMicroseconds, to: at.monotonicMicroseconds };
  return {
    ...NO_KILL,
    at: {
      monotonicMicroseconds: to,
      wallMicroseconds: at.wallMicroseconds - at.monotonicMicroseconds + to,
      uncertaintyMicroseconds: to - from,
    },
    victim: null,
    limit: null,
    trigger: null,
    group: false,
    counted: true,
    witnesses: witnesses.filter((name) => name === "cgroup" || name === "vmstat"),
  } satisfies KillPatch;
}

function keysOf(patch: KillPatch): (keyof KillPatch)[] {
  return Object.keys(patch) as (keyof KillPatch)[];
}
