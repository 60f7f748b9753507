/**
 * Excerpts that somebody put before the log they are from:
 *
 *     [  261.36] Out of memory and no killable processes...
 *     [  261.39] Kernel panic - not syncing: System is deadlocked on memory
 *
 *     More console output before the crash:
 *     [  246.61] random invoked oom-killer: …
 *
 * A report without a table waits for one with a table that began after it: when its lines come again, with more around them, the
 * fuller report is told in its place.
 */
import type { OomReport } from "../model/report.ts";

/** A mail quotes a few kills before its log. */
const MAX_HELD = 16;

interface Excerpt {
  readonly report: OomReport;
  /** Of its deciding lines. */
  readonly stamps: readonly string[];
  readonly latestSeconds: number;
}

export class Excerpts {
  #held: Excerpt[] = [];

  /** A waiting report was decided by the line with this stamp. */
  has(stamp: string): boolean {
    return this.#held.some(({ stamps }) => stamps.includes(stamp));
  }

  /** Takes a finished report; returns what is to be told now, in this order. */
  take(report: OomReport, stamps: readonly string[]): readonly OomReport[] {
    this.#held = this.#held.filter((held) => !held.stamps.every((stamp) => stamps.includes(stamp)));
    const seconds = stamps.map((stamp) => Number(stamp.split("@")[1]));
    const thin = report.tasks.length === 0 && report.node === null;
    if (!thin || stamps.length === 0 || stamps.length > MAX_HELD)
      return [...this.#passed(report.uptimeSeconds), report];
    this.#held.push({ report, stamps, latestSeconds: Math.max(...seconds) });
    return this.#held.length > MAX_HELD ? this.#held.splice(0, 1).map(reportOf) : [];
  }

  /** All that wait. */
  end(): readonly OomReport[] {
    return this.#passed(null);
  }

  /** Those that the log's clock has passed; all, when it has none. */
  #passed(uptimeSeconds: number | null): readonly OomReport[] {
    if (this.#held.length === 0) return [];
    const isPassed = ({ latestSeconds }: Excerpt) =>
      uptimeSeconds === null || latestSeconds <= uptimeSeconds;
    const passed = this.#held.filter(isPassed);
    if (passed.length > 0) this.#held = this.#held.filter((held) => !isPassed(held));
    return passed.map(reportOf);
  }
}

function reportOf({ report }: Excerpt): OomReport {
  return report;
}

/** Of a line that decides: who was killed, or `null` for nobody, and when; `null` without the kernel's own time. */
export function stampOf(tid: number | null, uptimeSeconds: number | null): string | null {
  return uptimeSeconds === null ? null : `${tid ?? "none"}@${uptimeSeconds}`;
}
