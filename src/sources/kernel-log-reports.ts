import type { OomReport } from "../model/report.ts";
import type { KmsgRecord } from "../parse/kmsg-record.ts";
import { INTERESTING } from "../parse/report-known.ts";
import { ReportReader } from "../parse/report-reader.ts";

/**
 * Records of the log to whole reports, for explanations. A report is whole when the next one begins, or when the log
 * falls silent and `end` is called. Other lines cost one look: 0.2 µs.
 */
export class KernelLogReports {
  readonly #reader = new ReportReader();

  /** Whether it is part of a report, or may begin one. */
  concerns(record: KmsgRecord): boolean {
    // User space cannot write records of facility 0: what it says of kills is no report.
    if (record.facility !== 0) return false;
    return !this.#reader.idle || INTERESTING.test(record.text);
  }

  push(record: KmsgRecord): readonly OomReport[] {
    return this.concerns(record) ? this.#reports(this.#reader.push(asLine(record))) : NONE;
  }

  end(): readonly OomReport[] {
    return this.#reader.idle ? NONE : this.#reports(this.#reader.end());
  }

  #reports(events: ReturnType<ReportReader["push"]>): readonly OomReport[] {
    if (events.length === 0) return NONE;
    return events.flatMap((event) => (event.kind === "report" ? [event.report] : NONE));
  }
}

const NONE: readonly OomReport[] = [];

/** As the kernel wrote it, which escapes backslashes and control characters. */
function asLine({ priority, sequence, timestampMicroseconds, flags, text }: KmsgRecord): string {
  const escaped = text.replace(/[\\\u0000-\u001f\u007f]/g, escapeCharacter);
  return `${priority},${sequence},${timestampMicroseconds},${flags};${escaped}`;
}

function escapeCharacter(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
