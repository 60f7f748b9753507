import type { CounterObservation, KillObservation, Observation } from "../model/observation.ts";
import type { KillRecord, LedgerRecord } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import { attributions } from "./attribution.ts";
import { Balance } from "./balance.ts";
import type { Count } from "./book.ts";
import { Cases, type CasesContext } from "./cases.ts";
import type { CgroupBook } from "./cgroup-books.ts";
import { Groups } from "./groups.ts";
import { killId, mayLieIn, unknownKillId } from "./identity.ts";
import {
  type Kill,
  killFrom,
  LATE_CLOCK_MICROSECONDS,
  marginOf,
  mergeInstant,
  mergeLimit,
  mergeTrigger,
  mergeVictim,
} from "./kill.ts";
import { emptyTotals, NodeBook, type Totals } from "./node-book.ts";
import { missingKills } from "./settle.ts";

export { isNone, type Kill } from "./kill.ts";

export interface LedgerOptions extends CasesContext {
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
/** Each look opens what one book lacks. */
const LAST_LOOKS = 1_000;
/** Looking through the books costs the more the more in them is unexplained, and what is looked for has waited for seconds. */
const SETTLE_EVERY_MICROSECONDS = 250_000;

/**
 * The books. Takes observations in any order, late, doubled or missing, and makes records: each kill opened once, amended
 * as evidence comes. It cannot wait, fail or know the time: it is told "observe this" and "it is now t".
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #settleMicroseconds: number;
  /** No earlier process watched this boot: what the books held before is history, not ours. */
  readonly #fresh: boolean;
  readonly #cases: Cases;
  readonly #groups: Groups;
  readonly #balance: Balance;
  #settledAt = 0;
  #forgotAt = 0;

  constructor(options: LedgerOptions, state: LedgerState | null) {
    this.#options = options;
    this.#settleMicroseconds = options.settleMicroseconds ?? DEFAULT_SETTLE_MICROSECONDS;
    this.#fresh = state === null;
    const node = new NodeBook(state?.node ?? null, state?.totals ?? emptyTotals());
    this.#cases = new Cases(options, node, options.startedAt);
    this.#groups = new Groups(this.#cases);
    this.#balance = new Balance(this.#cases, this.#settleMicroseconds, options.startedAt);
    for (const book of state?.books ?? []) this.#cases.books.restore(book);
    for (const kill of state?.kills ?? []) this.#cases.remember(kill);
    for (const kill of state?.kills ?? []) this.#cases.outbox.remember(kill);
    for (const id of state?.untold ?? []) {
      const kill = this.#cases.kills.byId(id);
      if (kill !== undefined) this.#cases.touch(kill);
    }
  }

  get contradictions(): number {
    return this.#cases.contradictions;
  }

  /** How often the books were found to contradict themselves. */
  get broken(): number {
    return this.#cases.invariants.count;
  }

  /** Takes one piece of evidence. Never throws on evidence, whatever it says. */
  observe(observation: Observation): void {
    switch (observation.kind) {
      case "kill":
        this.#observeKill(observation);
        break;
      case "group":
        this.#groups.observe(observation);
        break;
      case "skip":
        this.#groups.skip(observation);
        break;
      case "counter":
        this.#observeCounter(observation);
        break;
      case "limits":
        this.#cases.limits.observe(observation);
        for (const kill of this.#cases.since(this.#cases.now - SECOND)) {
          if (kill.cgroup?.path === observation.path) this.#cases.touch(kill);
        }
        break;
      default:
        observation satisfies never;
    }
  }

  /** It is now `now` (µs, monotonic): settles what has waited long enough. Call often; it is cheap when nothing is due. */
  advance(now: number): void {
    this.#cases.now = Math.max(this.#cases.now, now);
    if (this.#cases.now - this.#settledAt >= SETTLE_EVERY_MICROSECONDS) {
      this.#settledAt = this.#cases.now;
      this.#openWaitingRepeats();
      this.#balance.decideDoubtful();
      this.#attributeByCounters();
      this.#openMissing(this.#cases.now - this.#settleMicroseconds);
      this.#balance.repair();
    }
    if (this.#cases.now - this.#forgotAt >= 10 * SECOND) {
      this.#forgotAt = this.#cases.now;
      this.#cases.audit();
      this.#cases.forget();
    }
  }

