import type { Observation } from "../model/observation.ts";
import type { OomReport, ReportObservation } from "../model/report.ts";
import { formatInstant, type Instant, SECOND } from "../model/time.ts";
import { KernelLogAssembler, type KernelLogEvent } from "../parse/kernel-log-assembler.ts";
import type { KmsgRecord } from "../parse/kmsg-record.ts";
import { instantNow } from "./instant.ts";
import {
  KernelLogClock,
  LIVE_UNCERTAINTY_MICROSECONDS,
  type MeasuredOffset,
  unknownUncertainty,
} from "./kernel-log-clock.ts";
import { formatCursor, type LogCursor, type LogName, parseCursor } from "./kernel-log-cursor.ts";
import type { LogMark } from "./kernel-log-mark.ts";
import { ReportFeed } from "./kernel-log-report-feed.ts";
import type { SourceContext } from "./source.ts";

/** A record this young was written while we read: the backlog is over. */
const LIVE_AGE_MICROSECONDS = 250_000;
/** Records of the backlog are held back until our own mark was read, but no more of them than this. */
const HELD_EVENTS = 10_000;
/** Reports this much older than the cursor are told again: an earlier process may have ended before they were whole. */
const RETOLD_MICROSECONDS = 10_000_000;

interface FeedOptions {
  readonly log: LogName;
  /** Kills that are older than the start are reported. */
  readonly history: boolean;
  /** Our own line in the log, when we could write one: what stands before it is backlog. */
  readonly mark: LogMark | null;
}

/**
 * Records in, observations out: replays are dropped, gaps are counted, and what an earlier process reported is only read
 * for its context. A kill is emitted with the chunk that brought it; one of the backlog once our own mark has been read,
 * which tells how far the log's clock is from ours.
 */
export class KernelLogFeed {
  readonly #context: SourceContext;
  readonly #log: LogName;
  readonly #assembler: KernelLogAssembler;
  readonly #clock: KernelLogClock;
  readonly #history: boolean;
  /** Where an earlier process stopped. */
  readonly #cursor: LogCursor | null;
  readonly #start: Instant;
  readonly #reports: ReportFeed;
  #lastSequence: number | null = null;
  #live = false;
  /** The mark we still look for. */
  #mark: LogMark | null;
  #held: KernelLogEvent[] = [];
  /** The last record whose events are held or emitted. */
  #last: KmsgRecord | null = null;

  constructor(context: SourceContext, { log, history, mark }: FeedOptions) {
    this.#context = context;
    this.#start = instantNow(context.host.clock);
    this.#log = log;
    this.#mark = mark;
    this.#cursor = parseCursor(context.cursor);
    this.#history = history || this.#cursor !== null;
    this.#assembler = new KernelLogAssembler({ contiguous: log === "kmsg" });
    this.#reports = new ReportFeed(context.host.clock, (reports) => this.#tellReports(reports));
    this.#clock = new KernelLogClock(offsetOf(this.#cursor));
  }

  /** Whether everything written before the start has been read. */
  get live(): boolean {
    return this.#live;
  }

  get lastSequence(): number | null {
    return this.#lastSequence;
  }

  /** Our mark is still to come: until then silence does not mean that the backlog is over. */
  get awaitsMark(): boolean {
    return this.#mark !== null;
  }

  /** What comes from now on is new: our mark was read, or will not come and the log has fallen silent. */
  becomeLive(): void {
    this.#live = true;
    this.#mark = null;
    this.#release();
  }

