import { type Identity, mergeIdentity, NOBODY } from "../model/identity.ts";
import type { CgroupStamp, SourceName } from "../model/observation.ts";
import { SOURCE_NAMES } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import { forgetSteps } from "./book.ts";
import { CgroupBooks } from "./cgroup-books.ts";
import { KillIndex } from "./identity.ts";
import { Incidents } from "./incidents.ts";
import { attributionOf, contradicts, type Kill } from "./kill.ts";
import { Limits } from "./limits.ts";
import type { NodeBook } from "./node-book.ts";
import { Outbox } from "./outbox.ts";
import { renderKill } from "./render.ts";
import { coveringStep } from "./settle.ts";

/** Settled kills stay known this long, for evidence that comes again (a replayed log is cut off by its cursor). */
const MEMORY_MICROSECONDS = 600 * SECOND;
const KILLS_KEPT = 20_000;
/** A counter is read within that time of a kill, or says nothing about it. */
const WITNESS_MICROSECONDS = 2 * SECOND;

export interface CasesContext {
  readonly bootId: string;
  readonly node: string;
  /** Whose a kill was: the ledger knows cgroups, not containers. */
  readonly identify?: (record: KillRecord, at: Instant) => Identity;
}

/**
 * What the ledger knows, and the few ways in which it may change: a kill never changes without the books, the indexes and
 * the outbox knowing. Every rule of the ledger works on this.
 */
export class Cases {
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
    this.node = node;
    this.now = now;
    this.outbox = new Outbox(
      (kill) => this.#record(kill),
      (kill) => this.#identify(kill),
    );
  }

  /** A kill that is not in the books yet: into the books and the indexes. */
  enter(kill: Kill): void {
    this.node.enter(kill, 1);
    this.books.enter(kill, 1);
    this.#index(kill);
  }

  /** Out of everything, as if it had never been known. */
  remove(kill: Kill): void {
    this.node.enter(kill, -1);
    this.books.enter(kill, -1);
    this.incidents.forget(kill);
    this.kills.forget(kill);
    this.outbox.forget(kill);
    this.#awaitVmstat.delete(kill);
    this.#awaitCgroup.delete(kill);
    this.order = this.order.filter((other) => other !== kill);
  }

  /** Moves the kill to another cgroup: out of the old books, into the new. */
  stamp(kill: Kill, cgroup: CgroupStamp | null): void {
    if (cgroup === kill.cgroup) return;
    if (contradicts(kill.cgroup, cgroup)) this.contradictions++;
    this.outbox.before(kill, this.now);
    // Another cgroup, another owner.
    if (cgroup?.path !== kill.cgroup?.path) delete kill.identity;
    this.rebook(kill, () => {
      kill.cgroup = cgroup;
      kill.attribution = attributionOf(cgroup);
    });
    this.touch(kill);
  }

  /** Changes what the books know a kill by: out of the books, changed, in again. */
  rebook(kill: Kill, change: () => void): void {
    this.node.enter(kill, -1);
    this.books.enter(kill, -1);
    change();
    this.node.enter(kill, 1);
    this.books.enter(kill, 1);
  }

  /** The source has seen this kill. */
  witness(kill: Kill, source: SourceName): void {
    if (kill.witnesses.includes(source)) return;
    this.outbox.before(kill, this.now);
    const order = (name: SourceName) => SOURCE_NAMES.indexOf(name);
    kill.witnesses = [...kill.witnesses, source].sort((a, b) => order(a) - order(b));
    this.touch(kill);
  }

  /** The kill may have something new to say. */
  touch(kill: Kill): void {
    this.outbox.amended(kill, this.now);
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
    this.incidents.restore(kill);
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
    if (identity !== undefined) kill.identity = mergeIdentity(kill.identity ?? NOBODY, identity);
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
