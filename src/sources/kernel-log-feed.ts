import type { Observation } from "../model/observation.ts";
import type { OomReport, ReportObservation } from "../model/report.ts";
import { formatInstant, type Instant, SECOND } from "../model/time.ts";
import { KernelLogAssembler, type KernelLogEvent } from "../parse/kernel-log-assembler.ts";
import type { KmsgRecord } from "../parse/kmsg-record.ts";
import { instantNow } from "./instant.ts";
import { KernelLogClock, unknownUncertainty } from "./kernel-log-clock.ts";
import { formatCursor, type LogCursor, type LogName, parseCursor } from "./kernel-log-cursor.ts";
import { ReportFeed } from "./kernel-log-report-feed.ts";
import type { SourceContext } from "./source.ts";

/** A record this young was written while we read: the backlog is over. */
const LIVE_AGE_MICROSECONDS = 250_000;
/** Reports this much older than the cursor are told again: an earlier process may have ended before they were whole. */
const RETOLD_MICROSECONDS = 10_000_000;

/**
 * Records in, observations out: replays are dropped, gaps are counted, and what an earlier process reported is only read
 * for its context. A kill is emitted with the chunk that brought it.
 */
export class KernelLogFeed {
  readonly #context: SourceContext;
  readonly #log: LogName;
  readonly #assembler: KernelLogAssembler;
  readonly #clock: KernelLogClock;
  /** Kills that are older than the start are reported. */
  readonly #history: boolean;
  /** Where an earlier process stopped. */
  readonly #cursor: LogCursor | null;
  readonly #start: Instant;
  readonly #reports: ReportFeed;
  #lastSequence: number | null = null;
  #live = false;

  constructor(context: SourceContext, log: LogName, history: boolean) {
    this.#context = context;
    this.#start = instantNow(context.host.clock);
    this.#log = log;
    this.#cursor = parseCursor(context.cursor);
    this.#history = history || this.#cursor !== null;
    this.#assembler = new KernelLogAssembler({ contiguous: log === "kmsg" });
    this.#reports = new ReportFeed(context.host.clock, (reports) => this.#tellReports(reports));
    this.#clock = new KernelLogClock(this.#cursor?.offsetMicroseconds ?? null);
  }

  /** Whether everything written before the start has been read. */
  get live(): boolean {
    return this.#live;
  }

  get lastSequence(): number | null {
    return this.#lastSequence;
  }

  /** The log has fallen silent: what comes from now on is new. */
  becomeLive(): void {
    this.#live = true;
  }

  take(records: readonly KmsgRecord[]): void {
    const now = instantNow(this.#context.host.clock);
    const observations: Observation[] = [];
    const taken: KmsgRecord[] = [];
    let last: KmsgRecord | null = null;
    for (const record of records) {
      // After a reopening the log begins at its oldest record again.
      if (this.#lastSequence !== null && record.sequence <= this.#lastSequence) continue;
      const reported = this.#isReported(record);
      if (!reported) this.#countGap(record);
      this.#lastSequence = record.sequence;
      this.#compareClocks(now, record);
      const events = this.#assembler.push(record);
      taken.push(record);
      last = record;
      if (reported || !(this.#history || this.#isNew(record))) continue;
      for (const event of events) observations.push(this.#stamp(now, event));
    }
    if (observations.length > 0) this.#context.emit(observations);
    if (last !== null && !this.#isReported(last)) this.#save(last);
    for (const record of taken) this.#reports.take(record);
  }

  /** Nothing comes any more. */
  close(): void {
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
    const age = now.monotonicMicroseconds - record.timestampMicroseconds;
    if (!this.#live && Math.abs(age) < LIVE_AGE_MICROSECONDS) this.#live = true;
    if (this.#live) this.#clock.sample(now, record.timestampMicroseconds);
  }

  #stamp(now: Instant, event: KernelLogEvent): Observation {
    const { timestampMicroseconds, ...observation } = event;
    return { ...observation, at: this.#clock.instant(now, timestampMicroseconds) };
  }

  #save(record: KmsgRecord): void {
    const { sequence, timestampMicroseconds } = record;
    const { offsetMicroseconds } = this.#clock;
    const cursor = { log: this.#log, sequence, timestampMicroseconds, offsetMicroseconds };
    this.#context.saveCursor(formatCursor(cursor));
  }
}
