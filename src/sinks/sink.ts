import type { Explanation } from "../model/explanation.ts";
import type { KillRecord, LedgerRecord, OutputRecord, SourceRecord } from "../model/record.ts";

/** A record with its place in the stream: sequences are contiguous, start at 1 and survive restarts of the agent. */
export interface StreamRecord {
  readonly sequence: number;
  readonly record: OutputRecord;
}

/** Why a kill happened, as far as is known now; the record is the one it was made of. */
export interface KillStory {
  readonly record: KillRecord;
  readonly explanation: Explanation;
}

/**
 * One way out. A sink is told, never asked, and never blocks the pipeline: what it cannot take it drops and counts.
 * It knows no source and no other sink.
 */
export interface Sink {
  readonly name: string;
  /** New records in stream order. Must return at once; slow work is queued inside, bounded. Never throws. */
  accept(records: readonly StreamRecord[]): void;
  /**
   * Why kills happened that were told before: about 0.5 s after the kill, and again when more is known. Lost with the
   * process: what a sink shows without one, it explains from the record alone. Must return at once, never throws.
   */
  explain?(stories: readonly KillStory[]): void;
  /**
   * Puts what is queued where it belongs before it returns; called before the agent forgets that it said it. False when
   * that is not possible now.
   */
  flush?(): boolean;
  /** Resolves when the disk has what was flushed, or cannot have it: then false. Does not hold up the loop. */
  sync?(): Promise<boolean>;
  /** The last sequence it ever took, also from an earlier process; 0 when none: no other record may be given it. */
  lastSequence?(): number;
  /**
   * Once, at the start: what the agent's books still know of records up to `last` that were told before. Takes those it has
   * lost; names those that it lacks all the same, as a sentence.
   */
  restore?(known: readonly StreamRecord[], last: number): string | null;
  /** Flushes and releases everything; resolves when done. */
  close(): Promise<void>;
}

/** What the agent knows now, for sinks that are asked from outside (HTTP, metrics). Cheap to read, never stale. */
export interface AgentView {
  readonly node: string;
  readonly bootId: string;
  readonly version: string;
  ledger(): LedgerRecord;
  sources(): readonly SourceRecord[];
  /** Recent kills in memory, newest first, at most 1,000. */
  recentKills(): readonly KillRecord[];
  /** Every source has reported up or unavailable at least once and the store is open. */
  ready(): boolean;
  metrics(): MetricsView;
}

/** Counters as the contract names them; they survive restarts of the agent. */
export interface MetricsView {
  /** Keyed by namespace, pod, container, scope; bounded, as all that follow. */
  readonly kills: readonly SeriesCount[];
  readonly invisibleKills: readonly SeriesCount[];
  readonly incidents: readonly SeriesCount[];
  /** Unix seconds of the last kill. */
  readonly lastKillSeconds: readonly SeriesCount[];
  /** Keyed by namespace, pod, container, verdict. */
  readonly exits?: readonly SeriesCount[];
  /** Drop-ins, labelled as the programs they stand in for. */
  readonly restarts?: readonly SeriesCount[];
  readonly ooms?: readonly SeriesCount[];
  readonly lastExitCodes?: readonly SeriesCount[];
  readonly podKills?: readonly SeriesCount[];
  readonly oomEvents?: readonly SeriesCount[];
  readonly kernelKills: number | null;
  readonly unaccountedKills: number | null;
  readonly unattributedKills: number;
  readonly recoveredKills: number;
  readonly latency: readonly LatencyHistogram[];
  /** Things the program dropped itself, by name: queue, series. */
  readonly drops: readonly { readonly what: string; readonly count: number }[];
}

export interface SeriesCount {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** An earlier process told it, or it is long past: its beginning is no step from 0. */
  readonly continued?: boolean;
  /** The labels objects under which it counted before these, and may have been printed. */
  readonly earlier?: readonly object[];
}

export interface LatencyHistogram {
  readonly source: string;
  /** Upper bounds in seconds, ascending, without +Inf. */
  readonly bounds: readonly number[];
  /** Cumulative counts, one longer than `bounds` (+Inf last). */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}