  /** No more evidence comes to this process: what counters have and nobody told of is told of now. */
  conclude(): void {
    const by = this.#cases.now + SECOND;
    for (let looks = 0; looks < LAST_LOOKS && this.#openMissing(by) > 0; looks++);
  }

  /** Records that are new or whose amendments are due, oldest first. A record comes again only when it says something new. */
  take(): KillRecord[] {
    return this.#cases.outbox.take(this.#cases.now);
  }

  /** True when `take` would give something now or soon: the caller should call again within milliseconds. */
  get pending(): boolean {
    return this.#cases.outbox.size > 0;
  }

  summary(): LedgerRecord {
    const { node, books, now } = this.#cases;
    const groups = books.groupsBooked();
    const ahead = node.ahead(groups, () => this.#cases.since(now - this.#settleMicroseconds));
    const unaccounted = node.unaccounted(groups);
    return {
      type: "ledger",
      kernel: node.kernelKills(groups),
      recorded: node.recorded() - ahead,
      unaccounted: unaccounted === null ? null : unaccounted + ahead,
      unattributed: node.totals.unattributed,
    };
  }

  /** Whose these kills were may have become known: they are told again if so. */
  reconsider(ids: readonly string[]): void {
    for (const id of ids) {
      const kill = this.#cases.kills.byId(id);
      if (kill !== undefined) this.#cases.touch(kill);
    }
  }

  /** What to keep for the next process. `recentMicroseconds` bounds how far back evidence may come again. */
  state(recentMicroseconds = 120 * SECOND, killsKept = 5_000): LedgerState {
    const recent = this.#cases.since(this.#cases.now - recentMicroseconds).slice(-killsKept);
    return {
      node: this.#cases.node.count,
      totals: this.#cases.node.totals,
      books: [...this.#cases.books.all()],
      kills: recent,
      untold: this.#cases.outbox.pending.map((kill) => kill.id),
    };
  }

  /** The kill as the ledger keeps it, for a journal written before its record goes out. */
  kill(id: string): Kill | undefined {
    return this.#cases.kills.byId(id);
  }

  /** The kill this evidence went into. */
  killOf(observation: KillObservation): Kill | undefined {
    return this.#cases.kills.byEvidence(observation.source, observation.sequence);
  }

  /** Puts back a kill from a journal: newer than the state the ledger was made from. */
  restore(kill: Kill): void {
    const known = this.#cases.kills.byId(kill.id);
    if (known !== undefined && known.revision >= kill.revision) return;
    if (known !== undefined) this.#cases.remove(known);
    const entered = { ...kill, inNodeBook: this.#cases.node.holdsAgain(kill) };
    this.#cases.enter(entered);
    this.#cases.outbox.remember(entered);
  }

  // --- kills

  #observeKill(observation: KillObservation): void {
    const known = this.#cases.kills.find(observation);
    if (observation.repeat) {
      if (known === undefined) this.#groups.park(observation);
      else this.#groups.double(known, observation.source);
      return;
    }
    const again = known ?? this.#cases.kills.findAgain(observation);
    if (known === undefined && again !== undefined) {
      this.#groups.double(again, observation.source);
      return;
    }
    const mistaken = known === undefined ? this.#cases.kills.findMistaken(observation) : undefined;
    const kill = known ?? this.#identify(observation);
    if (kill === undefined) this.#open(observation, false);
    else this.#merge(kill, observation);
    const own = mistaken === undefined ? undefined : this.killOf(observation);
    if (mistaken !== undefined && own !== undefined) this.#cases.part(mistaken, own);
  }

  /**
   * The kill that so far only a counter saw. That it is the same is concluded, and so is its cgroup from now on; where
   * several cgroups have one, nobody knows which of them it was.
   */
  #identify(observation: KillObservation): Kill | undefined {
    const fitting = this.#cases.kills.findUnknown(observation, false);
    const found =
      fitting.length === 0 && this.#mustBeKnown(observation)
        ? this.#cases.kills.findUnknown(observation, true)
        : fitting;
    const [best] = found;
    if (best === undefined) return undefined;
    if (observation.cgroup !== null) {
      // The same name, perhaps not the same cgroup: it may have been made again.
      // What a counter has of another cgroup is another kill's, which then comes out of what is left.
      const elsewhere = !mayLieIn(observation.cgroup, best.cgroup);
      if (elsewhere || this.#cases.books.hasNamesakes(observation.cgroup.path))
        this.#cases.stamp(best, null);
      else if (best.cgroup !== null && marginOf(observation.at) > 2 * LATE_CLOCK_MICROSECONDS) {
        // Dated so vaguely, it may be a later kill in a later cgroup of that name.
        this.#cases.stamp(best, { ...best.cgroup, id: null, basis: "counter" });
      }
      return best;
    }
    // Nor do they know it of those that are left, once one of them was given away by guess.
    const alone = found.every((kill) => kill.cgroup?.path === best.cgroup?.path && !kill.ambiguous);
    for (const kill of found) {
      if (!alone) this.#cases.change(kill, { ambiguous: true });
      if (kill.cgroup === null) continue;
      this.#cases.stamp(kill, alone || kill !== best ? { ...kill.cgroup, basis: "counter" } : null);
    }
    return best;
  }

  /** The node's book was read since, and every kill in it has a record. */
  #mustBeKnown({ at, counted }: KillObservation): boolean {
    const { count } = this.#cases.node;
    if (count === null || !counted || this.#cases.node.holds(at) !== "yes") return false;
    if (at.monotonicMicroseconds + marginOf(at) > count.readAt) return false;
    return (this.#cases.node.unaccounted(this.#cases.books.groupsBooked()) ?? 1) <= 0;
  }

  #open(observation: KillObservation, doubled: boolean): void {
    const at = observation.at.monotonicMicroseconds;
    const id = killId(this.#options.bootId, observation.victim.tid, at);
    const kill = killFrom(this.#cases.kills.freeId(id), observation, {
      doubled,
      recovered: at < this.#options.startedAt,
      inNodeBook: this.#cases.node.holds(observation.at),
      openedAt: this.#cases.now,
    });
    this.#cases.enter(kill);
    this.#groups.join(kill, observation);
    this.#afterAttribution(kill, observation);
    this.#cases.outbox.opened(kill);
    this.#groups.claimRepeats(kill);
  }

  #merge(kill: Kill, observation: KillObservation): void {
    const { source, sequence } = observation;
    const at = mergeInstant(kill, observation.at);
    this.#cases.change(kill, {
      at,
      inNodeBook: at === kill.at ? kill.inNodeBook : this.#cases.node.holds(at),
      victim: mergeVictim(kill.victim, observation.victim, source === "kernel-log"),
      evidence: { [source]: sequence, ...kill.evidence },
      times: { [source]: observation.at.monotonicMicroseconds, ...kill.times },
      limit: mergeLimit(kill.limit, observation.limit),
      trigger: mergeTrigger(kill.trigger, observation.trigger),
    });
    this.#cases.offer(kill, observation.cgroup);
    this.#groups.join(kill, observation);
    this.#cases.witness(kill, observation.source);
    this.#afterAttribution(kill, observation);
    this.#groups.claimRepeats(kill);
  }

