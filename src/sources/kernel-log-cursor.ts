/** Where the log is read from: sequence numbers of one mean nothing in the other. */
export type LogName = "kmsg" | "journal";

/** How far the log was read in this boot. */
export interface LogCursor {
  readonly log: LogName;
  readonly sequence: number;
  /** Of that record, by the kernel's clock in µs: the place in the other log. */
  readonly timestampMicroseconds: number;
  /** CLOCK_MONOTONIC − local_clock, when known. */
  readonly offsetMicroseconds: number | null;
}

const FORM = /^(kmsg|journal) (\d{1,16}) (\d{1,16}) (-?\d{1,16}|-)$/;

/** `kmsg 18139 2478316192 -2210`. */
export function formatCursor(cursor: LogCursor): string {
  const { log, sequence, timestampMicroseconds, offsetMicroseconds } = cursor;
  return `${log} ${sequence} ${timestampMicroseconds} ${offsetMicroseconds ?? "-"}`;
}

/** `null` when there is none, or it is not one of ours. */
export function parseCursor(text: string | null): LogCursor | null {
  const match = FORM.exec(text ?? "");
  if (match === null) return null;
  return {
    log: match[1] === "journal" ? "journal" : "kmsg",
    sequence: Number(match[2]),
    timestampMicroseconds: Number(match[3]),
    offsetMicroseconds: match[4] === "-" ? null : Number(match[4]),
  };
}
