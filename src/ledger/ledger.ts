import type {
  CgroupStamp,
  CounterObservation,
  GroupObservation,
  KillObservation,
  Observation,
  SkipObservation,
  SourceName,
} from "../model/observation.ts";
import { SOURCE_NAMES } from "../model/observation.ts";
import type { KillRecord, LedgerRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import { attributions } from "./attribution.ts";
import { type Count, forgetSteps } from "./book.ts";
import { type CgroupBook, CgroupBooks } from "./cgroup-books.ts";
import { KillIndex, killId, unknownKillId } from "./identity.ts";
import { type Incident, Incidents } from "./incidents.ts";
import {
  attributionOf,
  betterInstant,
  betterStamp,
  contradicts,
  type Kill,
  killFrom,
  marginOf,
  mergeLimit,
  mergeTrigger,
  mergeVictim,
} from "./kill.ts";
import { Limits } from "./limits.ts";
import { emptyTotals, NodeBook, type Totals } from "./node-book.ts";
import { Outbox } from "./outbox.ts";
import { renderKill } from "./render.ts";
import { Repeats } from "./repeats.ts";
import { coveringStep, missingKills } from "./settle.ts";

export type { Kill } from "./kill.ts";

export interface LedgerOptions {
  readonly bootId: string;
  readonly node: string;
  /** When this process began to watch (µs, monotonic): kills before it are `recovered`. */
  readonly startedAt: number;
  /** How long evidence may be late before a counter's word alone makes a record. Default 2 s. */
  readonly settleMicroseconds?: number;
}

/** Everything the ledger must not forget, as plain data. */
export interface LedgerState {
  readonly node: Count | null;
  readonly totals: Totals;
  readonly books: readonly CgroupBook[];
  readonly kills: readonly Kill[];
  /** Ids of kills that changed since their record was told. */
  readonly untold: readonly string[];
}

const DEFAULT_SETTLE_MICROSECONDS = 2 * SECOND;
/** Settled kills stay known this long, for evidence that comes again (a replayed log is cut off by its cursor). */
const MEMORY_MICROSECONDS = 600 * SECOND;
const KILLS_KEPT = 20_000;

/**
 * The books. Takes observations in any order, late, doubled or missing, and makes records: each kill opened once, amended
 * as evidence comes. It cannot wait, fail or know the time: it is told "observe this" and "it is now t".
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #settleMicroseconds: number;
  /** No earlier process watched this boot: what the books held before is history, not ours. */
  readonly #fresh: boolean;
  readonly #kills = new KillIndex();
  readonly #books = new CgroupBooks();
  readonly #incidents = new Incidents();
  readonly #limits = new Limits();
  readonly #node: NodeBook;
  readonly #outbox: Outbox;
  /** In the order the ledger learned of them, newest last. */
  #order: Kill[] = [];
  readonly #repeats = new Repeats();
  #now: number;
  #settledAt = 0;
  #forgotAt = 0;
  /** Evidence that contradicts other evidence; an assertion in simulation. */
  #contradictions = 0;

  constructor(options: LedgerOptions, state: LedgerState | null) {
    this.#options = options;
    this.#settleMicroseconds = options.settleMicroseconds ?? DEFAULT_SETTLE_MICROSECONDS;
    this.#fresh = state === null;
    this.#now = options.startedAt;
    this.#node = new NodeBook(state?.node ?? null, state?.totals ?? emptyTotals());
    this.#outbox = new Outbox((kill) => this.#record(kill));
    for (const book of state?.books ?? []) this.#books.restore(book);
    for (const kill of state?.kills ?? []) this.#remember(kill);
    for (const id of state?.untold ?? []) {
      const kill = this.#kills.byId(id);
      if (kill !== undefined) this.#touch(kill);
    }
  }

  get contradictions(): number {
    return this.#contradictions;
  }

  /** Takes one piece of evidence. Never throws on evidence, whatever it says. */
  observe(observation: Observation): void {
    switch (observation.kind) {
      case "kill":
        this.#observeKill(observation);
        break;
      case "group":
        this.#observeGroup(observation);
        break;
      case "skip":
        this.#observeSkip(observation);
        break;
      case "counter":
        this.#observeCounter(observation);
        break;
      case "limits":
        this.#limits.observe(observation);
        for (const kill of this.#since(this.#now - SECOND)) this.#touch(kill);
        break;
      default:
        observation satisfies never;
    }
  }

  /** It is now `now` (µs, monotonic): settles what has waited long enough. Call often; it is cheap when nothing is due. */
  advance(now: number): void {
    this.#now = Math.max(this.#now, now);
    if (this.#now - this.#settledAt >= 50_000) {
      this.#settledAt = this.#now;
      this.#openWaitingRepeats();
      this.#decideDoubtful();
      this.#attributeByCounters();
      this.#openMissing();
    }
    if (this.#now - this.#forgotAt >= 10 * SECOND) {
      this.#forgotAt = this.#now;
      this.#forget();
    }
  }

  /** Records that are new or whose amendments are due, oldest first. A record comes again only when it says something new. */
  take(): KillRecord[] {
    return this.#outbox.take(this.#now);
  }

  /** True when `take` would give something now or soon: the caller should call again within milliseconds. */
  get pending(): boolean {
    return this.#outbox.size > 0;
  }

  summary(): LedgerRecord {
    const groups = this.#books.groupsBooked();
    return {
      type: "ledger",
      kernel: this.#node.kernelKills(groups),
      recorded: this.#node.recorded(),
      unaccounted: this.#node.unaccounted(groups),
      unattributed: this.#node.totals.unattributed,
    };
  }

  /** What to keep for the next process. `recentMicroseconds` bounds how far back evidence may come again. */
  state(recentMicroseconds = 120 * SECOND, killsKept = 5_000): LedgerState {
    const recent = this.#since(this.#now - recentMicroseconds).slice(-killsKept);
    return {
      node: this.#node.count,
      totals: this.#node.totals,
      books: [...this.#books.all()],
      kills: recent,
      untold: this.#outbox.pending.map((kill) => kill.id),
    };
  }

  /** The kill as the ledger keeps it, for a journal written before its record goes out. */
  kill(id: string): Kill | undefined {
    return this.#kills.byId(id);
  }

  /** The kill this evidence went into. */
  killOf(observation: KillObservation): Kill | undefined {
    return this.#kills.byEvidence(observation.source, observation.sequence);
  }

  /** Puts back a kill from a journal: newer than the state the ledger was made from. */
  restore(kill: Kill): void {
    const known = this.#kills.byId(kill.id);
    if (known !== undefined && known.revision >= kill.revision) return;
    if (known !== undefined) {
      this.#node.enter(known, -1);
      this.#books.enter(known, -1);
      this.#incidents.forget(known);
      this.#kills.forget(known);
      this.#outbox.forget(known);
      this.#order = this.#order.filter((other) => other !== known);
    }
    const kept: Kill = { ...kill, inNodeBook: this.#node.holdsAgain(kill) };
    this.#node.enter(kept, 1);
    this.#books.enter(kept, 1);
    this.#remember(kept);
  }

  // --- kills

  #observeKill(observation: KillObservation): void {
    const known = this.#kills.find(observation);
    if (observation.repeat) {
      if (known === undefined) this.#repeats.park(observation);
      else this.#double(known, observation.source);
      return;
    }
    const again = known ?? this.#kills.findAgain(observation);
    if (known === undefined && again !== undefined) {
      this.#double(again, observation.source);
      return;
    }
    const kill = known ?? this.#identify(observation);
    if (kill === undefined) this.#open(observation, false);
    else this.#merge(kill, observation);
  }

  /**
   * The kill that so far only a counter saw. That it is the same is concluded, and so is its cgroup from now on; where
   * several cgroups have one, nobody knows which of them it was.
   */
  #identify(observation: KillObservation): Kill | undefined {
    const fitting = this.#kills.findUnknown(observation, false);
    const found =
      fitting.length === 0 && this.#mustBeKnown(observation)
        ? this.#kills.findUnknown(observation, true)
        : fitting;
    const [best] = found;
    if (best === undefined) return undefined;
    if (observation.cgroup !== null) {
      // The same name, perhaps not the same cgroup: it may have been made again.
      const namesakes = this.#books.at(observation.cgroup.path).map((book) => book.identity.id);
      if (new Set(namesakes).size > 1) this.#stamp(best, null);
      return best;
    }
    const alone = found.every((kill) => kill.cgroup?.path === best.cgroup?.path);
    for (const kill of found) {
      if (kill.cgroup === null) continue;
      this.#stamp(kill, alone || kill !== best ? { ...kill.cgroup, basis: "counter" } : null);
    }
    best.ambiguous = !alone;
    return best;
  }

  /** The node's book was read since, and every kill in it has a record. */
  #mustBeKnown({ at, counted }: KillObservation): boolean {
    const { count } = this.#node;
    if (count === null || !counted || this.#node.holds(at) !== "yes") return false;
    if (at.monotonicMicroseconds + marginOf(at) > count.readAt) return false;
    return (this.#node.unaccounted(this.#books.groupsBooked()) ?? 1) <= 0;
  }

  #open(observation: KillObservation, doubled: boolean): void {
    const at = observation.at.monotonicMicroseconds;
    const id = killId(this.#options.bootId, observation.victim.tid, at);
    const kill = killFrom(this.#kills.freeId(id), observation, {
      doubled,
      recovered: at < this.#options.startedAt,
      inNodeBook: this.#node.holds(observation.at),
      openedAt: this.#now,
    });
    this.#node.enter(kill, 1);
    this.#books.enter(kill, 1);
    this.#remember(kill);
    this.#join(kill, observation);
    this.#afterAttribution(kill, observation);
    this.#outbox.opened(kill);
    this.#claimRepeats(kill);
  }

  #merge(kill: Kill, observation: KillObservation): void {
    this.#outbox.before(kill, this.#now);
    const prefer = observation.source === "kernel-log";
    kill.victim = mergeVictim(kill.victim, observation.victim, prefer);
    kill.evidence[observation.source] ??= observation.sequence;
    kill.limit = mergeLimit(kill.limit, observation.limit);
    kill.trigger = mergeTrigger(kill.trigger, observation.trigger);
    const at = betterInstant(kill.at, observation.at);
    if (at !== kill.at) {
      this.#rebook(kill, () => {
        kill.at = at;
        kill.inNodeBook = this.#node.holds(at);
      });
    }
    this.#kills.add(kill);
    this.#stamp(kill, betterStamp(kill.cgroup, observation.cgroup));
    this.#join(kill, observation);
    this.#witness(kill, observation.source);
    this.#afterAttribution(kill, observation);
    this.#claimRepeats(kill);
    this.#touch(kill);
  }

  #afterAttribution(kill: Kill, observation: KillObservation): void {
    if (observation.limit !== null && kill.cgroup !== null) {
      this.#limits.printed(kill.cgroup.path, observation.limit);
    }
    this.#witnessCounters(kill);
  }

  /** Moves the kill to another cgroup: out of the old books, into the new. */
  #stamp(kill: Kill, cgroup: CgroupStamp | null): void {
    if (cgroup === kill.cgroup) return;
    if (contradicts(kill.cgroup, cgroup)) this.#contradictions++;
    this.#outbox.before(kill, this.#now);
    this.#rebook(kill, () => {
      kill.cgroup = cgroup;
      kill.attribution = attributionOf(cgroup);
    });
    this.#touch(kill);
  }

  /** Changes what the books know a kill by: out of the books, changed, in again. */
  #rebook(kill: Kill, change: () => void): void {
    this.#node.enter(kill, -1);
    this.#books.enter(kill, -1);
    change();
    this.#node.enter(kill, 1);
    this.#books.enter(kill, 1);
  }

  #witness(kill: Kill, source: SourceName): void {
    if (kill.witnesses.includes(source)) return;
    this.#outbox.before(kill, this.#now);
    const order = (name: SourceName) => SOURCE_NAMES.indexOf(name);
    kill.witnesses = [...kill.witnesses, source].sort((a, b) => order(a) - order(b));
    this.#touch(kill);
  }

  #touch(kill: Kill): void {
    this.#outbox.amended(kill, this.#now);
  }

  #remember(kill: Kill): void {
    this.#kills.add(kill);
    this.#order.push(kill);
    this.#incidents.restore(kill);
  }

  // --- group kills

  #join(kill: Kill, observation: KillObservation): void {
    const { source, incident } = observation;
    if (observation.group) this.#incidents.of(source, incident).group = true;
    const joined = this.#incidents.join(kill, source, incident);
    if (joined.group) this.#markGroup(joined);
    if (kill.doubled) this.#beOnlyFirst(kill);
  }

  /** The kill that the books have twice is the first victim: no other of its group kill is. */
  #beOnlyFirst(kill: Kill): void {
    for (const other of this.#incidents.companions(kill)) {
      if (!other.groupFirst || other.doubled) continue;
      this.#rebook(other, () => {
        other.groupFirst = false;
      });
    }
  }

  #observeGroup(observation: GroupObservation): void {
    const { source } = observation;
    const incident = this.#incidents.of(source, observation.incident);
    incident.group = true;
    incident.cgroup ??= observation.cgroup;
    for (const member of [observation.incident, ...(observation.members ?? [])]) {
      const kill = this.#kills.byEvidence(source, member);
      if (kill === undefined) continue;
      this.#outbox.before(kill, this.#now);
      this.#incidents.join(kill, source, observation.incident);
      this.#touch(kill);
    }
    this.#markGroup(incident);
  }

  #markGroup(incident: Incident): void {
    for (const kill of incident.kills) {
      if (kill.cgroup === null && incident.cgroup !== null) {
        this.#stamp(kill, { path: incident.cgroup, id: null, version: 2, basis: "group" });
      }
      if (!kill.group) {
        this.#outbox.before(kill, this.#now);
        kill.group = true;
        this.#touch(kill);
      }
    }
    const { first } = incident;
    if (first === null || first.groupFirst || hasFirst(incident)) return;
    this.#rebook(first, () => {
      first.groupFirst = true;
    });
  }

  #observeSkip(observation: SkipObservation): void {
    if (observation.incident === null) return;
    const first = this.#kills.byEvidence(observation.source, observation.incident);
    if (first?.victim?.tid !== observation.tid || !first.groupFirst || first.doubled) return;
    this.#rebook(first, () => {
      first.skipped = true;
    });
  }

  /** The kernel's books hold this kill twice. */
  #double(kill: Kill, source: SourceName): void {
    this.#witness(kill, source);
    if (kill.doubled) return;
    this.#rebook(kill, () => {
      kill.doubled = true;
      kill.group = true;
    });
    this.#beOnlyFirst(kill);
    this.#touch(kill);
  }

  #claimRepeats(kill: Kill): void {
    const claimed = this.#repeats.claim((repeat) => this.#kills.find(repeat) === kill);
    for (const repeat of claimed) this.#double(kill, repeat.source);
  }

  /** A second entry whose first never came: it is the only word of that kill. */
  #openWaitingRepeats(): void {
    const by = this.#now - this.#settleMicroseconds;
    for (const repeat of this.#repeats.claim((one) => one.at.monotonicMicroseconds <= by)) {
      if (this.#kills.find(repeat) === undefined) this.#open(repeat, true);
    }
  }

  // --- books

  #observeCounter(observation: CounterObservation): void {
    if (observation.book.kind === "node") {
      if (this.#node.observe(observation)) this.#reenterNodeBook();
    } else {
      this.#books.observe(observation, this.#fresh, this.#order);
    }
    for (const kill of this.#since(this.#now - this.#settleMicroseconds)) {
      this.#witnessCounters(kill);
    }
  }

  /** The book was opened after kills were recorded: those before its opening are not in it. */
  #reenterNodeBook(): void {
    for (const kill of this.#order) {
      this.#node.enter(kill, -1);
      kill.inNodeBook = this.#node.holdsAgain(kill);
      this.#node.enter(kill, 1);
    }
  }

  /** Whether the book had kills about when it was opened is told by what it had when all evidence of them is in. */
  #decideDoubtful(): void {
    const opened = Math.max(this.#node.count?.openedAt ?? this.#now, this.#options.startedAt);
    const settledAt = opened + 3 * this.#settleMicroseconds;
    if (this.#node.totals.perhaps === 0 || this.#now < settledAt) return;
    const by = this.#now - this.#settleMicroseconds;
    this.#node.decide(this.#order, by, (kill, held) => {
      this.#rebook(kill, () => {
        kill.inNodeBook = held;
      });
    });
  }

  /** A counter that moved when the kill happened bears witness to it. */
  #witnessCounters(kill: Kill): void {
    if (!kill.counted) return;
    if (coveringStep(this.#node.count, kill)) this.#witness(kill, "vmstat");
    if (kill.witnesses.includes("cgroup") || kill.cgroup === null) return;
    for (const book of this.#books.at(kill.cgroup.path)) {
      if (coveringStep(book.count, kill)) this.#witness(kill, "cgroup");
    }
  }

  /** Kills whose cgroup nobody stamped, and the one book that has an entry too many at their time. */
  #attributeByCounters(): void {
    for (const { kill, stamp } of attributions(this.#books, this.#order, this.#now)) {
      this.#stamp(kill, stamp);
    }
  }

  /** Kills that a counter has and nobody saw become records with an unknown victim, once evidence has had its time. */
  #openMissing(): void {
    const by = this.#now - this.#settleMicroseconds;
    const missing = missingKills(by, this.#node, this.#books, this.#order);
    for (const one of missing) {
      const id = unknownKillId(this.#options.bootId, one.book, one.count);
      const kill: Kill = {
        ...one.kill,
        id: this.#kills.freeId(id),
        recovered: one.kill.at.monotonicMicroseconds < this.#options.startedAt,
        openedAt: this.#now,
      };
      this.#node.enter(kill, 1);
      this.#books.enter(kill, 1);
      this.#remember(kill);
      this.#witnessCounters(kill);
      this.#outbox.opened(kill);
    }
  }

  /** Kills the ledger learned of at or after `time`, oldest first. */
  #since(time: number): Kill[] {
    let start = this.#order.length;
    while (start > 0 && (this.#order[start - 1]?.openedAt ?? 0) >= time) start--;
    return this.#order.slice(start);
  }

  #forget(): void {
    const before = this.#now - MEMORY_MICROSECONDS;
    const excess = this.#order.length - KILLS_KEPT;
    const old = this.#order.filter((kill, index) => index < excess || kill.openedAt < before);
    for (const kill of old) {
      this.#kills.forget(kill);
      this.#incidents.forget(kill);
    }
    if (old.length > 0) this.#order = this.#order.slice(old.length);
    if (this.#node.count !== null) forgetSteps(this.#node.count, before);
    for (const book of this.#books.all()) forgetSteps(book.count, before);
  }

  // --- records

  #record(kill: Kill): KillRecord {
    return renderKill(kill, {
      bootId: this.#options.bootId,
      node: this.#options.node,
      incident: this.#incidents.idOf(kill),
      limit: this.#limits.of(kill),
      version: kill.cgroup?.version ?? this.#books.version,
    });
  }
}

/** A source that lost the first victim's line takes another member for the first: a group kill has only one. */
function hasFirst(incident: Incident): boolean {
  return [...incident.kills].some(
    (kill) => kill !== incident.first && (kill.groupFirst || kill.doubled),
  );
}