  take(records: readonly KmsgRecord[]): void {
    const now = instantNow(this.#context.host.clock);
    const taken: KmsgRecord[] = [];
    for (const record of records) {
      // After a reopening the log begins at its oldest record again.
      if (this.#lastSequence !== null && record.sequence <= this.#lastSequence) continue;
      const reported = this.#isReported(record);
      if (!reported) this.#countGap(record);
      this.#lastSequence = record.sequence;
      this.#compareClocks(now, record);
      const events = this.#assembler.push(record);
      taken.push(record);
      if (reported) continue;
      this.#last = record;
      if (this.#history || this.#isNew(record)) this.#held.push(...events);
    }
    if (this.#mark === null || this.#held.length > HELD_EVENTS) this.#release();
    for (const record of taken) this.#reports.take(record);
  }

  /** Emits what was held back, dated by what is known of the clocks now. */
  #release(): void {
    const now = instantNow(this.#context.host.clock);
    const observations = this.#held.map((event) => this.#stamp(now, event));
    this.#held = [];
    if (observations.length > 0) this.#context.emit(observations);
    if (this.#last !== null) this.#save(now, this.#last);
    this.#last = null;
  }

  /** Nothing comes any more. */
  close(): void {
    this.#release();
    this.#reports.close();
  }

  #tellReports(reports: readonly OomReport[]): void {
    const now = instantNow(this.#context.host.clock);
    const told = reports.flatMap((report) => this.#stampReport(now, report));
    if (told.length > 0) this.#context.emit(told);
  }

  /** A report with its times; nothing when its kills are older than those that are told. */
  #stampReport(now: Instant, report: OomReport): ReportObservation[] {
    const last = report.kills.at(-1)?.uptimeSeconds ?? report.uptimeSeconds;
    if (last === null || report.uptimeSeconds === null) return [];
    const timestampMicroseconds = Math.round(last * SECOND);
    if (this.#isBefore(timestampMicroseconds)) return [];
    if (!this.#history && !this.#isNew({ timestampMicroseconds })) return [];
    const instant = (seconds: number) => this.#clock.instant(now, Math.round(seconds * SECOND));
    const at = instant(report.uptimeSeconds);
    const kills = report.kills.map((kill) => {
      const own = kill.uptimeSeconds === null ? null : formatInstant(instant(kill.uptimeSeconds));
      return { ...kill, at: own };
    });
    return [
      {
        kind: "report",
        source: "kernel-log",
        at,
        report: { ...report, at: formatInstant(at), kills },
      },
    ];
  }

  /** An earlier process told it. */
  #isBefore(timestampMicroseconds: number): boolean {
    if (this.#cursor === null) return false;
    return timestampMicroseconds <= this.#cursor.timestampMicroseconds - RETOLD_MICROSECONDS;
  }

  #isReported(record: KmsgRecord): boolean {
    const cursor = this.#cursor;
    if (cursor === null) return false;
    if (cursor.log === this.#log) return record.sequence <= cursor.sequence;
    return record.timestampMicroseconds <= cursor.timestampMicroseconds;
  }

  /** Written since the start. A reader that stalls looks like a silent log, so the record's age has a say. */
  #isNew(record: Pick<KmsgRecord, "timestampMicroseconds">): boolean {
    const age = this.#start.monotonicMicroseconds - record.timestampMicroseconds;
    return this.#live && age < unknownUncertainty(this.#start);
  }

  /** The kernel numbers its records from boot on: what is missing was overwritten before it was read. */
  #countGap(record: KmsgRecord): void {
    if (this.#log !== "kmsg") return;
    const cursor = this.#cursor?.log === "kmsg" ? this.#cursor.sequence : null;
    const before = Math.max(this.#lastSequence ?? -1, cursor ?? -1);
    if (before < 0 || record.sequence === before + 1) return;
    const count = record.sequence - before - 1;
    this.#context.lost(count, "kernel log records overwritten before they were read");
  }

  #compareClocks(now: Instant, record: KmsgRecord): void {
    if (this.#mark !== null) {
      this.#findMark(this.#mark, record);
      return;
    }
    const age = now.monotonicMicroseconds - record.timestampMicroseconds;
    if (!this.#live && Math.abs(age) < LIVE_AGE_MICROSECONDS) this.#live = true;
    if (this.#live) this.#clock.sample(now, record.timestampMicroseconds);
  }

  #findMark(mark: LogMark, record: KmsgRecord): void {
    if (record.facility === 0 || record.text !== mark.text) return;
    this.#clock.measure(mark.from, mark.to, record.timestampMicroseconds);
    this.#mark = null;
    this.#live = true;
  }

  #stamp(now: Instant, event: KernelLogEvent): Observation {
    const { timestampMicroseconds, ...observation } = event;
    return { ...observation, at: this.#clock.instant(now, timestampMicroseconds) };
  }

  #save(now: Instant, record: KmsgRecord): void {
    const { sequence, timestampMicroseconds } = record;
    const offsetMicroseconds = this.#clock.known(now)?.offsetMicroseconds ?? null;
    const cursor = { log: this.#log, sequence, timestampMicroseconds, offsetMicroseconds };
    this.#context.saveCursor(formatCursor(cursor));
  }
}

/** What an earlier process knew of the clocks. */
function offsetOf(cursor: LogCursor | null): MeasuredOffset | null {
  if (cursor === null || cursor.offsetMicroseconds === null) return null;
  const { offsetMicroseconds, timestampMicroseconds } = cursor;
  return {
    offsetMicroseconds,
    uncertaintyMicroseconds: LIVE_UNCERTAINTY_MICROSECONDS,
    at: timestampMicroseconds + offsetMicroseconds,
  };
}
