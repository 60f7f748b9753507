import type { Clock } from "../host/host.ts";
import type { OomReport } from "../model/report.ts";
import type { KmsgRecord } from "../parse/kmsg-record.ts";
import { KernelLogReports } from "./kernel-log-reports.ts";

/** Lines of one report follow each other at once, also on a slow console: when the log is silent for so long, it is whole. */
const SILENCE_MILLISECONDS = 200;
/** A log that is never silent is read so often. */
const LONGEST_MILLISECONDS = 1_000;
/** More records than this are not put off: 20 ms of work. */
const BACKLOG_LIMIT = 1_000;

/**
 * Reads reports when the log has fallen silent: while kills come, the dying must be looked at, and nobody waits for an
 * explanation.
 */
export class ReportFeed {
  readonly #clock: Clock;
  readonly #tell: (reports: readonly OomReport[]) => void;
  readonly #reports = new KernelLogReports();
  #backlog: KmsgRecord[] = [];
  #takenAt = 0;
  #readAt = 0;
  #cancel: (() => void) | null = null;

  /** `tell` gets reports in the order of the log. */
  constructor(clock: Clock, tell: (reports: readonly OomReport[]) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  take(record: KmsgRecord): void {
    if (this.#backlog.length === 0 && !this.#reports.concerns(record)) return;
    this.#backlog.push(record);
    this.#takenAt = this.#clock.monotonicMicroseconds();
    if (this.#backlog.length >= BACKLOG_LIMIT) this.#read(false);
    this.#wait();
  }

  /** Nothing comes any more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#read(true);
  }

  #wait(): void {
    if (this.#cancel !== null) return;
    this.#readAt = this.#clock.monotonicMicroseconds();
    this.#again();
  }

  #again(): void {
    this.#cancel = this.#clock.after(SILENCE_MILLISECONDS, () => {
      const now = this.#clock.monotonicMicroseconds();
      const silent = now - this.#takenAt >= SILENCE_MILLISECONDS * 1_000;
      if (silent || now - this.#readAt >= LONGEST_MILLISECONDS * 1_000) {
        this.#readAt = now;
        this.#read(silent);
      }
      this.#cancel = null;
      if (!silent) this.#again();
    });
  }

  #read(whole: boolean): void {
    const records = this.#backlog;
    this.#backlog = [];
    const reports = records.flatMap((record) => this.#reports.push(record));
    if (whole) reports.push(...this.#reports.end());
    if (reports.length > 0) this.#tell(reports);
  }
}