  #afterAttribution(kill: Kill, observation: KillObservation): void {
    if (observation.limit !== null && kill.cgroup !== null) {
      this.#cases.limits.printed(kill.cgroup.path, observation.limit);
    }
    this.#cases.witnessCounters(kill);
  }

  /** A second entry whose first never came: it is the only word of that kill. */
  #openWaitingRepeats(): void {
    const by = this.#cases.now - this.#settleMicroseconds;
    for (const repeat of this.#groups.overdue(by)) {
      if (this.#cases.kills.find(repeat) === undefined) this.#open(repeat, true);
    }
  }

  // --- books

  #observeCounter(observation: CounterObservation): void {
    if (observation.book.kind === "node") {
      if (this.#cases.node.observe(observation)) this.#reenterNodeBook();
    } else {
      this.#cases.books.observe(observation, this.#fresh);
    }
    this.#cases.witnessWaiting(observation.source);
  }

  /** The book was opened after kills were recorded: those before its opening are not in it. */
  #reenterNodeBook(): void {
    for (const kill of this.#cases.order) {
      this.#cases.change(kill, { inNodeBook: this.#cases.node.holdsAgain(kill) });
    }
  }

  /** Kills whose cgroup nobody stamped: told at once, since counters of kills wait for nothing else. */
  #attributeByCounters(): void {
    for (const { kill, stamp } of attributions(
      this.#cases.books,
      this.#cases.order,
      this.#cases.now,
      this.#options.startedAt,
    )) {
      this.#cases.stamp(kill, stamp);
      this.#cases.outbox.promptly(kill);
    }
  }

  /** Kills that a counter has and nobody saw become records with an unknown victim, once evidence has had its time. */
  #openMissing(by: number): number {
    const missing = missingKills(by, this.#cases.node, this.#cases.books, this.#cases.order);
    for (const one of missing) {
      const id = unknownKillId(this.#options.bootId, one.book, one.count);
      const kill: Kill = {
        ...one.kill,
        id: this.#cases.kills.freeId(id),
        // What the first reading after an absence shows happened in the absence.
        recovered: (one.kill.window?.from ?? this.#cases.now) < this.#options.startedAt,
        openedAt: this.#cases.now,
      };
      this.#cases.enter(kill);
      this.#cases.witnessCounters(kill);
      this.#cases.outbox.opened(kill);
    }
    return missing.length;
  }
}
